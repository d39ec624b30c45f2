"""Ten steps of each method, against values on record: whatever changes them changes every result of the method.

To record them anew after a deliberate change: `python tests/methods/test_numerics.py`.
"""

import json
from pathlib import Path
from typing import get_args

import pytest
import torch

from pipeline import registry
from pipeline.settings import parse_slice
from pipeline.settings.methods import AnyMethod
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

RECORD = Path(__file__).with_suffix(".json")
METHODS = sorted(set(registry.TABLES["method"]) - {"decomposition"})  # whose steps are a library's
KINDS = {kind.model_fields["kind"].annotation.__args__[0]: kind for kind in get_args(get_args(AnyMethod)[0])}

#: Relative; other versions of torch and other processors sum in another order.
TOLERANCE = 1e-4


def losses(method: str) -> list[float]:
    """Loss, or what else it minimises, in ten epochs of a step each, in single precision on one thread."""
    small = {"from": "resnet_cifar", "blocks": 1, "channels": [4, 8, 16]}
    if KINDS[method].model_fields["network"].default.kind == "mlp":
        small = {"from": "mlp", "hidden": [12, 8]}
    if KINDS[method].model_fields["network"].default.kind == "abn":
        small = {"from": "abn", "trunk": small}
    block = {"from": method, "network": small, "epochs": 10, "batch_size": 32}
    if method != "deepfacto":  # whose cycles diverge at this rate
        # Maxima of maps jump from place to place at the larger one, and rounding decides when.
        block["optimiser"] = {"from": "sgd", "learning_rate": 0.02 if method == "map_error" else 0.2}
    known = {"from", *KINDS[method].model_fields}
    settings = parse_slice("method", json.dumps({key: value for key, value in block.items() if key in known}))
    labels = torch.arange(32) % 10
    noise = torch.randint(56, (32, 1, 8, 8), generator=stream(0, "pixels"))
    pixels = (20 * labels[:, None, None, None] + noise).to(torch.uint8)
    notes = {"class_names": list("0123456789"), "augment": {"shift": 1}}
    images = Images(pixels, labels, [str(row) for row in range(32)], notes)
    with seeded(0, "init"):
        build = registry.load("network", settings.network.kind)
        network = build(settings.network, channels=1, size=(8, 8), classes=10, mean=[0.5], std=[0.25])
    masks = torch.zeros(32, 1, 8, 8, dtype=torch.uint8)
    masks[..., 2:6, 2:6] = 255
    session = Session(network, images, choose("cpu", "fp32", 1), seed=0, masks=masks)
    registry.load("method", method)(session, settings)
    rows = session.history().to_pylist()
    minimised = "objective" if any(row["metric"] == "objective" for row in rows) else "loss"
    return [row["value"] for row in rows if row["metric"] == minimised]


@pytest.mark.parametrize("method", METHODS)
def test_ten_steps_are_what_they_were(method):
    assert losses(method) == pytest.approx(json.loads(RECORD.read_text())[method], rel=TOLERANCE)


if __name__ == "__main__":
    RECORD.write_text(json.dumps({method: losses(method) for method in METHODS}, indent=1) + "\n")
