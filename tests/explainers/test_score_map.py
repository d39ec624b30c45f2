"""Heat maps of scores: the order of rows, concentration by its definition, and which dimensions are shown how."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn.functional import interpolate

from pipeline.explainers.score_map import colour_limits, grids, most_concentrated, score_map, spatial_concentration

MAPS = arrays("float64", st.tuples(*[st.integers(1, 3)] * 4), elements=st.integers(0, 5)).map(torch.from_numpy)


def test_rows_are_places_of_images():
    activations = torch.rand(4, 5, 2, 3)  # images, dimensions, height, width
    scores = activations.permute(0, 2, 3, 1).reshape(-1, 5)
    maps = grids(scores, (2, 3))
    assert torch.equal(maps, activations)
    for n in range(4):
        for u in range(2):
            for v in range(3):
                assert torch.equal(maps[n, :, u, v], scores[(n * 2 + u) * 3 + v])


def test_heat_maps_are_each_brought_to_the_image():
    scores = torch.rand(2 * 9, 4)
    maps = score_map(scores, (3, 3), (10, 8))
    assert maps.shape == (2, 4, 10, 8)
    for n in range(2):
        for j in range(4):
            small = scores[9 * n : 9 * (n + 1), j].reshape(1, 1, 3, 3)
            assert torch.equal(maps[n, j], interpolate(small, size=(10, 8), mode="bilinear", align_corners=False)[0, 0])


@pytest.mark.parametrize("shape", [(10, 4), (9,), (2, 9, 4)])
def test_scores_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected scores \(N·3·3\)×r, got"):
        score_map(torch.zeros(shape), (3, 3), (6, 6))


@given(maps=MAPS)
def test_concentration_is_its_definition(maps):
    found = spatial_concentration(maps)
    images, dimensions, height, width = maps.shape
    for n in range(images):
        for j in range(dimensions):
            values = maps[n, j].flatten().tolist()
            if sum(values) == 0 or height * width == 1:
                assert found[n, j].isnan()
                continue
            entropy = -sum(value / sum(values) * log(value / sum(values)) for value in values if value)
            assert found[n, j].item() == pytest.approx(1 - entropy / log(height * width), abs=1e-12)


def test_concentration_of_flat_maps_is_0_and_of_single_places_1():
    maps = torch.zeros(2, 1, 3, 3)
    maps[0] = 0.7
    maps[1, 0, 1, 2] = 1e-30
    assert spatial_concentration(maps)[:, 0].tolist() == pytest.approx([0, 1], abs=1e-12)


def test_maps_without_a_concentration_are_nan_and_harm_no_other():
    maps = torch.rand(1, 5, 3, 3)
    maps[0, 0] = 0
    maps[0, 1, 0, 0], maps[0, 2, 1, 1], maps[0, 3, 2, 2] = torch.nan, torch.inf, -0.1
    assert spatial_concentration(maps)[0].isnan().tolist() == [True, True, True, True, False]
    with pytest.raises(ValueError, match="expected maps N×r×h×w"):
        spatial_concentration(maps[0])


def test_most_concentrated_dimensions_come_first():
    nan = torch.nan
    concentration = torch.tensor([[0.1, 0.9, nan, 0.5, nan], [0.3, nan, nan, 0.5, 0.5]])
    assert most_concentrated(concentration, 2).tolist() == [1, 3]
    assert most_concentrated(concentration, 9).tolist() == [1, 3, 4, 0]
    assert most_concentrated(torch.full((2, 3), nan), 2).tolist() == []
    with pytest.raises(ValueError, match="positive count"):
        most_concentrated(concentration, 0)


def test_colour_limits_are_common_to_all_images():
    maps = torch.rand(3, 4, 2, 2)
    maps[1, 3, 0, 0] = torch.nan
    limits = colour_limits(maps)
    for j in range(3):
        values = [value for image in maps for value in image[j].flatten().tolist()]
        assert limits[j].tolist() == [min(values), max(values)]
    assert limits[3].isnan().all()
