"""Grad-CAM of a training step, which can be differentiated once more (reff.md section 3.1).

One forward pass gives logits and activations, one pass backwards the weights of all layers. Behind the last maps of a
network with global average pooling and a linear layer the weights are known without one: α_k = W_yk / (h·w).

Batch normalisation in training mode couples the images of a batch, so that the gradient of the summed scores holds
cross terms; `cam_bn_eval` takes maps from a second forward pass with the running statistics instead (section 3.5).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.explainers.cam import cam
from pipeline.explainers.grad_cam import maps_of
from pipeline.explainers.layers import captured
from pipeline.models.classifier import Classifier, GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.focusing import Explained
    from pipeline.training.session import Session


def layers_of(network: Classifier, layers: "str | tuple[str, ...]", method: str) -> list[str]:
    """Modules of `network` at the end of the stages `layers`: "last", "all" but the first, or named ones.

    Raises `UserError` naming the method instance `method` for a stage that the network's backbone does not have.
    """
    outputs = network.stage_outputs()
    if layers == "last":
        return list(outputs.values())[-1:]
    if layers == "all":
        return list(outputs.values())[1:]
    for stage in layers:
        if stage not in outputs:
            raise UserError(f"methods.{method}.layers: no stage '{stage}' with maps; there are {', '.join(outputs)}")
    return [outputs[stage] for stage in layers]


def training_cams(
    session: "Session", images: Tensor, labels: Tensor, settings: "Explained", layers: list[str]
) -> tuple[Tensor, list[Tensor]]:
    """Logits B×C of a batch, and its maps B×h×w ≥ 0 of each of `layers`, not normalised, with a graph through α and A.

    They explain the score of the label, or of what is predicted with `cam_class` "pred", for `images` B×C×H×W in 0..1.
    """
    network = session.network
    logits, activations = forward(session, images, layers)
    targets = labels if settings.cam_class == "label" else logits.argmax(1)
    explained = logits
    if settings.cam_bn_eval:
        with running_statistics(network):
            explained, activations = forward(session, images, layers)
    if isinstance(network, GapClassifier) and layers == layers_of(network, "last", session.name):
        return logits, [last_cam(network, *activations.values(), targets, settings.score)]
    return logits, maps_of(score(explained, targets, settings.score).sum(), activations, create_graph=True)


def forward(session: "Session", images: Tensor, layers: list[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits and the outputs of `layers` of the session's network, as its other methods have them."""
    with captured(session.network, layers) as outputs:
        with session.autocast():
            activations = session.network.activations(images)
        logits = session.network.readout(activations)
    return logits, {layer: outputs[layer] for layer in layers}


def score(logits: Tensor, targets: Tensor, kind: str) -> Tensor:
    """What is explained of each image, B: the target's logit z_y, or "centred" z_y − mean_c z_c (section 3.3).

    The centred one does not change when all logits do by the same amount, which softmax does not see either.
    """
    chosen = logits.gather(1, targets[:, None])[:, 0]
    return chosen if kind == "raw" else chosen - logits.mean(1)


def last_cam(network: GapClassifier, maps: Tensor, targets: Tensor, kind: str) -> Tensor:
    """The map B×h×w ≥ 0 of the last activations `maps` B×K×h×w, from the weights W / (h·w) in place of a gradient."""
    weights = network.head.weight
    if kind == "centred":
        weights = weights - weights.mean(0)
    return cam(maps.float(), weights[targets]).relu() / maps[0, 0].numel()


@contextmanager
def running_statistics(network: nn.Module) -> Iterator[None]:
    """Within the block batch normalisation uses its running statistics and leaves them as they are."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    modes = [layer.training for layer in layers]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer, training in zip(layers, modes, strict=True):
            layer.train(training)
