"""Background swap: pixels one by one, and training where masks leave nothing to swap."""

import torch
from masked import fitted, options, same, session

from pipeline.methods import std
from pipeline.methods.backgrounds import swapped


def test_objects_stay_and_backgrounds_are_those_of_the_image_before():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 5, 5, generator=generator)
    masks = (torch.rand(4, 1, 5, 5, generator=generator) > 0.5).float()
    found = swapped(images, masks, images.roll(1, 0))
    for row in range(4):
        for u in range(5):
            for v in range(5):
                source = row if masks[row, 0, u, v] else (row - 1) % 4
                assert torch.equal(found[row, :, u, v], images[source, :, u, v])


def test_where_all_is_relevant_it_is_standard_training_bit_for_bit():
    ours, plain = fitted(options("backgrounds"), fill=255), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain) and not same(fitted(options("backgrounds")), plain)
