"""CUB-200-2011: real photographs with their boxes and parts, and where people looked at them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.cub import prepare
from pipeline.errors import UserError
from pipeline.settings.datasets import Cub


def chosen(**values) -> Cub:
    return Cub(kind="cub", **values)


@pytest.fixture(scope="module")
def subset(unpacked: Callable[[str], Path], tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("subset")
    for archive, name in (("cub200.tar", "CUB_200_2011"), ("cub_gha_fixations.tar.gz", "CUB_GHA")):
        (folder / name).symlink_to(unpacked(archive) / name)
    return folder


@pytest.mark.real_data
def test_the_real_subset(subset):
    prepared = prepare(subset, chosen(size=224, fit="crop", attributes="class", gaze=True))
    assert len(prepared.train) == 330 and len(prepared.test) == 270
    assert len(prepared.class_names) == 30 and len(prepared.names["attributes"]) == 312
    # Number 1, of the test images, is 256×172: the square begins 42 pixels from the left.
    sample = next(sample for read in prepared.test[:30] if (sample := read()).sample_id == "1")
    scale = 224 / 172
    assert sample.parts[1] == pytest.approx(((159.7 - 42) * scale, 93.4 * scale))
    assert 0 not in sample.parts
    assert sample.bbox == pytest.approx((0, 13.9 * scale, (30.7 + 166.4 - 42) * scale, 156.1 * scale))
    # First and fifth of its class: 0.0 and 59.85 percent.
    assert sample.attributes[[0, 4]].tolist() == [0, 1]


@pytest.mark.real_data
def test_people_look_at_the_bird_and_stretching_keeps_all_its_parts(subset):
    prepared = prepare(subset, chosen(size=112, fit="stretch", attributes="none", gaze=True))
    lines = (subset / "CUB_200_2011/parts/part_locs.txt").read_text().splitlines()
    visible = Counter(line.split()[0] for line in lines if line.endswith(" 1"))
    inside = []
    for read in prepared.test[:30]:
        sample = read()
        assert len(sample.parts) == visible[sample.sample_id]
        x, y, width, height = (round(value) for value in sample.bbox)
        box = np.zeros(sample.gaze.shape, bool)
        box[y : y + height, x : x + width] = True
        inside.append(sample.gaze[box].mean() > sample.gaze[~box].mean())
    assert np.mean(inside) > 0.9


@pytest.mark.real_data
def test_the_real_subset_lacks_attributes_of_images(subset):
    with pytest.raises(UserError, match=r"image_attribute_labels\.txt: no such file; .* or set attributes: class"):
        prepare(subset, chosen())
