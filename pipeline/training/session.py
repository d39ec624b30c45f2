"""One training run: everything around a method's losses and updates.

A method's `fit` reads

    session.track(gates=gates)
    for epoch in session.epochs(settings, optimiser):
        for images, labels in session.batches():
            ...
            session.step(loss, logits, labels)
        session.record(density=...)

and the session supplies the batches, the learning rate, the history, the progress line, and exact resume: a run that
was killed and started again ends in the same bytes as one that was not. What makes it so: shuffling and augmentation
follow from seed, epoch and step alone, and the state is taken between two passes of the loop body, never inside one.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
from torch import Tensor, nn

from pipeline.artifacts import HISTORY
from pipeline.errors import UserError
from pipeline.training.compute import Compute
from pipeline.training.data import Images, augment
from pipeline.training.progress import Progress
from pipeline.training.resume import Resume
from pipeline.training.schedule import learning_rate
from pipeline.training.streams import derive, stream

if TYPE_CHECKING:
    from pipeline.settings.methods import Training


class Session:
    """A network, its training images and the random streams of one seed.

    `name` is the method instance, for messages. `notices` collects what a reader of the results has to know about the
    run, one sentence each. Without `resume` a run that is killed starts anew.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        compute: Compute,
        seed: int,
        name: str = "<name>",
        resume: Resume | None = None,
    ) -> None:
        self.network = network.to(compute.device, memory_format=compute.memory_format)
        self.images, self.compute, self.seed, self.name = images, compute, seed, name
        self.notices: list[str] = []
        self.images_per_second = 0.0
        self._resume = resume
        self._tracked: dict[str, Tensor] = {}
        self._history: list[tuple[int, str, float]] = []
        self._epoch = self._step = 0

    def autocast(self) -> AbstractContextManager:
        """Context for forward passes, in the run's precision."""
        return self.compute.autocast()

    def track(self, **tensors: Tensor) -> None:
        """Tensors besides the network's that the method changes in place: they belong to the state."""
        self._tracked |= tensors

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in an epoch; the smaller rest is left out."""
        if batch_size > len(self.images):
            raise UserError(
                f"training.batch_size: {batch_size} is more than the {len(self.images)} training images; lower it"
            )
        return len(self.images) // batch_size

    def epochs(self, settings: "Training", optimiser: torch.optim.Optimizer) -> Iterator[int]:
        """0-based epochs; sets the learning rate of each and shows the progress."""
        self._optimiser, self._batch_size = optimiser, settings.batch_size
        steps = self.steps_per_epoch(settings.batch_size)
        self._start_epoch()
        if self._resume:
            self._restore(self._resume.load(self.compute.device))
        self._progress = Progress(settings.epochs, steps, first_step=self._epoch * steps + self._step)
        while self._epoch < settings.epochs:
            rate = learning_rate(settings.schedule, settings.optimiser.learning_rate, self._epoch, settings.epochs)
            for group in optimiser.param_groups:
                group["lr"] = rate
            self.network.train()
            yield self._epoch
            self._epoch += 1
            self._start_epoch()
            self._save_if_due()
        self._progress.finish()
        self.images_per_second = self._progress.images_per_second

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches of the epoch: images B×C×H×W float32 in 0..1, labels B."""
        order = torch.randperm(len(self.images), generator=stream(self.seed, "shuffle", self._epoch))
        order = order.to(self.compute.device)
        while self._step < self.steps_per_epoch(self._batch_size):
            rows = order[self._step * self._batch_size : (self._step + 1) * self._batch_size]
            changes = stream(self.seed, "augment", self._epoch, self._step)
            pixels = augment(self.images.pixels[rows], changes, **self.images.notes["augment"])
            images = pixels.to(torch.float32, memory_format=self.compute.memory_format).div_(255)
            yield images, self.images.labels[rows]
            self._step += 1
            self._save_if_due()

    def step(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Gradient step of the optimiser on `loss`; adds loss and hits to the epoch's sums."""
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        with torch.no_grad():
            hits = (logits.argmax(1) == labels).sum()
            self._sums += torch.stack([loss.detach() * len(labels), hits, hits.new_tensor(len(labels))])
        self._progress.step(len(labels))

    def record(self, **values: float) -> None:
        """Close the epoch: its mean loss, training accuracy, learning rate and the method's own `values`."""
        loss, hits, count = self._sums.tolist()
        rate = self._optimiser.param_groups[0]["lr"]
        row = {"loss": loss / count, "accuracy": hits / count, "learning_rate": rate, **values}
        self._history += [(self._epoch, metric, float(value)) for metric, value in row.items()]
        self._progress.epoch(self._epoch, row)

    def history(self) -> pa.Table:
        """All records as a table with the schema `HISTORY`."""
        rows = [dict(zip(HISTORY.names, row, strict=True)) for row in self._history]
        return pa.Table.from_pylist(rows, schema=HISTORY)

    def _start_epoch(self) -> None:
        self._step = 0
        # Sums over the epoch of loss, hits and images, kept on the device: reading them would wait for it.
        self._sums = torch.zeros(3, device=self.compute.device, dtype=torch.float64)
        # For layers that draw from torch's global generators, such as dropout.
        torch.manual_seed(derive(self.seed, "layers", self._epoch))

    def _save_if_due(self) -> None:
        if self._resume and self._resume.due():
            self._resume.save(
                {
                    "epoch": self._epoch,
                    "step": self._step,
                    "sums": self._sums,
                    "history": self._history,
                    "network": self.network.state_dict(),
                    "optimiser": self._optimiser.state_dict(),
                    "tracked": {name: tensor.detach() for name, tensor in self._tracked.items()},
                    "generators": self.compute.generator_states(),
                }
            )

    def _restore(self, state: dict | None) -> None:
        if state is None:
            return
        self._epoch, self._step, self._sums = state["epoch"], state["step"], state["sums"]
        self._history = [tuple(row) for row in state["history"]]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():
            for name, tensor in self._tracked.items():
                tensor.copy_(state["tracked"][name])
        self.compute.set_generator_states(state["generators"])
        print(f"going on in epoch {self._epoch + 1} after {self._step} steps", flush=True)
