"""Images on the device, from tables."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tables import write_images, write_samples

from pipeline.datasets.samples import Prepared, Sample
from pipeline.errors import UserError
from pipeline.training.data import Images

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 3])
def written(request, tmp_path) -> tuple[str, np.ndarray]:
    """A table of four images that hold every value, and the images."""
    images = np.random.default_rng(0).permuted(np.arange(1024) % 256).astype(np.uint8)
    images = np.broadcast_to(images.reshape(4, 16, 16, 1), (4, 16, 16, request.param)).copy()
    images[..., 0] = 255 - images[..., 0]
    labels = np.array([2, 0, 1, 2])
    channels = request.param
    path = str(tmp_path / "t.parquet")
    write_images(
        path,
        list("wxyz"),
        images,
        labels,
        class_names=["a", "b", "c"],
        mean=[0.5] * channels,
        std=[0.1] * channels,
        augment={"shift": 1},
    )
    return path, images


def test_images_come_back_from_a_table(written):
    path, pixels = written
    images = Images.read(path, CPU)
    assert torch.equal(images.pixels, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.pixels.dtype is torch.uint8 and images.pixels.is_contiguous()
    assert (images.labels.tolist(), images.ids, len(images), images.classes) == ([2, 0, 1, 2], list("wxyz"), 4, 3)
    assert images.notes["augment"] == {"shift": 1}


def test_floats_are_exact_and_from_0_to_1(written):
    path, pixels = written
    images = Images.read(path, CPU)
    everything = images.floats(slice(None))
    assert everything.dtype is torch.float32
    assert (everything.min(), everything.max()) == (0, 1)
    assert np.array_equal(everything.permute(0, 2, 3, 1).numpy(), pixels.astype(np.float32) / np.float32(255))
    for rows in (slice(1, 3), torch.tensor([3, 0])):
        assert torch.equal(images.floats(rows), everything[rows])


@pytest.mark.parametrize(("limit", "left"), [(1, 1), (3, 3), (4, 4), (9, 4), (None, 4)])
def test_limit_keeps_the_first(written, limit, left):
    path, pixels = written
    images = Images.read(path, CPU, limit=limit)
    assert (len(images), images.ids) == (left, list("wxyz")[:left])
    assert torch.equal(images.pixels, torch.from_numpy(pixels[:left]).permute(0, 3, 1, 2))
    assert images.classes == 3


def test_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.parquet: no such file"):
        Images.read(str(tmp_path / "none.parquet"), CPU)


def annotated(path: Path, masks: list[np.ndarray | None], attributes: list[np.ndarray | None]) -> str:
    """A table of grey 4×4 images with those annotations, None where one is missing."""
    prepared = Prepared(
        class_names=["a"], mean=[0.5], std=[0.1], train=(), test=(), columns=("mask", "attributes"),
        names={"attributes": ["red", "round"]},
    )  # fmt: skip
    samples = (
        Sample(sample_id=str(row), image=np.zeros((4, 4, 1), np.uint8), label=0, mask=mask, attributes=found)
        for row, (mask, found) in enumerate(zip(masks, attributes, strict=True))
    )
    write_samples(path, samples, prepared)
    return str(path)


def test_masks_and_attributes_come_with_the_images(tmp_path):
    mask = np.random.default_rng(0).random((4, 4)) > 0.5
    marks = [np.array([1, 0], np.uint8), np.array([0, 1], np.uint8), np.array([1, 1], np.uint8)]
    path = annotated(tmp_path / "t.parquet", [None, mask, ~mask], marks)
    images = Images.read(path, CPU, limit=2)
    assert torch.equal(images.masks(), torch.from_numpy(np.stack([np.zeros_like(mask), mask])))
    assert images.attributes().tolist() == [[1, 0], [0, 1]]


def test_images_without_annotations_say_so(tmp_path, written):
    for images in (
        Images.read(written[0], CPU), Images.read(annotated(tmp_path / "t.parquet", [None], [None]), CPU)
    ):  # fmt: skip
        with pytest.raises(UserError, match=r"t\.parquet: no image has 'mask'; name those that have it under"):
            images.masks()
        with pytest.raises(UserError, match=r"t\.parquet: no image has 'attributes'"):
            images.attributes()


def test_an_image_without_attributes_among_others_is_named(tmp_path):
    path = annotated(tmp_path / "t.parquet", [None, None], [np.array([1, 0], np.uint8), None])
    with pytest.raises(UserError, match=r"t\.parquet: image '1' has no attributes"):
        Images.read(path, CPU).attributes()
