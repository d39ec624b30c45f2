"""Images on the device: from tables, and changed at random by one gather that must equal a loop over single images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tables import write_images, write_samples
from torch import Tensor

from pipeline.datasets.samples import Prepared, Sample
from pipeline.errors import UserError
from pipeline.training.data import Images, augment

CPU = torch.device("cpu")


def pictures(count: int = 6, channels: int = 3, height: int = 5, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def literal(pixels: Tensor, generator: torch.Generator, crop_padding: int, flip: bool, shift: int) -> Tensor:
    """One image after another: crop from a zero border, roll around the edge, mirror. Draws in the order of `augment`:
    for the whole batch the row shifts, column shifts, crop rows, crop columns, mirrors.
    """
    count, channels, height, width = pixels.shape

    def draw(low: int, high: int) -> list[int]:
        return torch.randint(low, high + 1, (count, 1), generator=generator).flatten().tolist()

    down, right = draw(-shift, shift), draw(-shift, shift)
    top, left = (draw(0, 2 * crop_padding), draw(0, 2 * crop_padding)) if crop_padding else ([0] * count, [0] * count)
    mirrored = draw(0, 1) if flip else [0] * count
    changed = []
    for i, image in enumerate(pixels):
        canvas = torch.zeros(channels, height + 2 * crop_padding, width + 2 * crop_padding, dtype=pixels.dtype)
        canvas[:, crop_padding : crop_padding + height, crop_padding : crop_padding + width] = image
        image = canvas[:, top[i] : top[i] + height, left[i] : left[i] + width]
        image = torch.roll(image, (-down[i], -right[i]), dims=(1, 2))
        changed.append(torch.flip(image, dims=(2,)) if mirrored[i] else image)
    return torch.stack(changed)


CHANGES = st.fixed_dictionaries(
    {"crop_padding": st.integers(0, 4), "flip": st.booleans(), "shift": st.integers(0, 4)}
).filter(lambda changes: any(changes.values()))


@given(changes=CHANGES, seed=st.integers(0, 1000), channels=st.sampled_from([1, 3]))
def test_augment_is_the_literal_loop(changes, seed, channels):
    pixels = pictures(channels=channels)
    ours = augment(pixels, torch.Generator().manual_seed(seed), **changes)
    assert torch.equal(ours, literal(pixels, torch.Generator().manual_seed(seed), **changes))
    assert ours.shape == pixels.shape and ours.dtype == pixels.dtype


def distinct(pixels: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in pixels}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [({"flip": True}, 2), ({"shift": 1}, 9), ({"crop_padding": 1}, 9), ({"flip": True, "shift": 1}, 18)],
)
def test_every_change_occurs_and_each_image_has_its_own(changes, kinds):
    copies = pictures(1).repeat(600, 1, 1, 1)
    assert len(distinct(augment(copies, torch.Generator().manual_seed(0), **changes))) == kinds


def test_mirrors_come_half_of_the_time():
    copies = pictures(1).repeat(1000, 1, 1, 1)
    changed = augment(copies, torch.Generator().manual_seed(0), flip=True)
    assert 440 < (changed == copies).flatten(1).all(1).sum() < 560


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_dtype_and_given_images_are_kept(dtype):
    pixels = pictures().to(dtype)
    before = pixels.clone()
    assert augment(pixels, torch.Generator(), crop_padding=2, flip=True, shift=2).dtype is dtype
    assert torch.equal(pixels, before)


def test_nothing_is_drawn_or_changed_when_off():
    pixels, generator = pictures(), torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert augment(pixels, generator, crop_padding=0, flip=False, shift=0) is pixels
    assert torch.equal(generator.get_state(), before)


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
        path, list("wxyz"), images, labels, class_names=["a", "b", "c"], mean=[0.5] * channels, std=[0.1] * channels,
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
