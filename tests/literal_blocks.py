"""Small trainings block by block, and their literal form: a plain loop over blocks and batches, by autograd."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pipeline.models import mlp, resnet_cifar
from pipeline.settings.networks import AnyNetwork, Mlp, ResnetCifar
from pipeline.settings.splitting import Splitting
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

CPU = Compute(torch.device("cpu"), "fp32")
COUNT, CLASSES = 50, 4
#: Five layers, of which the middle three are alike.
NETWORK = Mlp(hidden=(8, 8, 8, 8))


def session(network: AnyNetwork = NETWORK, seed: int = 0, resume: Resume | None = None) -> Session:
    """A fresh run on 50 noisy 6×6 images of four classes, each with another bright quadrant."""
    pixels = torch.randint(0, 160, (COUNT, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(COUNT) % CLASSES
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 3 * (label // 2) : 3 * (label // 2) + 3, 3 * (label % 2) : 3 * (label % 2) + 3] += 90
    notes = {"class_names": list("abcd"), "mean": [0.4], "std": [0.25], "augment": {"shift": 1}}
    images = Images(pixels, labels, [str(row) for row in range(COUNT)], notes)
    build = mlp.build if isinstance(network, Mlp) else resnet_cifar.build
    with seeded(seed, "init"):
        built = build(network, channels=1, size=(6, 6), classes=CLASSES, mean=[0.4], std=[0.25])
    return Session(built, images, CPU, seed, "tried", resume)


CONVOLUTIONAL = ResnetCifar(blocks=1, channels=(2, 2, 3))


def state_of(resume: Resume) -> dict[str, Tensor]:
    """What the method keeps beside network and optimisers, from the state last saved."""
    return resume.load(CPU.device)["tracked"]


EVERYTHING = torch.arange(COUNT)


class Literal:
    """The perceptron of `run` cut behind each layer, with variables z and, for all images, an Adam for each block."""

    def __init__(self, run: Session, settings: Splitting, z: list[Tensor]) -> None:
        self.run, self.settings, self.z = run, settings, z
        self.images = run.images.pixels / 255
        self.labels = run.images.labels
        self.blocks = list(run.network.stages().values())
        rate = settings.optimiser.learning_rate
        self.optimisers = [torch.optim.Adam(block.parameters(), rate) for block in self.blocks]
        self.moments: dict[tuple[int, int], tuple[Tensor, Tensor, int]] = {}

    def batches(self, epoch: int, passes: int = 1) -> Iterator[Tensor]:
        generator, size = stream(self.run.seed, "shuffle", epoch), self.settings.batch_size
        for _ in range(passes):
            order = torch.randperm(COUNT, generator=generator)
            for start in range(0, COUNT - size + 1, size):
                yield order[start : start + size]

    def below(self, t: int, rows: Tensor) -> Tensor:
        return self.images[rows] if t == 0 else self.z[t - 1][rows]

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Σ_i J(y_i, z_i), written out."""
        onehot = torch.eye(CLASSES)[self.labels[rows]]
        if self.settings.loss == "squared_error":
            return ((logits - onehot) ** 2).sum() / 2
        return (logits.exp().sum(1).log() - (logits * onehot).sum(1)).sum()

    @torch.no_grad()
    def forward(self, rows: Tensor) -> None:
        for t, block in enumerate(self.blocks[: len(self.z)]):
            self.z[t][rows] = block(self.below(t, rows))

    def begin_visit(self) -> None:
        if self.settings.z_optimiser == "adam_fresh":
            self.moments.clear()

    @torch.no_grad()
    def move(self, t: int, rows: Tensor, gradient: Tensor) -> None:
        """One step of z_t, of each image by itself where it is Adam's."""
        zeta = self.settings.zeta
        if self.settings.z_optimiser == "gd":
            self.z[t][rows] -= zeta * gradient
            return
        for row, g in zip(rows.tolist(), gradient, strict=True):
            m, v, k = self.moments.get((t, row), (0.0, 0.0, 0))
            m, v, k = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, k + 1
            self.z[t][row] -= zeta * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
            self.moments[t, row] = m, v, k

    def step_weights(self, t: int, objective: Tensor, count: int) -> None:
        """One step of Θ_t on the mean over images of their summed `objective`."""
        self.optimisers[t].zero_grad()
        (objective / count).backward()
        self.optimisers[t].step()

    def sweep(self, rows: Tensor) -> None:
        """One step of all z of these images."""
        raise NotImplementedError

    def weights(self, rows: Tensor) -> None:
        """One step of all Θ on these images."""
        raise NotImplementedError

    def duals(self, rows: Tensor) -> None:
        """A step of all duals of these images, where there are any."""

    def run_epochs(self) -> None:
        settings = self.settings
        for epoch in range(settings.epochs):
            if settings.updates == "cycle":
                self.begin_visit()
                for _ in range(settings.n_z):
                    self.sweep(EVERYTHING)
                for rows in self.batches(epoch, settings.n_theta):
                    self.weights(rows)
                self.duals(EVERYTHING)
            else:
                for rows in self.batches(epoch):
                    self.visit(rows)

    def visit(self, rows: Tensor) -> None:
        settings = self.settings
        online = settings.updates == "online"
        self.begin_visit()
        if online:
            self.forward(rows)
        for _ in range(settings.inner if online else 1):
            for _ in range(settings.n_z):
                self.sweep(rows)
            for _ in range(settings.n_theta):
                self.weights(rows)
            self.duals(rows)


def curve(run: Session, metric: str) -> list[float]:
    return [row["value"] for row in run.history().to_pylist() if row["metric"] == metric]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_in(run: Session, epoch: int, after: int) -> None:
    """Have `run` be killed in the 0-based `epoch`, behind so many steps of it."""
    steps = run.steps

    def steps_or_stop(planned: Iterable[Tensor]) -> Iterator[Tensor]:
        for number, rows in enumerate(steps(planned)):
            if len(curve(run, "loss")) == epoch and number == after:
                raise KeyboardInterrupt
            yield rows
        if len(curve(run, "loss")) == epoch:
            raise KeyboardInterrupt

    run.steps = steps_or_stop
