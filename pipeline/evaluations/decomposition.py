"""How sparse bases and coefficients of decomposed images are, and what is lost (admm.md E8)."""

from typing import TYPE_CHECKING

import torch

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.decomposition import coefficients, reconstruction_error
from pipeline.metrics.sparsity import hoyer

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Decomposition


@torch.no_grad()
def evaluate(subject: Subject, settings: "Decomposition") -> list[Row]:
    """Metrics `hoyer_bases`, mean over the bases; `hoyer_coefficients`, mean over images, and `reconstruction_error`.

    The latter are of the test images, with subset "split=train" of all training images. Raises `UserError` for a method
    without bases.
    """
    if "bases" not in subject.tensors:
        raise UserError(
            f"{subject.path}: method '{subject.header['method']}' has no bases; list methods from: decomposition under "
            f"`methods` of the evaluation"
        )
    bases, mean = (subject.tensors.get(name) for name in ("bases", "mean"))
    rows = [Row.mean("hoyer_bases", hoyer(bases))]
    for split, subset in (("test", None), ("train", "split=train")):
        pixels = subject.splits[split].floats(slice(None)).flatten(1).cpu()
        found = coefficients(pixels, bases, mean)
        rows += [
            Row.mean("hoyer_coefficients", hoyer(found), subset),
            Row("reconstruction_error", reconstruction_error(pixels, found, bases, mean), len(pixels), subset),
        ]
    return rows
