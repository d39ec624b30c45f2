"""Attention branch network over a residual or plain trunk.

Paper: Fukui et al. 2019, Attention branch network, CVPR; structure as in its public code (reff.md section 3.4). The
stages of the trunk below the last give f, 14×14 for layer3 of a ResNet at 224×224.

    attention branch:   q = ReLU(BN(conv1×1(BN(last stage with stride 1 (f))))), C channels
                        logits = GAP(conv1×1(q)),    map a = sigmoid(BN(conv3×3(q))), one channel
    perception branch:  logits = head(GAP(last stage(f ∘ (1 + a))))

The prediction is the perception branch's, so that everything that takes a network sees one with gated maps. The
attention branch's stage begins as a copy of the trunk's, with its pretrained weights where there are some.
"""

from collections import OrderedDict
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from pipeline.models import classifier, convnet, resnet, resnet_cifar
from pipeline.models.classifier import GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.networks import AttentionBranch

TRUNKS = {"convnet": convnet.build, "resnet": resnet.build, "resnet_cifar": resnet_cifar.build}


class Branches(NamedTuple):
    """Logits B×C of the perception and of the attention branch, and the attention map B×h×w in 0..1."""

    logits: Tensor
    attention_logits: Tensor
    attention: Tensor


class AttentionGate(nn.Module):
    """Multiplies maps B×K×h×w by 1 + their attention map."""

    def __init__(self, stage: nn.Sequential, filters: int, classes: int) -> None:
        super().__init__()
        self.stage = deepcopy(stage)
        for layer in self.stage.modules():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
        self.scores = nn.Sequential(
            nn.BatchNorm2d(filters), nn.Conv2d(filters, classes, 1, bias=False), nn.BatchNorm2d(classes), nn.ReLU()
        )
        self.classifier = nn.Conv2d(classes, classes, 1, bias=False)
        self.map = nn.Sequential(nn.Conv2d(classes, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), nn.Sigmoid())
        for layer in (*self.scores, self.classifier, *self.map):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def attend(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Logits B×C and attention map B×1×h×w of `maps` B×K×h×w."""
        scores = self.scores(self.stage(maps))
        return classifier.pooled(self.classifier(scores)), self.map(scores)

    def forward(self, maps: Tensor) -> Tensor:
        return gated(maps, self.attend(maps)[1])


class AttentionBranchNetwork(GapClassifier):
    """`trunk` with an attention branch before its last stage; all of the trunk's own layers keep their weights."""

    def __init__(self, trunk: GapClassifier, classes: int, mean: list[float], std: list[float]) -> None:
        names = list(trunk.stage_outputs())
        last = trunk.stages()[names[-1]]
        below = len(trunk.backbone) - len(last)
        children = list(trunk.backbone.named_children())
        gate = AttentionGate(last, trunk.last_convolution.out_channels, classes)
        backbone = OrderedDict([*children[:below], ("attention", gate), *children[below:]])
        lengths = {name: len(trunk.stages()[name]) for name in names}
        stages = {name: lengths[name] for name in names[:-1]} | {"attention": 1, names[-1]: lengths[names[-1]]}
        super().__init__(nn.Sequential(backbone), stages, classes, mean, std)
        self.head = trunk.head
        self._gate = below
        self._trunk = [trunk]  # in a list, else its layers would count twice

    def load_pretrained(self) -> None:
        """As the trunk does, whose layers are this network's own; the attention branch's stage follows the last one."""
        trunk = self._trunk[0]
        trunk.load_pretrained()
        self.notes += trunk.notes
        last = list(trunk.stages().values())[-2]
        self.backbone.attention.stage.load_state_dict(last.state_dict())

    def branches(self, images: Tensor) -> Branches:
        """What both branches say of `images` B×C×H×W in 0..1, from one forward pass."""
        maps = self.backbone[: self._gate]((images - self.mean) / self.std)
        attention_logits, attention = self.backbone.attention.attend(maps)
        features = classifier.pooled(self.backbone[self._gate + 1 :](gated(maps, attention)))
        return Branches(self.readout(features), attention_logits, attention.float()[:, 0])


def gated(maps: Tensor, attention: Tensor) -> Tensor:
    """f ∘ (1 + a) for maps B×K×h×w and attention B×1×h×w."""
    return maps * (1 + attention)


def build(
    settings: "AttentionBranch",
    *,
    channels: int,
    size: tuple[int, int],
    classes: int,
    mean: list[float],
    std: list[float],
) -> AttentionBranchNetwork:
    """Network with random weights for images of `channels` colours and any size; `mean`, `std` as in `Classifier`."""
    shape = {"channels": channels, "size": size, "classes": classes, "mean": mean, "std": std}
    trunk = TRUNKS[settings.trunk.kind](settings.trunk, **shape)
    return AttentionBranchNetwork(trunk, classes, mean, std)
