"""A network cut into blocks that are trained side by side, each with a variable of its own for its output.

Block t is a function of the variable Z_{t-1} in front of it and never of the graph of another block, so that no
gradient crosses a cut (admm.md section 3). The values of all blocks lie side by side in one matrix n×D, block t's in
the columns `columns[t]`: an image's variables are one row, whatever their shapes.

`Blocks` holds for every network, by autograd. Where blocks are linear layers, `linear_blocks.py` does the same without.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError, unknown
from pipeline.models.classifier import GapClassifier, pooled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.models.classifier import Classifier


class Normalise(nn.Module):
    """What a `Classifier` does first: subtracts the mean of the dataset, B×C×H×W, and divides by its deviation."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def does_nothing(self) -> bool:
        return bool((self.mean == 0).all() and (self.std == 1).all())

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class SpatialMean(nn.Module):
    """Global average pooling, B×K×h×w to B×K."""

    def forward(self, maps: Tensor) -> Tensor:
        return pooled(maps)


def cut(network: "Classifier", cuts: "Sequence[str] | None", name: str) -> list[nn.Module]:
    """Modules that one after another are `network`, from images B×C×H×W in 0..1 to logits B×classes.

    Each ends with one of the stages `cuts`, or for None with each stage; the last one with the logits. Where there is
    global average pooling it belongs to the stage before it. Raises `UserError`, naming the method instance `name`, for
    a stage that does not exist, and for the last one, behind which there is nothing to cut.
    """
    *inner, last = network.stages()
    for stage in cuts or ():
        if stage == last:
            raise UserError(f"methods.{name}.cuts: nothing comes behind '{last}'; name some of {', '.join(inner)}")
        if stage not in inner:
            raise unknown(f"methods.{name}.cuts", "stage", stage, inner)
    found, block = [], [Normalise(network.mean, network.std)]
    for stage, module in network.stages().items():
        block += module if isinstance(module, nn.Sequential) else [module]
        if stage == inner[-1] and isinstance(network, GapClassifier):
            block.append(SpatialMean())
        if stage == last or cuts is None or stage in cuts:
            found.append(nn.Sequential(*block))
            block = []
    return found


class Blocks:
    """Any blocks `modules`, for images such as `example` 1×C×H×W.

    `outputs` comes first; `pull` and `set_gradients` then differentiate what it computed, once each. `shapes` of the
    blocks' outputs are those of one image; `chunk` is how many images `chunks` takes together at most.
    """

    def __init__(self, modules: list[nn.Module], example: Tensor, chunk: int) -> None:
        self.modules, self.chunk = modules, chunk
        self.shapes = output_shapes(modules, example)
        widths = [shape.numel() for shape in self.shapes]
        self.columns = [slice(sum(widths[:t]), sum(widths[: t + 1])) for t in range(len(widths))]
        self._normalisations = [
            layer
            for module in modules
            for layer in module.modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        ]

    def __len__(self) -> int:
        return len(self.modules)

    @property
    def width(self) -> int:
        """D, the numbers that all outputs of one image have together."""
        return self.columns[-1].stop

    def parts(self, values: Tensor) -> list[Tensor]:
        """Views n×… of the matrix `values` n×D, one a block; without the last if its columns are missing."""
        found = zip(self.columns, self.shapes, strict=True)
        return [values[:, at].view(-1, *shape) for at, shape in found if at.stop <= values.shape[1]]

    def chunks(self, count: int) -> "Iterator[slice]":
        """All of `count` rows, in passes that bound memory.

        Each is spread over all rows: the statistics of batch normalisation are then not those of a single class, where
        images are sorted. They are all that depends on how rows are put together.
        """
        passes = -(-count // self.chunk)
        return (slice(start, count, passes) for start in range(passes))

    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser steps."""
        return [weight for module in self.modules for weight in module.parameters()]

    def outputs(self, images: Tensor, values: Tensor | None, *, again: bool = False, count: bool = False) -> Tensor:
        """block_t(Z_{t-1}) of all t, n×D, for `images` n×C×H×W as Z_0 and `values` Z n×D.

        Without values Z_t is block_t(Z_{t-1}): the network's ordinary forward pass. With `again` images and weights are
        those of the last call, so that the output of the first block may be taken from there. Running statistics of
        batch normalisation go on only with `count`.
        """
        self._inputs, self._outputs = [], []
        variables = None if values is None else self.parts(values)
        with torch.enable_grad(), self._statistics(count):
            for t, block in enumerate(self.modules):
                if t == 0:
                    below = images
                else:
                    # A copy: the variables change in place while the graph is still needed.
                    below = self._outputs[-1].detach() if variables is None else variables[t - 1].clone()
                    below.requires_grad_()
                self._inputs.append(below)
                self._outputs.append(block(below))
        return torch.cat([output.detach().flatten(1) for output in self._outputs], dim=1)

    @contextmanager
    def _statistics(self, count: bool) -> "Iterator[None]":
        """Within the block batch normalisation counts only with `count`; it uses the batch's statistics anyway."""
        for layer in self._normalisations:
            layer.track_running_stats = count
        try:
            yield
        finally:
            for layer in self._normalisations:
                layer.track_running_stats = True

    @torch.no_grad()
    def output(self, t: int, inputs: Tensor) -> Tensor:
        """What the 0-based block `t` gives for `inputs` n×…, counted nowhere and not for `pull`."""
        with self._statistics(count=False):
            return self.modules[t](inputs)

    def pull(self, t: int, signals: Tensor) -> Tensor:
        """`signals` n×… at the output of the 0-based block `t` > 0 times its derivative by its input, n×…."""
        return torch.autograd.grad(self._outputs[t], self._inputs[t], signals)[0]

    def set_gradients(self, signals: Tensor, weight: float = 1.0) -> None:
        """Gradients of the parameters for a step that moves all outputs along `weight` · `signals` n×D, as a mean.

        For the weight beta and signals Z_t − block_t(Z_{t-1}) + U_t it is the gradient of the mean of beta/2 |…|².
        """
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        pairs = zip(self._outputs, self.parts(signals * (-weight / len(signals))), strict=True)
        outputs, along = zip(*((output, part) for output, part in pairs if output.requires_grad), strict=True)
        gradients = torch.autograd.grad(outputs, weights, along, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient

    def spectral_norms(self) -> list[float]:
        """Largest singular value of each block's matrix; raises `UserError`, since these blocks have none."""
        raise UserError(
            "zeta: auto needs blocks of one linear layer each, all of them trained; give zeta a number, or take the "
            "network mlp without cuts and trainable"
        )


@torch.no_grad()
def output_shapes(modules: list[nn.Module], values: Tensor) -> list[torch.Size]:
    """Shapes of the blocks' outputs, without the first axis, for the images `values` 1×C×H×W."""
    shapes = []
    for module in modules:
        was_training = module.training
        values = module.eval()(values)
        module.train(was_training)
        shapes.append(values.shape[1:])
    return shapes
