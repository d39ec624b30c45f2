"""What this machine has and what the settings still need, for `python -m pipeline doctor`."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.datasets.sources import SOURCES, Source
from pipeline.machine import PACKAGES, machine, versions
from pipeline.training.compute import choose, gains_from_bf16

if TYPE_CHECKING:
    from pipeline.settings import Settings


def run(settings: "Settings") -> None:
    """Print machine, versions and raw data, each missing thing with what to do about it."""
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
    print(f"\nraw data in {settings.run.raw_dir}/")
    used = {settings.datasets[name].kind for study in settings.studies.values() for name in study.datasets}
    for dataset, sources in SOURCES.items():
        for source in sources:
            print(f"  {'needed' if dataset in used else '      '}  {dataset:14} {_state(source, settings.run.raw_dir)}")


def _gpus() -> str:
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(names) or "none; networks are trained on the processor"


def _disk(folder: Path) -> str:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return f"{shutil.disk_usage(there).free / 2**30:.0f} GiB free for {folder}"


def _state(source: Source, raw_dir: str) -> str:
    path = source.path(Path(raw_dir))
    if path.exists() or any(path.parent.rglob(part.name) for part in source.parts if path.parent.exists()):
        return f"{path.name}: found"
    return f"{path.name}: missing; downloaded when needed ({source.size / 1e6:.1f} MB), or put it in {path.parent}/"
