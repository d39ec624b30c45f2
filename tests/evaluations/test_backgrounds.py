"""Accuracy before other backgrounds, on a network that reads its class off single pixels."""

import json

import numpy as np
import pytest
import torch
from tables import write_images
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.evaluations.backgrounds import donors, evaluate, widened, without_objects
from pipeline.evaluations.subject import Subject
from pipeline.settings import parse_slice
from pipeline.training.data import Images

SIZE = 12
SETTINGS = parse_slice("evaluation", json.dumps({"from": "backgrounds", "margin": 1 / SIZE}))
#: Row and column of a pixel inside the object of `pictures`, and of one outside.
INSIDE, OUTSIDE = (5, 5), (0, 11)


class Pixel(nn.Module):
    """Class 1 where the red of one pixel is above 0.6, else 0."""

    def __init__(self, place: tuple[int, int]) -> None:
        super().__init__()
        self.place = place

    def forward(self, images: Tensor) -> Tensor:
        red = images[:, 0, *self.place]
        return torch.stack([0.6 - red, red - 0.6], dim=1)


def pictures(count: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, masks and labels: class 1 is white before white, class 0 black before black, the object 4×4 pixels."""
    labels = np.arange(count) % 2
    images = np.broadcast_to(255 * labels[:, None, None, None], (count, SIZE, SIZE, 3)).astype(np.uint8)
    masks = np.zeros((count, SIZE, SIZE), bool)
    masks[:, 4:8, 4:8] = True
    return images, masks, labels


def subject(tmp_path, network: nn.Module, images: np.ndarray, masks: np.ndarray, labels: np.ndarray) -> Subject:
    path = tmp_path / "test.parquet"
    ids = [str(row) for row in range(len(labels))]
    write_images(path, ids, images, labels, class_names=["0", "1"], mean=[0.5] * 3, std=[0.2] * 3, masks=masks)
    found = Subject("0", {}, {}, torch.device("cpu"), {"test": Images.read(str(path), torch.device("cpu"))}, {})
    found.network = network
    return found


def values(rows: list) -> dict[str, tuple[float, int]]:
    return {row.metric: (row.value, row.n) for row in rows}


def test_a_network_of_objects_keeps_its_accuracy_and_one_of_backgrounds_loses_it(tmp_path):
    given = pictures()
    found = values(evaluate(subject(tmp_path, Pixel(INSIDE), *given), SETTINGS))
    assert found == {"accuracy_grey_background": (1.0, 8), "accuracy_other_background": (1.0, 8)}
    # Grey is below 0.6, so that all images are called class 0; every other background is that of the other class.
    found = values(evaluate(subject(tmp_path, Pixel(OUTSIDE), *given), SETTINGS))
    assert found == {"accuracy_grey_background": (0.5, 8), "accuracy_other_background": (0.0, 8)}


def test_the_object_of_the_lender_is_not_to_be_seen(tmp_path):
    images, masks, labels = pictures()
    # Lenders show a white object before black in class 0, and a black one before white in class 1, at another place.
    masks[:] = False
    masks[::2, 1:4, 1:4] = masks[1::2, 7:11, 7:11] = True
    images = np.where(masks[..., None], 255 - images, images)
    for place, own in (((9, 9), 1), ((2, 2), 0)):
        seen = values(evaluate(subject(tmp_path, Pixel(place), images, masks, labels), SETTINGS))
        # Inside the own object each image shows it; images of the other class show the filled background of `own`.
        expected = [labels[row] == (1 - own if labels[row] == own else own) for row in range(8)]
        assert seen["accuracy_other_background"][0] == np.mean(expected)


def test_images_without_a_mask_are_left_out(tmp_path):
    images, masks, labels = pictures()
    masks[:3] = False
    found = values(evaluate(subject(tmp_path, Pixel(OUTSIDE), images, masks, labels), SETTINGS))
    assert {n for _, n in found.values()} == {5}
    assert found["accuracy_grey_background"][0] == 2 / 5, "of rows 3 to 7 two are of class 0"


@pytest.mark.parametrize("spoilt", ["no masks", "one class", "no background"])
def test_without_a_background_of_another_class_the_table_is_named(tmp_path, spoilt):
    images, masks, labels = pictures()
    if spoilt == "no masks":
        masks[:] = False
    elif spoilt == "one class":
        labels[:] = 0
    else:
        masks[1::2] = True
    with pytest.raises(UserError, match=r"test\.parquet: some class has no image of another one .* lower its `margin`"):
        evaluate(subject(tmp_path, Pixel(INSIDE), images, masks, labels), SETTINGS)


def test_lenders_are_of_another_class_all_alike_probable_and_the_same_each_time():
    labels = torch.arange(600) % 3
    kept, lending = torch.arange(600), torch.arange(0, 600, 2)
    behind = donors(labels, kept, lending)
    assert (labels[behind] != labels[kept]).all() and (behind % 2 == 0).all()
    assert len(behind.unique()) > 150, "not always the same ones"
    assert torch.equal(behind, donors(labels, kept, lending))


def test_a_rim_is_the_loop_over_neighbours():
    masks = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(0)) > 0.9
    grown = widened(masks, 2 / 7)
    for n in range(3):
        for y in range(9):
            for x in range(7):
                near = masks[n, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
                assert grown[n, y, x] == near.any()
    assert torch.equal(widened(masks, 0.0), masks)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_lies_outside_stays_and_the_hole_is_of_its_colour(channels):
    pixels = torch.full((2, channels, SIZE, SIZE), 51, dtype=torch.uint8)
    masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    masks[:, 4:8, 4:8] = True
    pixels[:, :, 4:8, 4:8] = 255
    pixels[:, :, 3, 3] = 200  # within the rim of one pixel
    pixels[:, :, 0, 0] = 7
    filled = (255 * without_objects(pixels, masks, 1 / SIZE)).round()
    outside = ~widened(masks, 1 / SIZE)[:, None].expand_as(pixels)
    assert torch.equal(filled[outside], pixels[outside].float())
    # Telea's weighted means round; object and rim were further away by far.
    assert (filled[~outside] - 51).abs().max() <= 3
