"""A finished study of two methods, two seeds and one dataset, its artifacts written as the stages write them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import yaml
from tables import write_images

from pipeline import layout
from pipeline.artifacts import HISTORY, METRICS, write_table
from pipeline.checkpoints import save_checkpoint
from pipeline.study import Study

NETWORK = {"from": "resnet_cifar", "blocks": 3, "channels": [16, 32, 64]}
MACHINE = {"system": "Linux x86_64", "processor": "Toy processor", "cores": 2, "memory_gib": 4}
ACCURACY = {"std": (0.5, 0.7), "csg": (0.6, 0.8)}

CLAIM = {
    "id": "kept", "statement": "CSG is better", "source": "T1", "relation": ">", "margin": 0.0, "published": [],
    "left": {"method": "csg", "metric": "accuracy", "subset": "class=1"},
    "right": {"method": "std", "metric": "accuracy", "subset": "class=1"},
}  # fmt: skip

COMPARISON = {
    "methods": {"STD": ["std"], "CSG": ["csg"], "Fixed": ["csg_fixed"]},
    "tables": {"T1": {"note": "really fixed gates", "methods": {"CSG": ["csg", "csg_fixed"]}}},
    "quantities": [
        {"title": "Right answers", "metric": "accuracy", "published": "accuracy"},
        {"title": "One pixel", "metric": "attack_success", "subset": "attack=one_pixel", "published": "asr"},
        {"title": "MIS", "metric": "mutual_information_score", "published": "mis"},
        {"title": "Overlap", "metric": "iou", "explainer": "cam"},
    ],
}

PUBLISHED = """paper,table,dataset,model,method,metric,value,unit,note
csg,T1,CIFAR-10,ResNet20,STD,accuracy,88.00,%,
csg,T1,CIFAR-10,ResNet20,CSG,accuracy,88.850,%,
csg,T1,CIFAR-10,ResNet20,STD,asr,14.00,%,
"""

SECOND_HAND = """paper,table,dataset,model,method,metric,value,unit,note,source
csg,T2,CIFAR-10,ResNet20,STD,accuracy,0.9169,share,,a reader
csg,T2,CIFAR-10,ResNet20,CSG,accuracy,0.9192,share,,a reader
csg,,,,CSG,mis,0.1603,nat,doubtful,somebody else
"""


def write_study(seeds: int = 2) -> Study:
    """Write the study `toy` with its artifacts, root "a/tiny", and its files in git below the working directory."""
    block = {"network": NETWORK, "epochs": 2, "base": None}
    study = Study({
        "study": "toy", "root": "a/tiny", "title": "Toys", "datasets": {"digits": {}}, "annotators": {},
        "explainers": {}, "figures": [],
        "methods": {name: {"from": name, **block, "datasets": None} for name in ACCURACY}, "seeds": seeds,
        "evaluations": {"accuracy": {"datasets": None, "methods": None}},
    })  # fmt: skip
    for split in layout.SPLITS:
        table = Path(layout.dataset(study.root, "digits", split))
        table.parent.mkdir(parents=True, exist_ok=True)
        write_images(
            table, ["0"], np.zeros((1, 2, 2, 1), np.uint8), np.zeros(1, int),
            class_names=["0"], mean=[0.5], std=[0.5], notices=["only one image"],
        )  # fmt: skip
    for dataset, method, seed in study.runs():
        write_run(study, (dataset, method, seed), {"from": method, **block}, ACCURACY[method][seed])
    write_files(study)
    return study


def write_run(study: Study, run: tuple[str, str, int], settings: dict, accuracy: float) -> None:
    """Write checkpoint, history and evaluation of one network."""
    dataset, method, seed = run
    header = {
        "dataset": dataset, "method": method, "seed": seed, "settings": settings, "train_images": 8,
        "code": "0123456789abcdef", "versions": {"python": "3.11.0"}, "machine": MACHINE, "device": "cpu",
        "precision": "fp32", "threads": 1, "processes": 1, "wall_seconds": 1.23456, "notices": [],
    }  # fmt: skip
    save_checkpoint(layout.model(study.root, *run), {"weight": torch.zeros(1)}, header)
    course = [{"epoch": epoch, "metric": "accuracy", "value": accuracy * epoch / 3} for epoch in range(2)]
    write_table(layout.history(study.root, *run), pa.Table.from_pylist(course, HISTORY), HISTORY)
    values = {None: accuracy, "class=0": 0.25, "class=1": accuracy / 3}
    rows = [
        {"dataset": dataset, "method": method, "seed": seed, "explainer": None, "metric": "accuracy", "subset": subset,
         "value": value, "n": 10}
        for subset, value in values.items()
    ]  # fmt: skip
    write_table(layout.evaluation(study.root, "accuracy", *run), pa.Table.from_pylist(rows, METRICS), METRICS)


def write_files(study: Study, **changed: str | None) -> None:
    """Write the study's files in git, with other content or (None) without one where `changed` says so."""
    texts = {
        "claims.yaml": yaml.safe_dump([CLAIM]), "comparison.yaml": yaml.safe_dump(COMPARISON, sort_keys=False),
        "published.csv": PUBLISHED, "second_hand.csv": SECOND_HAND,
    }  # fmt: skip
    texts |= {name.replace("__", "."): text for name, text in changed.items()}
    for name, text in texts.items():
        path = Path(layout.study_file(study.name, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
