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
follow from seed, epoch and step alone, and the state is taken between two passes of a loop body, never inside one. A
method with batches of its own has `session.steps(…)` around them.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import torch
from torch import Tensor, nn

from pipeline.artifacts import HISTORY
from pipeline.errors import UserError
from pipeline.training.augment import augment, on_device
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.group import ALONE, Group
from pipeline.training.progress import Progress
from pipeline.training.resume import Resume
from pipeline.training.schedule import learning_rate, train_only
from pipeline.training.streams import derive, stream
from pipeline.training.synchronised import synchronise
from pipeline.training.watch import accuracy

if TYPE_CHECKING:
    from pipeline.settings.training import Course, Path

Step = TypeVar("Step")


class Session:
    """A network, its training images and the random streams of one seed.

    `name` is the method instance, for messages; `watched` are images on which accuracy is recorded after every epoch,
    for curves alone: nothing is chosen by it. `notices` collects what a reader of the results has to know about the
    run, one sentence each. Without `resume` a run that is killed starts anew. `masks`, N×1×H×W uint8 where 255 is the
    relevant region, are there for methods that ask for them. Of a `group` of processes each has its share of every
    batch, and after a step all have the same weights.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        compute: Compute,
        seed: int,
        name: str = "<name>",
        resume: Resume | None = None,
        watched: Images | None = None,
        masks: Tensor | None = None,
        group: Group = ALONE,
    ) -> None:
        self.network = network.to(compute.device, memory_format=compute.memory_format)
        if group.size > 1:
            synchronise(network, group)
        self.group = group
        self.images, self.compute, self.seed, self.name = images, compute, seed, name
        self.notices: list[str] = []
        self.images_per_second = 0.0
        self._resume, self._watched, self._masks = resume, watched, masks
        self._tracked: dict[str, Tensor] = {}
        self._history: list[tuple[int, str, float]] = []
        self._epoch = self._step = 0
        self._seconds = 0.0
        self._started: float | None = None
        self._stopped = False

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

    def epochs(self, settings: "Course", *optimisers: torch.optim.Optimizer) -> Iterator[int]:
        """0-based epochs; each follows the path of `settings` with the first optimiser. Shows the progress.

        A method that has other paths calls `follow` at the beginning of an epoch. Without optimisers the method changes
        the network itself, which is in training mode. Settings with `steps_per_epoch` make an epoch of so many steps,
        which go through the images as often as it takes.
        """
        self._optimisers, self._epochs = optimisers, settings.epochs
        self._batch_size = getattr(settings, "batch_size", len(self.images))
        self._clocked = settings.clock
        self._steps = getattr(settings, "steps_per_epoch", None) or self.steps_per_epoch(self._batch_size)
        self._start_epoch()
        if self._resume:
            self._restore(self._resume.load(self.compute.device))
        first_step = self._epoch * self._steps + min(self._step, self._steps)
        self._progress = Progress(settings.epochs, self._steps, first_step, None if self.group.leads else StringIO())
        while self._epoch < settings.epochs and not self._stopped:
            if optimisers:
                self.follow(settings, optimisers[0], self._epoch)
            else:
                self.network.train()
            self._start_clock()
            yield self._epoch
            self._epoch += 1
            self._start_epoch()
            # A state saved now would not know that the training is over.
            if not self._stopped:
                self._save_if_due()
        self._progress.finish()
        self.images_per_second = self._progress.images_per_second

    def stop(self) -> None:
        """Let this epoch be the last."""
        self._stopped = True

    def follow(self, path: "Path", optimiser: torch.optim.Optimizer, epoch: int) -> None:
        """To the end of the epoch: steps of `optimiser` at its rates in 0-based `epoch`, on the path's stages."""
        self._optimiser = optimiser
        self._rates = [
            learning_rate(path.schedule, path.optimiser.learning_rate, epoch, self._epochs, step, self._steps)
            for step in range(self._steps)
        ]
        self._set_rate()
        train_only(self.network, path, self.name)

    def _set_rate(self) -> None:
        # A training whose state was saved behind its epoch's last step has no more of them.
        rate = self._rates[min(self._step, len(self._rates) - 1)]
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    @property
    def midway(self) -> bool:
        """Whether the epoch goes on behind steps that were made before the run was killed."""
        return self._step > 0

    def steps(self, planned: Iterable[Step]) -> Iterator[Step]:
        """Those `planned` steps of the epoch that were not made before the run was killed.

        Behind each the state may be saved: what the method keeps from one step to the next has to be tracked.
        """
        for step in islice(planned, self._step, None):
            yield step
            # Images count once an epoch, however often the method goes through them.
            if self._step < self._steps:
                self._progress.step(self._batch_size)
            self._step += 1
            self._save_if_due()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches of the epoch: images B×C×H×W float32 in 0..1, labels B.

        A process of a group gets its rows of each, here and below.
        """
        for pixels, rows in self._augmented(self.images.pixels):
            yield self._floats(pixels), self.images.labels[rows]

    def masked_batches(self, masks: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The same batches with masks B×1×H×W float32 in 0..1, which are cropped, mirrored and moved as the images.

        `masks` is "given", or "shuffled" for each image with the mask of the one before it in the shuffled batch.
        """
        channels = self.images.pixels.shape[1]
        for pixels, rows in self._augmented(self.images.pixels, self._masks):
            images, regions = pixels.split([channels, 1], dim=1)
            if masks == "shuffled":
                regions = self.group.previous(regions)
            yield self._floats(images), self.images.labels[rows], self._floats(regions)

    def _floats(self, pixels: Tensor) -> Tensor:
        return pixels.to(torch.float32, memory_format=self.compute.memory_format).div_(255)

    def _augmented(self, *planes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of all `planes` N×…×H×W as channels of one picture, augmented, with their numbers; a batch at a time."""
        shuffle = stream(self.seed, "shuffle", self._epoch)
        passes = -(-self._steps * self._batch_size // len(self.images))
        order = torch.cat([torch.randperm(len(self.images), generator=shuffle) for _ in range(passes)])
        order = on_device(order, self.compute.device)
        mine = self.group.share(self._batch_size)
        share = {"first": mine.start, "batch": self._batch_size}
        for step in self.steps(range(self._steps)):
            rows = order[step * self._batch_size : (step + 1) * self._batch_size][mine]
            changes = stream(self.seed, "augment", self._epoch, step)
            pixels = torch.cat([plane.index_select(0, rows) for plane in planes], dim=1)
            yield augment(pixels, changes, **share, **self.images.notes["augment"]), rows

    def step(self, loss: Tensor, logits: Tensor, labels: Tensor, **terms: Tensor) -> None:
        """Gradient step of the optimiser on `loss`; adds loss and hits to the epoch's sums, and named `terms` of it.

        In a group, `loss` and `terms` are means over this process's rows, and what does not depend on images.
        """
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        stepped = [weight for group in self._optimiser.param_groups for weight in group["params"]]
        self.group.average_([weight.grad for weight in stepped if weight.grad is not None])
        self._set_rate()
        self._optimiser.step()
        with torch.no_grad():
            hits = (logits.argmax(1) == labels).sum()
            self._sums += self.group.sum(torch.stack([loss.detach() * len(labels), hits]))
            for name, term in terms.items():
                total = self.group.sum(term.detach().double() * len(labels))
                self._terms[name] = self._terms.get(name, 0.0) + total
        self._count += len(labels) * self.group.size

    def record(self, **values: float) -> None:
        """Close the epoch: mean loss, training accuracy and learning rate of its steps, the means of the terms that the
        steps were given, and the method's own `values`.

        Behind them the seconds of training so far and the accuracy on watched images, if the settings ask for them.
        """
        row = {}
        if self._clocked:
            self._stop_clock()
            row["seconds"] = self._seconds
        if self._count:
            row["loss"], row["accuracy"] = (self._sums / self._count).tolist()
            row["learning_rate"] = self._optimiser.param_groups[0]["lr"]
            row |= {name: (total / self._count).item() for name, total in self._terms.items()}
        if not self._step:
            self._progress.sweep(self._steps * self._batch_size)
        row |= values
        if self._watched:
            row["test_accuracy"] = accuracy(self.network, self._watched)
        self._history += [(self._epoch, metric, float(value)) for metric, value in row.items()]
        self._progress.epoch(self._epoch, row)

    def history(self) -> pa.Table:
        """All records as a table with the schema `HISTORY`."""
        rows = [dict(zip(HISTORY.names, row, strict=True)) for row in self._history]
        return pa.Table.from_pylist(rows, schema=HISTORY)

    def _start_clock(self) -> None:
        self.compute.wait()
        self._started = time.perf_counter()

    def _stop_clock(self) -> None:
        """The seconds since it was started count; those since it was stopped do not."""
        self.compute.wait()
        if self._started is not None:
            self._seconds += time.perf_counter() - self._started
        self._started = None

    def _start_epoch(self) -> None:
        self._step = 0
        # Sums over the epoch of loss and hits, kept on the device: reading them would wait for it.
        self._sums = torch.zeros(2, device=self.compute.device, dtype=torch.float64)
        self._terms: dict[str, Tensor] = {}
        self._count = 0
        # For layers that draw from torch's global generators, such as dropout.
        torch.manual_seed(derive(self.seed, "layers", self._epoch))

    def _save_if_due(self) -> None:
        if self._resume and self._resume.due():
            if self._clocked:
                self._stop_clock()
            self._resume.save(
                {
                    "epoch": self._epoch,
                    "step": self._step,
                    "sums": self._sums,
                    "terms": self._terms,
                    "count": self._count,
                    "history": self._history,
                    "network": self.network.state_dict(),
                    "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
                    "tracked": {name: tensor.detach() for name, tensor in self._tracked.items()},
                    "generators": self.compute.generator_states(),
                    "seconds": self._seconds,
                }
            )
            self._start_clock()

    def _restore(self, state: dict | None) -> None:
        if state is None:
            return
        self._epoch, self._step = state["epoch"], state["step"]
        self._sums, self._terms = state["sums"], state["terms"]
        self._count, self._seconds = state["count"], state["seconds"]
        self._history = [tuple(row) for row in state["history"]]
        self.network.load_state_dict(state["network"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        with torch.no_grad():
            for name, tensor in self._tracked.items():
                tensor.copy_(state["tracked"][name])
        self.compute.set_generator_states(state["generators"])
        if self.group.leads:
            print(f"going on in epoch {self._epoch + 1} after {self._step} steps", flush=True)
