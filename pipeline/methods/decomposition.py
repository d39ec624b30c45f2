"""NMF and PCA of the images themselves: no network is trained (Khorram 2020, Figure 2.1; admm.md E8).

Images are rows X n×d of pixels in 0..1, taken apart into r bases H r×d and coefficients W n×r:

    NMF  min_{W, H ≥ 0} |X − W H|²           (Lee and Seung 1999), by coordinate descent from NNDSVDa
    PCA  min_{W, H} |X − 1 μ' − W H|²        H orthonormal, μ the mean image

scikit-learn solves both. W H stays the same when a basis gets longer and its coefficients smaller, but how sparse the
coefficients of an image are does not: bases of NMF are brought to length 1 here, as those of PCA are. Both algorithms
are deterministic but for the randomised singular vectors that NMF starts from; with `images` a seed besides draws the
images, so that the spread over seeds is that over training sets.
"""

from typing import TYPE_CHECKING

import torch
from sklearn.decomposition import NMF, PCA
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.errors import UserError
from pipeline.training.session import Session
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.splitting import Decomposition


def fit(session: Session, settings: "Decomposition") -> dict[str, Tensor]:
    """Decompose the training images; gives the `bases` H r×d of length 1 and for PCA the `mean` μ of d pixels.

    Pixels stand in the order C×H×W. Raises `UserError` for more bases than images or pixels, and for too few images.
    """
    pixels = session.images.pixels[0].numel()
    kept = {"bases": torch.zeros(settings.rank, pixels)}
    if settings.algorithm == "pca":
        kept["mean"] = torch.zeros(pixels)
    session.track(**kept)
    for _ in session.epochs(settings):
        rows = chosen(session, settings)
        found, course = (nmf if settings.algorithm == "nmf" else pca)(rows, settings, session.seed)
        for name, tensor in found.items():
            kept[name].copy_(tensor)
        session.record(**course)
    return kept


def chosen(session: Session, settings: "Decomposition") -> Tensor:
    """Pixels n×d in 0..1 of all training images, or of `settings.images` that the seed draws; on the CPU."""
    count = settings.images or len(session.images)
    if count > len(session.images):
        raise UserError(
            f"methods.{session.name}.images: {count} is more than the {len(session.images)} training images; lower it"
        )
    drawn = torch.randperm(len(session.images), generator=stream(session.seed, "init", "images"))[:count]
    rows = session.images.floats(drawn.to(session.images.pixels.device)).flatten(1).cpu()
    if settings.rank > min(rows.shape):
        raise UserError(
            f"methods.{session.name}.rank: {settings.rank} is more than the {min(rows.shape)} bases that "
            f"{rows.shape[0]} images of {rows.shape[1]} pixels can have; lower it"
        )
    return rows


def nmf(rows: Tensor, settings: "Decomposition", seed: int) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Bases of NMF, and how many sweeps were made."""
    model = NMF(settings.rank, init="nndsvda", max_iter=settings.sweeps, random_state=seed).fit(rows.numpy())
    return {"bases": normalize(torch.from_numpy(model.components_))}, {"sweeps": model.n_iter_}


def pca(rows: Tensor, settings: "Decomposition", seed: int) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Bases and mean of PCA, and which share of the variance they explain."""
    # In double precision: the solver takes the covariance from sums of squares.
    model = PCA(settings.rank, random_state=seed).fit(rows.double().numpy())
    found = {"bases": torch.from_numpy(model.components_), "mean": torch.from_numpy(model.mean_)}
    return found, {"explained_variance": model.explained_variance_ratio_.sum()}
