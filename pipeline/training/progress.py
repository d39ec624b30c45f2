"""How a training shows itself: one live line on a terminal, one plain line an epoch elsewhere."""

import sys
import time
from typing import TextIO


class Progress:
    """Counts steps and says epoch, loss, accuracy, images/s and time left."""

    def __init__(self, epochs: int, steps: int, first_step: int = 0, out: TextIO | None = None) -> None:
        self.epochs, self.steps, self.out = epochs, steps, out or sys.stderr
        self.live = self.out.isatty()
        self.done = self.first = first_step
        self.images = 0
        self.start = self.shown = time.perf_counter()

    @property
    def images_per_second(self) -> float:
        return self.images / max(time.perf_counter() - self.start, 1e-9)

    def step(self, images: int) -> None:
        """One step is done. Shows no loss, which would wait for the device."""
        self.done += 1
        self.images += images
        if self.live and time.perf_counter() - self.shown > 0.5:
            self.shown = time.perf_counter()
            self._write(f"epoch {1 + (self.done - 1) // self.steps}/{self.epochs}  {self._rate()}", end="")

    def sweep(self, images: int) -> None:
        """An epoch over so many `images` is done whose steps were not counted."""
        self.done += self.steps
        self.images += images

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        """One epoch is done with these means."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._write(f"epoch {epoch + 1}/{self.epochs}  {shown}  {self._rate()}", end="" if self.live else "\n")

    def finish(self) -> None:
        if self.live:
            self.out.write("\n")

    def _rate(self) -> str:
        left = (self.epochs * self.steps - self.done) * (time.perf_counter() - self.start)
        seconds = round(left / max(self.done - self.first, 1))
        return f"{self.images_per_second:,.0f} images/s  {seconds // 60}:{seconds % 60:02d} left"

    def _write(self, line: str, end: str) -> None:
        self.out.write(f"\r\033[K{line}{end}" if self.live else line + end)
        self.out.flush()
