"""The tables in docs/cluster.md: the jobs of all studies at the size of their papers, and what their trainings take.

    python benchmarks/paper_scale.py

Jobs are counted by dry runs into an empty folder. A round is as many trainings as there are nodes, one a node; those
that stand on another's network or masks are counted in the same way, though they begin after it.

Operations are those of a step of each training on random images of its size, as PyTorch's own counter finds them in
convolutions and linear layers forwards and backwards, times the steps that it has. They become hours of one core by the
rate at which ResNet-20 is trained in recorded/training.json, and hours of a GPU by --tflops, a rate that is assumed and
not measured. Trainings that are timed on the processor anyway have the hours that were recorded.
"""

import argparse
import contextlib
import io
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline import layout, registry, settings
from pipeline.annotators import pix2pix
from pipeline.markdown import table
from pipeline.settings import Settings
from pipeline.settings.annotators import Annotator
from pipeline.settings.datasets import Dataset
from pipeline.settings.training import Method
from pipeline.study import Study
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.workflow import study_slice

NODES = 100

#: Study and scale. DeepFacto on LFWA cannot be counted where the weights it starts from are missing (scales/lfwa.yaml).
PLANS = (
    ("csg", "paper"),
    ("csg", "voc"),
    ("csg", "imagenet"),
    ("admm", "admm"),
    ("admm", "admm_deep"),
    ("admm", "admm_fashion"),
    ("deepfacto", "deepfacto"),
    ("reff", "reff_paper"),
)
RULES = ("prepare", "train_annotator", "annotate", "train", "explain", "evaluate")
REPORT = ("claims", "figure", "page")

#: Images in the step whose operations are counted.
BATCH = 2
CLASSES = 10

