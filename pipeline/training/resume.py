"""State of an unfinished training, so that it goes on where it was killed and ends in the same bytes.

The state lies outside the declared outputs, which Snakemake deletes when a job fails, in a file named after a digest of
everything that decides the outcome: code, settings, data, device. A state of other code or settings is therefore never
picked up. It is written beside and renamed, at most every so many seconds and at once on SIGTERM; when the training
succeeds it goes away.
"""

import signal
import time
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import out_of_memory
from pipeline.files import replacing
from pipeline.training.group import ALONE, Group


class Resume:
    """Saves and loads the state called `key` in `folder`; from `with Resume(…)` on, SIGTERM means save and exit.

    Processes of a `group` save and exit in the same step; its first one writes, all load.
    """

    def __init__(self, folder: str | Path, key: str, seconds: float, group: Group = ALONE) -> None:
        self.folder, self.seconds = Path(folder), seconds
        self.path = self.folder / f"{key}.pt"
        self._group = group
        self._saved = time.monotonic()
        self._terminated = self._leaving = False

    def __enter__(self) -> "Resume":
        self._previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)

    def due(self) -> bool:
        """Whether it is time to save: often enough, and at once after SIGTERM."""
        elapsed = time.monotonic() - self._saved >= self.seconds
        self._leaving, elapsed = self._group.any(self._terminated, elapsed)
        return self._leaving or elapsed

    def save(self, state: dict[str, Any]) -> None:
        """Write the state, when it is due; after SIGTERM this ends the process with the exit code of that signal."""
        if self._group.leads:
            self._write(state)
        self._saved = time.monotonic()
        if self._leaving:
            raise SystemExit(128 + signal.SIGTERM)

    def _write(self, state: dict[str, Any]) -> None:
        with replacing(self.path) as part, part.open("wb") as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:
                # On a full disk torch complains of a position in the file; what the system said lies behind it.
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state, None where there is none that can be read."""
        try:
            return torch.load(self.path, map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # a damaged file can end in nearly any of them, and starting anew is right
            if out_of_memory(error):
                raise
            if self._group.leads:
                print(f"notice: {self.path} cannot be read ({type(error).__name__}); starting anew", flush=True)
            return None

    def clear(self) -> None:
        """Remove this state and those of other code or settings."""
        for path in self.folder.glob("*.pt"):
            path.unlink()

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True
