"""Random changes on the device: those of a whole batch at once must equal a loop over single images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2.functional import resized_crop

from pipeline.training.augment import augment, enlarged, rectangles
from pipeline.training.streams import stream


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


# Resized crops.


def test_a_crop_is_enlarged_as_torchvision_does_it():
    pixels = pictures(40, height=12, width=9)
    boxes = rectangles(40, (12, 9), (0.1, 1.0), torch.Generator().manual_seed(3))
    ours = enlarged(pixels, boxes)
    assert ours.dtype is torch.uint8 and ours.shape == pixels.shape
    for image, box, found in zip(pixels, boxes.tolist(), ours, strict=True):
        expected = resized_crop(image.float()[None], *box, size=[12, 9], antialias=False)[0]
        assert (found.float() - expected).abs().max() <= 0.5 + 1e-3


def test_rectangles_have_the_asked_share_and_shape_and_lie_everywhere_inside():
    boxes = rectangles(4000, (64, 64), (0.25, 0.5), torch.Generator().manual_seed(0)).double()
    top, left, height, width = boxes.T
    share, ratio = height * width / 64**2, width / height
    # Sides are whole pixels.
    assert 0.24 < share.min() < 0.26 and 0.48 < share.max() < 0.515
    assert np.allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.3125, 0.375, 0.4375], atol=0.01)
    assert 0.72 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.39 and abs(ratio.log().median()) < 0.03
    for corner, side in ((top, height), (left, width)):
        assert corner.min() == 0 and (corner + side).max() == 64
        assert np.isclose((corner / (64 - side)).mean(), 0.5, atol=0.02)


def test_a_rectangle_that_never_fits_is_the_whole_image():
    boxes = rectangles(5, (40, 4), (0.9, 1.0), torch.Generator().manual_seed(0))
    assert boxes.tolist() == [[0, 0, 40, 4]] * 5


def test_resized_crops_come_before_the_other_changes():
    pixels = pictures(8)
    both = augment(pixels, torch.Generator().manual_seed(4), resized_crop=(0.3, 1.0), shift=2)
    generator = torch.Generator().manual_seed(4)
    cropped = augment(pixels, generator, resized_crop=(0.3, 1.0))
    assert not torch.equal(cropped, pixels)
    assert torch.equal(both, augment(cropped, generator, shift=2))


def test_jitter_enlarges_and_crops_back_at_a_random_place():
    """A side of 8 becomes 10; the place of the crop is read off a picture whose value is its own row or column."""
    ramp = torch.arange(8.0).expand(40, 2, 8, 8).clone()
    ramp[:, 0] = ramp[:, 1].mT
    changed = augment(ramp, stream(0, "augment", 0, 0), jitter=0.25)
    for axis, along in ((0, changed[:, 0, :, 3]), (1, changed[:, 1, 3, :])):
        steps = along[:, 2:-1] - along[:, 1:-2]
        assert torch.allclose(steps, torch.tensor(0.8), atol=1e-4), axis
        corners = along[:, 3] - (3.5 * 0.8 - 0.5)
        assert corners.min() >= -1e-4 and corners.max() <= 1.6 + 1e-4
        assert corners.min() < 0.3 and corners.max() > 1.3 and len(corners.unique()) == 40