#: Settings of methods that change no step's operations.
WITHOUT_WORK = ("weight", "annotator", "norm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=20, help="10^12 operations a second that a GPU sustains")
    args = parser.parse_args()
    heads = ["study", "scale", *RULES, "report", "jobs", f"rounds on {NODES} nodes"]
    print(*table(heads, [row(*plan) for plan in PLANS]), sep="\n", end="\n\n")
    core = rate_of_a_core()
    heads = ["study", "scale", "10^15 operations", "hours of a core", "hours of a GPU", "longest of them"]
    print(*table(heads, [hours(*plan, core, args.tflops * 1e12) for plan in PLANS]), sep="\n")


def row(study: str, scale: str) -> list[str]:
    jobs = planned(study, scale)
    trainings = jobs.get("train", 0) + jobs.get("train_annotator", 0)
    report = sum(jobs.get(rule, 0) for rule in REPORT)
    numbers = [*(jobs.get(rule, 0) for rule in RULES), report]
    return [study, scale, *map(str, [*numbers, sum(numbers), math.ceil(trainings / NODES)])]


def planned(study: str, scale: str) -> dict[str, int]:
    """Jobs by rule of a study of which nothing is there yet."""
    with tempfile.TemporaryDirectory() as folder:
        words = (study, "-n", "--quiet", "rules", "--configfile", f"scales/{scale}.yaml")
        command = [sys.executable, "-m", "snakemake", *words, "--config", f"run={{artifacts_dir: {folder}}}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)}


def hours(study: str, scale: str, core: float, gpu: float) -> list[str]:
    """Cells of the second table; `core` and `gpu` are operations a second."""
    loaded = settings.load("params.yaml", f"scales/{scale}.yaml")
    if not loaded.run.gpu:
        recorded = recorded_hours(study, scale)
        return [study, scale, "", f"{recorded:.1f}, measured" if recorded else "not recorded", "", ""]
    operations = of_trainings(loaded, Study(study_slice(loaded, study)))
    total = sum(operations)
    numbers = (f"{total / 1e15:,.0f}", f"{total / core / 3600:,.0f}", f"{total / gpu / 3600:.1f}")
    return [study, scale, *numbers, f"{max(operations) / gpu / 3600:.2f}"]


def recorded_hours(study: str, scale: str) -> float:
    """Hours of training in the record of a scale, of all networks; 0 if there is none.

    Those of `clock`, or else of whole jobs. Of each method the median seed counts for all, since some were stopped in
    between.
    """
    history, about = (Path(layout.recorded(study, scale, file)) for file in ("history.csv", "about.json"))
    if not history.is_file():
        return 0.0
    seconds = pd.read_csv(history).query("metric == 'seconds'")
    if seconds.empty:
        trainings = pd.DataFrame(json.loads(about.read_text())["trainings"])
        seconds = trainings.rename(columns={"wall_seconds": "value"})
    whole = seconds.groupby(["dataset", "method", "seed"])["value"].max().groupby(["dataset", "method"])
    return (whole.median() * whole.size()).sum() / 3600


def rate_of_a_core() -> float:
    """Operations a second with which one core trained ResNet-20 on CIFAR-10."""
    numbers = json.loads(Path("benchmarks/recorded/training.json").read_text())["numbers"]
    (fast,) = (number["images_per_second"] for number in numbers if (number["what"], number["threads"]) == ("STD", 1))
    paper = settings.load("params.yaml", "scales/paper.yaml")
    return fast * of_an_image(paper.methods["std"], paper.datasets["cifar10"])


def of_trainings(loaded: Settings, study: Study) -> list[float]:
    """Operations of each training of a study, those of annotators included."""
    counted, found = {}, []
    for dataset, name, _ in study.runs():
        method, images = loaded.methods[name], loaded.datasets[dataset]
        step = (dataset, json.dumps({key: value for key, value in method.slice().items() if key not in WITHOUT_WORK}))
        if step not in counted:
            counted[step] = of_an_image(method, images)
        found.append(counted[step] * of_a_split(images) * method.epochs)
    annotators = [loaded.annotators[name] for _, name, _ in study.annotations()]
    return found + [of_a_pair(one) * one.steps * one.batch_size for one in annotators if one.share < 1]


def of_a_split(dataset: Dataset) -> int:
    """Official number of training images; of drawn digits that of the digits."""
    return import_module(registry.module("dataset", getattr(dataset, "digits", dataset.kind))).OFFICIAL["train"]


def of_an_image(method: Method, dataset: Dataset) -> float:
    """Operations for one image in one epoch."""
    short = method.model_copy(update={"epochs": 1, "batch_size": BATCH})
    side = getattr(dataset, "size", 32)
    build = registry.load("network", method.network.kind)
    network = build(method.network, channels=3, size=(side, side), classes=CLASSES, mean=[0.5] * 3, std=[0.25] * 3)
    masks = pictures(1, side).pixels
    session = Session(network, pictures(3, side), choose("cpu", "fp32", 1), seed=0, masks=masks)
    return of_a_step(lambda: registry.load("method", method.kind)(session, short))


def of_a_pair(annotator: Annotator) -> float:
    """Operations for one image with its mask in one step of pix2pix."""
    short = annotator.model_copy(update={"steps": 1, "check_every": 1, "batch_size": BATCH})
    session = Session(pix2pix.build(short, channels=3), pictures(4, short.size), choose("cpu", "fp32", 1), seed=0)
    return of_a_step(lambda: pix2pix.fit(session, short, pictures(4, short.size, count=0)))


def of_a_step(run: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, contextlib.redirect_stderr(io.StringIO()):
        run()
    return counter.get_total_flops() / BATCH


def pictures(channels: int, side: int, count: int = BATCH) -> Images:
    pixels = torch.randint(256, (count, channels, side, side), dtype=torch.uint8)
    notes = {"class_names": [str(label) for label in range(CLASSES)], "augment": {}}
    return Images(pixels, torch.arange(count), [str(row) for row in range(count)], notes)


if __name__ == "__main__":
    main()
