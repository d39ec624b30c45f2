"""Heat maps beside images: what is drawn where, and in which colour."""

import numpy as np
import pytest
import torch
from tables import write_images

from pipeline import layout
from pipeline.explainers.maps import Maps, write_maps
from pipeline.report import panels
from pipeline.report.figures import explanations
from pipeline.report.results import Results
from pipeline.study import Study

COUNT, SIDE = 3, 8
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def drawn(tmp_path):
    """Rows of axes by label, for two datasets (one with masks), two methods (one on that alone) and two explainers."""
    root = str(tmp_path / "root")
    ids, labels = list("abc"), np.array([0, 1, 0])
    masks = np.zeros((COUNT, SIDE, SIDE), bool)
    masks[:, 2:5, 3:6] = True
    for name, known in (("plain", None), ("masked", masks)):
        path = tmp_path / layout.dataset("root", name, "test")
        path.parent.mkdir(parents=True)
        write_images(path, ids, IMAGES, labels, class_names=["x", "y"], mean=[0.5] * 3, std=[0.2] * 3, masks=known)
        fine, coarse = torch.zeros(COUNT, SIDE, SIDE), torch.zeros(COUNT, 2, 2)
        fine[0, 1, 1], fine[0, 6, 6] = 2.0, -2.0
        coarse[1, 0, 0] = 0.1
        for explainer, values in (("fine", fine), ("coarse", coarse)):
            for method in ("std", "csg") if name == "masked" else ("std",):
                write_maps(layout.explanation(root, name, method, explainer, 0), Maps(ids, labels.tolist(), values))
    slices = {
        "study": "s", "root": root, "datasets": {"plain": {}, "masked": {}},
        "explainers": {"fine": {"families": []}, "coarse": {"families": ["mlp"]}, "of_others": {"families": ["abn"]}},
        "methods": {
            "std": {"datasets": None, "network": {"from": "mlp"}},
            "csg": {"datasets": ["masked"], "network": {"from": "mlp"}},
        }, "seeds": 1,
    }  # fmt: skip
    grid = np.array(explanations.draw(Results(Study(slices))).axes).reshape(-1, explanations.IMAGES)
    return [(row[0].get_ylabel(), row) for row in grid]


def picture(axes) -> np.ndarray:
    (image,) = axes.images
    return np.asarray(image.get_array())


def test_images_and_maps_of_each_dataset_in_order(drawn):
    std, csg = ["std\nfine", "std\ncoarse"], ["csg\nfine", "csg\ncoarse"]
    assert [label for label, _ in drawn] == ["plain", *std, "masked", *std, *csg]
    for row in (drawn[0][1], drawn[3][1]):
        for axes, image in zip(row, IMAGES, strict=False):
            assert np.array_equal(picture(axes), image)


def test_objects_are_outlined_where_they_are_known(drawn):
    plain, masked = drawn[0][1], drawn[3][1]
    assert not any(axes.collections for axes in plain)
    for axes in masked[:COUNT]:
        (outline,) = axes.collections
        (line,) = outline.get_paths()
        left, bottom = line.vertices.min(axis=0)
        right, top = line.vertices.max(axis=0)
        assert (left, right, bottom, top) == (2.5, 5.5, 1.5, 4.5)


def test_maps_cover_the_image_red_for_and_blue_against(drawn):
    first = picture(drawn[1][1][0])
    assert first.shape == (SIDE, SIDE, 3)
    red, _, blue = first[1, 1]
    assert red > 2 * blue
    red, _, blue = first[6, 6]
    assert blue > 2 * red


def test_coarse_maps_are_enlarged_and_have_a_scale_of_their_own(drawn):
    values = picture(drawn[2][1][1])
    assert values.shape == (SIDE, SIDE, 3)
    red, _, blue = values[0, 0]
    assert red > 2 * blue, "a map of 0.1 is as strong as one of 2"
    assert np.ptp(values[5, 5] / values[5, 5].mean()) < 0.05, "far from it there is no colour"


def test_a_map_of_zeros_leaves_the_pale_image(drawn):
    values = picture(drawn[1][1][2])
    grey = IMAGES[2].mean(axis=2, keepdims=True) / 255
    assert np.allclose(values, 1 - panels.FADED * (1 - grey), atol=0.04) and np.ptp(values, axis=2).max() < 0.04
