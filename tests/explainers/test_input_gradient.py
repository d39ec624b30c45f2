"""Input gradients: one batch against one image at a time and finite differences; maps to tables and back."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

from pipeline.artifacts import EXPLANATIONS, read_table, write_table
from pipeline.errors import UserError
from pipeline.explainers.input_gradient import explain
from pipeline.explainers.maps import Maps, read_maps, write_maps
from pipeline.models.resnet_cifar import build
from pipeline.settings.explainers import InputGradient
from pipeline.settings.methods import ResnetCifar

SETTINGS = InputGradient(kind="input_gradient")
TARGETS = torch.tensor([2, 0, 1, 2, 2])


def smooth() -> nn.Module:
    """A network without kinks in double precision, so that finite differences are its gradients."""
    convolution = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Softplus())
    return nn.Sequential(convolution, nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 16, 3)).double()


def resnet() -> nn.Module:
    return build(ResnetCifar(blocks=1, channels=(4, 4, 6)), channels=2, classes=3, mean=[0.4] * 2, std=[0.2] * 2)


def trained(make: Callable[[], nn.Module]) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode, with running statistics that are not the first ones, and images of its kind."""
    torch.manual_seed(0)
    network = make()
    dtype = next(network.parameters()).dtype
    network.train()(torch.rand(20, 2, 6, 6, dtype=dtype))
    return network.eval(), torch.rand(5, 2, 6, 6, dtype=dtype)


@pytest.mark.parametrize("make", [smooth, resnet])
def test_batch_is_one_image_at_a_time(make):
    network, images = trained(make)
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        image = image.clone().requires_grad_()
        network(image[None])[0, target].backward()
        expected.append(image.grad[0] + image.grad[1])
    maps = explain(network, images, TARGETS, SETTINGS)
    assert maps.shape == (5, 6, 6) and maps.std() > 0
    assert torch.allclose(maps, torch.stack(expected), rtol=1e-4, atol=1e-6)


def test_maps_are_finite_differences():
    network, images = trained(smooth)
    maps = explain(network, images, TARGETS, SETTINGS)
    step = 1e-5
    with torch.no_grad():
        for row, column in product(range(6), range(6)):
            # Moving both channels at once by the same step gives the sum over channels.
            up, down = images.clone(), images.clone()
            up[:, :, row, column] += step
            down[:, :, row, column] -= step
            slope = (network(up) - network(down)).gather(1, TARGETS[:, None])[:, 0] / (2 * step)
            assert torch.allclose(maps[:, row, column], slope, rtol=1e-7, atol=1e-9)


def test_explaining_leaves_no_trace():
    network, images = trained(resnet)
    before = images.clone()
    explain(network, images, TARGETS, SETTINGS)
    assert torch.equal(images, before) and not images.requires_grad and images.grad is None
    assert all(weight.grad is None for weight in network.parameters())


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
