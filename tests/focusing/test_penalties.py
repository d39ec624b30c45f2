"""Masks at the size of maps, and norms, beside loops over places."""

import pytest
import torch

from pipeline.focusing.penalties import at_size_of, mean_norm


def test_a_cell_has_the_largest_value_below_it():
    masks = torch.rand(3, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    found = at_size_of(torch.zeros(3, 4, 3), masks)
    assert found.shape == (3, 4, 3)
    for image in range(3):
        for row in range(4):
            for column in range(3):
                below = masks[image, 0, 2 * row : 2 * row + 2, 4 * column : 4 * column + 4]
                assert found[image, row, column] == below.max()


def test_a_thin_stroke_stays_and_sizes_that_do_not_divide_are_covered():
    masks = torch.zeros(1, 1, 10, 10)
    masks[..., 7] = 1
    assert at_size_of(torch.zeros(1, 3, 3), masks).tolist() == [[[0, 0, 1]] * 3]
    assert torch.equal(at_size_of(torch.zeros(1, 10, 10), masks), masks[:, 0])


@pytest.mark.parametrize("norm", ["squared_l2", "l2", "l1"])
def test_norms_are_the_loops(norm):
    values = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    total = 0.0
    for image in values.tolist():
        places = [value for row in image for value in row]
        square = sum(value**2 for value in places) / 20
        total += {"squared_l2": square, "l2": square**0.5, "l1": sum(map(abs, places)) / 20}[norm]
    assert mean_norm(values, norm).item() == pytest.approx(total / 3)


@pytest.mark.parametrize("norm", ["squared_l2", "l2", "l1"])
def test_norms_of_nothing_are_0_without_a_slope(norm):
    values = torch.zeros(2, 3, 3, requires_grad=True)
    mean_norm(values, norm).backward()
    assert mean_norm(values, norm) == 0 and (values.grad == 0).all()


def test_an_unknown_norm_is_an_error():
    with pytest.raises(ValueError, match="unknown norm 'l3'"):
        mean_norm(torch.zeros(1, 2, 2), "l3")
