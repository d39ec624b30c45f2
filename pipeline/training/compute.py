"""Where and how precisely to compute: chosen from the machine, or forced by `run.device` and `run.precision`."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.errors import UserError


@dataclass(frozen=True)
class Compute:
    """Device, precision ("fp32" or "bf16") and memory format of one job."""

    device: torch.device
    precision: str

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.precision == "bf16" else torch.contiguous_format

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def wait(self) -> None:
        """Until the device has done what it was given, so that a clock that is read then is right."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def generator_states(self) -> list[torch.Tensor]:
        """States of torch's global generators, on the CPU: the processor's and, on a GPU, the device's."""
        devices = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return [torch.get_rng_state(), *devices]

    def set_generator_states(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0].cpu())
        for state in states[1:]:
            torch.cuda.set_rng_state(state.cpu(), self.device)


def choose(device: str, precision: str, threads: int) -> Compute:
    """`device` auto, cpu or cuda; `precision` auto, fp32 or bf16. Sets torch's threads and deterministic kernels.

    Numbers below 1.2e-38 become 0: processors take many times as long for them, and the moments that Adam keeps for a
    weight without a gradient fade into them.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Otherwise convolutions that are called fp32 run in TF32 on a GPU.
    torch.backends.cudnn.allow_tf32 = False
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("run.device: cuda is not available here; set it to auto or cpu")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if precision == "auto":
        precision = "bf16" if gains_from_bf16(chosen) else "fp32"
    return Compute(torch.device(chosen), precision)


def gains_from_bf16(device: str) -> bool:
    """Whether the device has instructions for bf16 products; elsewhere bf16 is emulated and slower than fp32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 2)[1].splitlines()[0].split()
    except (OSError, IndexError):
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
