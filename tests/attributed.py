"""An untrained network and images whose attributes depend on their brightness, for evaluations of attributes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tables import write_samples

from pipeline.datasets.samples import Prepared, Sample
from pipeline.evaluations.subject import Subject
from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded

NAMES = ["a", "b"]
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))


def attributed(
    folder: Path, counts: dict[str, int], attributes: Callable[[str, np.ndarray], np.ndarray], darkest: int = 0
) -> Subject:
    """`counts` images by split; `attributes` takes a split and brightness N×1 in 0..1 to N×d of 0 and 1.

    Pixels are uniform in `darkest`..255 times the brightness.
    """
    splits = {}
    for split, count in counts.items():
        drawn = np.random.default_rng(count)
        light = drawn.random((count, 1))
        images = (light[:, None, None] * drawn.integers(darkest, 256, (count, 8, 8, 1))).astype(np.uint8)
        marks = attributes(split, light).astype(np.uint8)
        prepared = Prepared(
            class_names=NAMES, mean=[0.4], std=[0.2], train=(), test=(), columns=("attributes",),
            names={"attributes": [str(i) for i in range(marks.shape[1])]},
        )  # fmt: skip
        samples = [
            Sample(sample_id=f"{split}-{i}", image=images[i], label=i % 2, attributes=marks[i]) for i in range(count)
        ]
        write_samples(folder / split, samples, prepared, augment={})
        splits[split] = Images.read(str(folder / split), torch.device("cpu"))
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=2, mean=[0.4], std=[0.2])
        network.train()(splits["train"].floats(slice(None)))
    header = {
        "method": "none",
        "seed": 5,
        "settings": {"network": NETWORK.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return Subject("5.safetensors", tensors, header, torch.device("cpu"), splits, {})
