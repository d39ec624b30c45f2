"""RRR: the penalty beside single gradients and finite differences, and training."""

import pytest
import torch
from masked import fitted, options, same, session
from torch import nn

from pipeline.methods import std
from pipeline.methods.rrr import penalty


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(3 * 16, 4)).double()


def given() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 2, 6, 6, dtype=torch.double, generator=generator)
    return images, torch.rand(3, 1, 6, 6, dtype=torch.double, generator=generator)


def test_the_penalty_is_that_of_each_image_by_itself():
    net, (images, masks) = network(), given()
    total = 0.0
    for image, mask in zip(images, masks, strict=True):
        x = image[None].clone().requires_grad_()
        for k in range(4):
            x.grad = None if k == 0 else x.grad
            torch.log_softmax(net(x), 1)[0, k].backward()  # gradients of all classes add up
        total += sum(((1 - mask[0, u, v]) * x.grad[0, c, u, v]).item() ** 2
                     for c in range(2) for u in range(6) for v in range(6))  # fmt: skip
    images.requires_grad_()
    assert penalty(net(images), images, masks).item() == pytest.approx(total / 3)


def test_its_gradient_is_that_of_finite_differences():
    net, (images, masks) = network(), given()
    images.requires_grad_()
    penalty(net(images), images, masks).backward()
    for weight in net.parameters():
        flat, step = weight.detach().view(-1), 1e-6
        before = flat[0].item()
        values = []
        for moved in (before + step, before - step):
            flat[0] = moved
            values.append(penalty(net(images), images, masks).item())
        flat[0] = before
        slope = (values[0] - values[1]) / (2 * step)
        assert weight.grad.view(-1)[0].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_where_all_is_relevant_it_is_standard_training_bit_for_bit():
    ours, plain = fitted(options("rrr", weight=5.0), fill=255), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain)


def test_training_lowers_the_penalty():
    common = {"epochs": 8, "optimiser": {"from": "adamw", "learning_rate": 4e-3}}
    last = [
        [row["value"] for row in fitted(options("rrr", weight=weight, **common)).history().to_pylist()
         if row["metric"] == "penalty"][-1]
        for weight in (0.0, 100.0)
    ]  # fmt: skip
    assert last[1] < 0.5 * last[0]
