from importlib import import_module

import pytest
import torch
from swept import METHODS, options, session, trained

from pipeline.errors import UserError
from pipeline.models.mlp import build
from pipeline.registry import load, module
from pipeline.settings.networks import Mlp
from pipeline.splitting import memory
from pipeline.splitting.memory import account

#: Of each method, whose third layer is the last: 7, 6 and 5 outputs for one image.
CHANGES = {
    **{method: [{}] for method in METHODS},
    "block_admm": [{}, {"duals": False}, {"updates": "online"}, {"z_optimiser": "adam_persistent", "zeta": 0.01}],
    "gotmare": [{}, {"updates": "cycle"}, {"updates": "cycle", "cuts": ["layer2"]}],
}


@pytest.mark.parametrize(("method", "changes"), [(name, some) for name in CHANGES for some in CHANGES[name]])
def test_columns_are_those_that_a_training_keeps_of_each_image(method, changes):
    small = {} if method in METHODS else {"batch_size": 8}
    run = trained(options(method, **small, **changes))
    kept = sum(tensor.shape[1] for name, tensor in run._tracked.items() if tensor.ndim == 2 and len(tensor) == 40)
    counts = 1 if changes.get("z_optimiser") == "adam_persistent" else 0
    assert sum(columns(method, (7, 6), 12, 5, changes).values()) + counts == kept


@pytest.mark.parametrize(
    ("method", "hidden", "classes", "changes", "floats"),
    [
        ("block_admm", (128,) * 2, 10, {"duals": False}, 266),
        ("block_admm", (128,) * 2, 10, {}, 2 * 266),
        ("block_admm", (128,) * 2, 10, {"z_optimiser": "adam_persistent", "zeta": 0.01}, 4 * 266),
        ("block_admm", (128,) * 9, 10, {"duals": False}, 1162),
        ("block_admm", (128,) * 19, 10, {"duals": False}, 2442),
        ("block_admm", (1000,) * 2, 10, {"duals": False}, 2010),
    ],
)
def test_published_networks_have_the_numbers_of_the_table_in_section_7(method, hidden, classes, changes, floats):
    assert sum(columns(method, hidden, 784, classes, changes).values()) == floats


def columns(method: str, hidden: tuple[int, ...], pixels: int, classes: int, changes: dict) -> dict[str, int]:
    settings = options(method, hidden, **changes)
    network = build(Mlp(hidden=hidden), channels=1, size=(1, pixels), classes=classes, mean=[0], std=[1])
    counted = import_module(module("method", method)).columns
    return counted(network, torch.zeros(1, 1, 1, pixels), settings, "tried")


def test_an_account_is_of_the_bytes_that_the_storage_takes():
    assert account({"z": 266, "u": 266}, 60_000, "float32") == (
        "532 numbers for each of 60,000 images, 127.7 MB as float32 (z, u)"
    )
    assert "63.8 MB as bfloat16" in account({"z": 266, "u": 266}, 60_000, "bfloat16")


@pytest.mark.parametrize("method", METHODS)
def test_sweeps_over_all_images_say_what_they_keep_and_refuse_what_is_not_free(method, capsys, monkeypatch):
    settings = options(method, epochs=1)
    load("method", method)(session(settings), settings)
    assert capsys.readouterr().out.startswith("variables: ")
    monkeypatch.setattr(memory, "free_bytes", lambda storage, device: 39)
    with pytest.raises(UserError, match=r"^methods\.tried: the variables of all images take .* limit_train"):
        load("method", method)(session(settings), settings)
