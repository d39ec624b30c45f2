"""`run`: where things lie and on what they run."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline.settings.base import Name, Section


class Run(Section):
    scale: Name = "demo"
    """Name of this scale; its artifacts live in a folder of their own and never mix with another scale's."""
    artifacts_dir: str = Field("artifacts", min_length=1)
    """Folder for everything that is made."""
    raw_dir: str = Field("raw", min_length=1)
    """Folder with the official downloads, one sub-folder a dataset; missing files are downloaded into it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward pass; auto takes bf16 and channels_last where the machine has instructions."""
    threads: PositiveInt = 1
    """CPU threads of one training; for small networks two jobs of one thread beat one job of two."""
    save_seconds: NonNegativeInt = 60
    """How often an unfinished training saves its state; a killed job that is run again goes on from there."""
    processes: PositiveInt = 1
    """Processes of one training of a method, which divide each batch and the threads; with GPUs each has one."""
    gpu: NonNegativeInt = 0
    """GPUs that a training asks its scheduler for."""

    @property
    def root(self) -> str:
        return f"{self.artifacts_dir.rstrip('/')}/{self.scale}"
