"""What each explainer's maps are: sign, range, resolution, cost, source. Imports nothing heavy."""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline import markdown


class Explainer(NamedTuple):
    name: str
    title: str
    sign: str
    range: str
    resolution: str
    cost: str
    source: str


HEAD = """# Explainers

Written by `python -m pipeline explainers > docs/explainers.md` from `pipeline/explainers/catalogue.py`; a test keeps it
true. Images have values in 0..1, so that gradients are logits per unit of a pixel's whole range. Cost counts passes
through the network for one image. Explainers of pixels sum their channels' magnitudes unless `channels` says otherwise.
"""

PIXELS = "≥ 0, or signed"
LOGITS = "logits per pixel unit"
IMAGE = "the image's"
LAST = "the last maps'"

EXPLAINERS = {
    explainer.name: explainer
    for explainer in (
        Explainer("input_gradient", "Input gradient", PIXELS, LOGITS, IMAGE, "1 forward, 1 backward",
                  "Simonyan et al. 2014"),
        Explainer("input_x_gradient", "Input × gradient", PIXELS, "logits", IMAGE, "1 forward, 1 backward",
                  "Shrikumar et al. 2016"),
        Explainer("integrated_gradients", "Integrated gradients", PIXELS,
                  "logits; signed maps sum to the logit's change", IMAGE, "`steps` forward and backward",
                  "Sundararajan et al. 2017"),
        Explainer("smooth_grad", "SmoothGrad", PIXELS, LOGITS, IMAGE, "`draws` forward and backward",
                  "Smilkov et al. 2017"),
        Explainer("sparsified_gradient", "Sparsified gradient", PIXELS, LOGITS, IMAGE, "1 forward, 1 backward",
                  "Levine et al. 2019"),
        Explainer("sparsified_smooth_grad", "Sparsified SmoothGrad", "≥ 0", "0..1 a channel", IMAGE,
                  "`draws` forward and backward", "Levine et al. 2019"),
        Explainer("sparse_moreau_grad", "Sparse MoreauGrad", PIXELS, LOGITS, IMAGE,
                  "`steps` × `draws` forward and backward", "Zhang and Farnia 2023"),
        Explainer("grad_cam", "Grad-CAM", "≥ 0", "logits; 0..1 over several layers", "the finest layer's",
                  "1 forward, 1 backward", "Selvaraju et al. 2017"),
        Explainer("cam", "Class activation map", "signed", "logits", LAST, "1 forward", "Zhou et al. 2016"),
        Explainer("attention", "Attention map of the network", "≥ 0", "0..1", "the maps' before the last stage",
                  "1 forward", "Fukui et al. 2019"),
        Explainer("activation_map", "Activation map of a filter", "≥ 0", "activations", LAST, "1 forward",
                  "Liang et al. 2020"),
        Explainer("filter_gradient", "Gradient map of a filter", "≥ 0", "root mean square 1 before the blur", IMAGE,
                  "1 forward, 1 backward", "Liang et al. 2020"),
        Explainer("excitation_backprop", "Excitation backprop", "≥ 0", "sums to 1", "that of `stop`",
                  "1 forward, 1 backward", "Zhang et al. 2016"),
    )
}  # fmt: skip


def table() -> Iterator[str]:
    """Lines of docs/explainers.md."""
    yield HEAD
    yield from markdown.table(
        ("`from:`", "explainer", "sign", "range", "resolution", "cost", "source"),
        ((f"`{name}`", *rest) for name, *rest in EXPLAINERS.values()),
    )
