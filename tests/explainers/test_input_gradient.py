"""Input gradients: one batch against one image at a time and finite differences; maps to tables and back."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest
import torch
from gradient_toys import TARGETS, resnet, slope, smooth, trained

from pipeline.artifacts import EXPLANATIONS, read_table, write_table
from pipeline.errors import UserError
from pipeline.explainers.input_gradient import explain, input_gradient
from pipeline.explainers.maps import Maps, read_maps, write_maps
from pipeline.settings.explainers import InputGradient


@pytest.mark.parametrize("make", [smooth, resnet])
def test_batch_is_one_image_at_a_time(make):
    network, images = trained(make)
    expected = torch.stack([slope(network, image, target) for image, target in zip(images, TARGETS, strict=True)])
    gradients = input_gradient(network, images, TARGETS)
    assert gradients.std() > 0
    assert torch.allclose(gradients, expected, rtol=1e-4, atol=1e-6)


def test_attributions_are_finite_differences():
    network, images = trained(smooth)
    gradients = input_gradient(network, images, TARGETS)
    step = 1e-5
    with torch.no_grad():
        for place in product(range(2), range(6), range(6)):
            up, down = images.clone(), images.clone()
            up[:, *place] += step
            down[:, *place] -= step
            change = (network(up) - network(down)).gather(1, TARGETS[:, None])[:, 0]
            assert torch.allclose(gradients[:, *place], change / (2 * step), rtol=1e-7, atol=1e-9)


def test_map_is_the_sum_of_magnitudes():
    network, images = trained(smooth)
    gradients = input_gradient(network, images, TARGETS)
    maps = explain(network, images, TARGETS, InputGradient(kind="input_gradient"))
    assert torch.equal(maps, gradients[:, 0].abs() + gradients[:, 1].abs())


def written(path) -> Maps:
    values = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    values[1] = torch.tensor([[-0.0, 1e-38, 3e38, -1.0, 0.1]])
    maps = Maps(["a", "b", "ü"], [2, 0, 1], values)
    write_maps(str(path), maps)
    return maps


def test_maps_come_back_from_a_table(tmp_path):
    maps = written(tmp_path / "t.parquet")
    back = read_maps(str(tmp_path / "t.parquet"))
    assert (back.ids, back.targets) == (maps.ids, maps.targets)
    assert back.values.dtype is torch.float32 and torch.equal(back.values, maps.values)
    back.values += 1  # the tensor owns its memory


def test_other_readers_find_rows_of_the_picture(tmp_path):
    maps = written(tmp_path / "t.parquet")
    row = read_table(tmp_path / "t.parquet", EXPLANATIONS).to_pylist()[2]
    assert (row["sample_id"], row["target"], row["height"], row["width"]) == ("ü", 1, 4, 5)
    assert np.array_equal(np.reshape(row["map"], (4, 5)).astype(np.float32), maps.values[2].numpy())


def test_missing_and_damaged_maps_are_named(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(UserError, match=r"t\.parquet: no such file"):
        read_maps(str(path))
    written(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"t\.parquet: not a whole Parquet table"):
        read_maps(str(path))


@pytest.mark.parametrize("sizes", [[], [(2, 2), (1, 2)], [(2, 3), (3, 2)]], ids=["none", "other length", "turned"])
def test_no_maps_and_maps_of_several_sizes_are_named(tmp_path, sizes):
    rows = [
        {"sample_id": "a", "target": 0, "height": height, "width": width, "map": [1.0] * (height * width)}
        for height, width in sizes
    ]
    write_table(tmp_path / "t.parquet", pa.Table.from_pylist(rows, EXPLANATIONS), EXPLANATIONS)
    with pytest.raises(UserError, match=r"t\.parquet: "):
        read_maps(str(tmp_path / "t.parquet"))
