"""Integrated gradients: the change of the logit from a baseline to the image, shared out among the pixels.

Paper: Sundararajan et al. 2017, Axiomatic attribution for deep networks, equation 1:
(x − b) ⊙ ∫₀¹ ∂f_c(b + α(x − b))/∂x dα. The integral is captum's Gauss-Legendre quadrature, which is exact where the
gradient is a polynomial of α of degree 2·steps − 1 at most; ReLU networks have kinks, so that completeness,
Σ attributions = f_c(x) − f_c(b), holds up to a rest that shrinks with the steps.

Baseline: the dataset's mean colour, which is the zero of standardised images (normat.md section 7), or black.

Range: unbounded; the signed sum is the change of the logit. Sign: positive where the way from the baseline raises the
logit. Resolution: the image's. Cost: `steps` forward and backward passes an image.
"""

from typing import TYPE_CHECKING

import torch
from captum.attr import IntegratedGradients as Quadrature
from torch import Tensor, nn

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient

if TYPE_CHECKING:
    from pipeline.settings.explainers import IntegratedGradients


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "IntegratedGradients") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "IntegratedGradients", *, create_graph: bool = False
) -> Tensor:
    """`integrated_gradients` with these settings; a network without a buffer `mean` is taken to have mean 0."""
    mean = getattr(network, "mean", 0.0) if settings.baseline == "mean" else 0.0
    baseline = torch.as_tensor(mean, dtype=images.dtype, device=images.device)
    return integrated_gradients(
        network, images, targets, baseline=baseline, steps=settings.steps, create_graph=create_graph
    )


def integrated_gradients(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    baseline: Tensor,
    steps: int,
    create_graph: bool = False,
) -> Tensor:
    """Attributions B×C×H×W in logits on the straight way from `baseline`, which broadcasts to the images.

    One step of all images is computed at a time; with `create_graph` (as in `input_gradient`) all steps are at once in
    memory.
    """

    def gradients(forward_fn: nn.Module, inputs: tuple[Tensor], **_: object) -> tuple[Tensor]:
        # Captum's own gradients cannot be differentiated again. It stacks the whole batch once a step.
        points = inputs[0]
        repeated = targets.repeat(len(points) // len(targets))
        return (input_gradient(forward_fn, points, repeated, create_graph=create_graph),)

    quadrature = Quadrature(network)
    quadrature.gradient_func = gradients
    return quadrature.attribute(
        images if create_graph else images.detach(),
        baselines=baseline.expand_as(images),
        n_steps=steps,
        internal_batch_size=None if create_graph else len(images),
    )
