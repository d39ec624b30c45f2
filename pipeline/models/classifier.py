"""The shape that every classifier here has: normalise, extract maps, read them out; most average them before."""

import torch
from torch import Tensor, fx, nn

from pipeline.errors import UserError


class Classifier(nn.Module):
    """Classifier of a last convolutional stage, whose K filters gates may choose from, and a `readout` behind it.

    Takes images B×C×H×W with values in 0..1 and subtracts and divides by the dataset's `mean` and `std` itself, so that
    gradients and attacks live on the pixel scale. `backbone` ends in a ReLU: maps, activations and features are ≥ 0.
    `stages` names its stages in forward order, with how many of its children each has. `notes` collects what a reader
    of the results has to know about how the network began.
    """

    def __init__(self, backbone: nn.Sequential, stages: dict[str, int], mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.notes: list[str] = []
        self._children_of_stages = stages

    @property
    def last_convolution(self) -> nn.Conv2d:
        """The convolution that the K filters of the last stage belong to, shortcuts beside it left aside."""
        layers = self.backbone.named_modules()
        return [layer for name, layer in layers if isinstance(layer, nn.Conv2d) and ".shortcut." not in name][-1]

    def stages(self) -> dict[str, nn.Module]:
        """Parts of the network by name in forward order, every parameter in one of them.

        The parts share their layers with the network; they are for freezing and for choosing parameters.
        """
        found, start = {}, 0
        for name, children in self._children_of_stages.items():
            found[name] = self.backbone[start : start + children]
            start += children
        return found

    def stage_outputs(self) -> dict[str, str]:
        """Name of the module whose output is that of a stage, for each stage of the backbone in forward order."""
        names, end = [name for name, _ in self.backbone.named_children()], 0
        found = {}
        for stage, children in self._children_of_stages.items():
            end += children
            found[stage] = f"backbone.{names[end - 1]}"
        return found

    def load_pretrained(self) -> None:
        """Replace random weights by those that the settings name; leaves them where the settings know none.

        Done before a training that starts from no other checkpoint, never for a network that comes from one.
        """

    def maps(self, images: Tensor) -> Tensor:
        """Activation maps A(x) of the last stage after its last ReLU, B×K×h×w."""
        return self.backbone((images - self.mean) / self.std)

    def features(self, images: Tensor) -> Tensor:
        """Spatial means a(x) of the maps, B×K, in single precision."""
        return pooled(self.maps(images))

    def activations(self, images: Tensor) -> Tensor:
        """What gates multiply and `readout` takes: the maps B×K×h×w, in single precision."""
        return self.maps(images).float()

    def readout(self, activations: Tensor) -> Tensor:
        """Logits B×classes of `activations`."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Logits, B×classes."""
        return self.readout(self.activations(images))


class GapClassifier(Classifier):
    """Classifier with global average pooling (GAP) and one linear layer, `head`.

    To gate its maps and then pool is to pool and then gate, so that its activations are the pooled features.
    """

    def __init__(
        self, backbone: nn.Sequential, stages: dict[str, int], classes: int, mean: list[float], std: list[float]
    ) -> None:
        super().__init__(backbone, stages, mean, std)
        self.head = nn.Linear(self.last_convolution.out_channels, classes)

    def stages(self) -> dict[str, nn.Module]:
        """Stages of the backbone, and "head"."""
        return super().stages() | {"head": self.head}

    def activations(self, images: Tensor) -> Tensor:
        """What gates multiply and `readout` takes: the pooled features B×K, in single precision."""
        return self.features(images)

    def readout(self, activations: Tensor) -> Tensor:
        """Logits B×classes, linear in the features `activations` B×K."""
        return self.head(activations)


@fx.wrap
def pooled(maps: Tensor) -> Tensor:
    """Spatial means B×K of maps B×K×h×w, in single precision.

    One operation to those who trace a network, where it is called as a name of this module: `classifier.pooled`.

    Summed with the channels last and divided afterwards, so that the gradient of maps that lie in memory so does, too,
    and that of others is nowhere written out: in another order all that comes before them would take longer.
    """
    return maps.permute(0, 2, 3, 1).float().sum((1, 2)) / maps[0, 0].numel()


def linear_head(network: nn.Module, user: str, remedy: str) -> nn.Linear:
    """The linear layer on pooled features; raises `UserError` for a network without, saying `user` and `remedy`."""
    if not isinstance(network, GapClassifier):
        raise UserError(
            f"{user} needs a linear layer on pooled features, which the network {type(network).__name__} does not "
            f"have; {remedy}, or use a network with global average pooling (resnet_cifar, resnet, convnet)"
        )
    return network.head
