"""Files of weights: what is read of them, and which are refused."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.errors import UserError
from pipeline.models.pretrained import check_fit, read_weights


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).state_dict()


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
def test_weights_come_back_from_a_file(tmp_path, weights, name):
    save_file(weights, tmp_path / name) if name == "a.safetensors" else torch.save(weights, tmp_path / name)
    found = read_weights(tmp_path / name, "do something")
    assert found.keys() == weights.keys() and all(torch.equal(found[key], weights[key]) for key in weights)


class Spy:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_files_that_are_no_weights_are_refused(tmp_path, weights):
    torch.save(weights, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    spied = tmp_path / "code was run"
    damaged = {
        "short.pth": content[: len(content) // 2], "empty.pth": b"", "text.pth": b"resnet", "page.pt": b"<html></html>",
        "short.safetensors": b"\x08\0\0\0\0\0\0\0{", "empty.safetensors": b"",
    }  # fmt: skip
    for name, some in damaged.items():
        (tmp_path / name).write_bytes(some)
    torch.save(Spy(spied), tmp_path / "code.pth")
    (tmp_path / "folder.pth").mkdir()
    for name in [*damaged, "code.pth", "folder.pth"]:
        with pytest.raises(UserError, match=rf"{name}: not a whole file of weights \(.+\); do something$"):
            read_weights(tmp_path / name, "do something")
    assert not spied.exists()
    for name, other in {"list.pth": [torch.ones(1)], "nested.pth": {"state_dict": {"conv1.weight": 1}}}.items():
        torch.save(other, tmp_path / name)
        with pytest.raises(UserError, match=rf"{name}: holds no dictionary of tensors; do something$"):
            read_weights(tmp_path / name, "do something")
    with pytest.raises(UserError, match=r"none\.pth: no such file; do something$"):
        read_weights(tmp_path / "none.pth", "do something")


def test_weights_that_do_not_fit_are_named(weights):
    def refused(some: dict, message: str) -> None:
        with pytest.raises(UserError, match=rf"^a\.pth: {message}; do something$"):
            check_fit(Path("a.pth"), some, weights, "toynet", "do something")

    rest = OrderedDict(weights)
    del rest["1.running_var"]
    refused(rest, r"has no tensor '1\.running_var' of toynet")
    refused(weights | {"0.bias": torch.ones(4)}, r"tensor '0\.bias' is \(4,\), but \(3,\) in toynet")
    refused(weights | {"2.b": torch.ones(1), "2.a": torch.ones(1)}, r"has a tensor '2\.a', which toynet has not")


def test_counters_of_batch_normalisation_may_be_missing(weights):
    check_fit(Path("a.pth"), dict(weights), weights, "toynet", "do something")
    del (some := dict(weights))["1.num_batches_tracked"]
    check_fit(Path("a.pth"), some, weights, "toynet", "do something")
