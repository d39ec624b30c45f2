"""What this machine has and what the settings still need, for `python -m pipeline doctor`."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline import layout, registry
from pipeline.artifacts import DATASET, read_table
from pipeline.datasets.listing import is_there
from pipeline.datasets.raw.sources import Source
from pipeline.machine import PACKAGES, machine, versions
from pipeline.splitting.memory import account
from pipeline.training.compute import choose, gains_from_bf16
from pipeline.training.data import Images

if TYPE_CHECKING:
    from pipeline.settings import Settings


def run(settings: "Settings") -> None:
    """Print machine, versions and raw data, each missing thing with what to do about it, and what trainings keep."""
    found = machine()
    chosen = choose(settings.run.device, settings.run.precision, settings.run.threads)
    rows = {
        "processor": f"{found['processor']} ({found['system']})",
        "cores": f"{found['cores']}; run snakemake --cores {found['cores']}",
        "memory": f"{found['memory_gib']} GiB",
        "GPU": _gpus(),
        "bf16": "the processor has instructions for it" if gains_from_bf16("cpu") else "not on this processor",
        "chosen": f"{chosen.device.type}, {chosen.precision}, {settings.run.threads} thread(s) a training",
        "disk": _disk(Path(settings.run.artifacts_dir)),
        "versions": ", ".join(f"{name} {v}" for name, v in versions((*PACKAGES, "snakemake", "dvc")).items()),
        "scale": f"{settings.run.scale}, artifacts in {settings.run.root}",
    }
    for name, text in rows.items():
        print(f"{name:10} {text}")
    print(f"\nraw data in {settings.run.raw_dir}/ that the studies read; all datasets: python -m pipeline data list")
    named = dict.fromkeys(name for study in settings.studies.values() for name in study.datasets)
    width = max(map(len, named), default=0)
    for name in named:
        block = settings.datasets[name]
        if block.drawn:
            print(f"  {name.ljust(width)} drawn by toyworld")
            continue
        sources = import_module(registry.module("dataset", block.kind)).SOURCES
        needed = [source for source in sources if not source.only_with]
        for text in [_state(source, Path(settings.run.raw_dir)) for source in needed] or ["nothing to download"]:
            print(f"  {name.ljust(width)} {text}")
    accounts = {trained: text for trained in _trainings(settings) if (text := _variables(settings, *trained))}
    if accounts:
        print("\nmethods that keep variables of all training images, and what these take")
    width = max((len(" on ".join(trained)) for trained in accounts), default=0)
    for (method, dataset), text in accounts.items():
        print(f"  {f'{method} on {dataset}'.ljust(width)} {text}")


def _trainings(settings: "Settings") -> dict[tuple[str, str], None]:
    """Pairs of method and dataset of the studies."""
    return dict.fromkeys(
        (method, dataset)
        for study in settings.studies.values()
        for method in study.methods
        for dataset in study.datasets
        if dataset in (settings.methods[method].datasets or study.datasets)
    )


def _variables(settings: "Settings", method: str, dataset: str) -> str | None:
    """What a training will keep of all images; None if it keeps nothing of them."""
    block = settings.methods[method]
    columns = getattr(import_module(registry.module("method", block.kind)), "columns", None)
    if columns is None:
        return None
    table = Path(layout.dataset(settings.run.root, dataset, "train"))
    if not table.exists():
        return "known when the dataset is prepared: snakemake --cores 1 datasets"
    first = Images.read(str(table), torch.device("cpu"), limit=1)
    of_images = {"channels": first.pixels.shape[1], "size": first.pixels.shape[2:], "classes": first.classes}
    build = registry.load("network", block.network.kind)
    network = build(block.network, **of_images, mean=first.notes["mean"], std=first.notes["std"])
    kept = columns(network, first.floats(slice(None)), block, method)
    count = len(read_table(table, DATASET, columns=["label"]))
    return account(kept, count, getattr(block, "storage", "float32")) if kept else None


def _gpus() -> str:
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(names) or "none; networks are trained on the processor"


def _disk(folder: Path) -> str:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return f"{shutil.disk_usage(there).free / 2**30:.0f} GiB free for {folder}"


def _state(source: Source, raw_dir: Path) -> str:
    if is_there(source, raw_dir):
        return f"{source.file}: found"
    place = source.path(raw_dir).parent
    if not source.urls:
        return f"{source.file}: missing; get it from {source.page} and put it into {place}/"
    size = f" ({source.size / 1e6:.1f} MB)" if source.size else ""
    return f"{source.file}: missing; downloaded when needed{size}, or put it into {place}/"
