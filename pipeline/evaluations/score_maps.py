"""Where the scores of DeepFacto are: how concentrated each dimension is, and heat maps of some (admm.md E7, 4.3).

Source: Khorram 2020, thesis, figure B.2, three dimensions at rank 32, chosen by eye. Here they are chosen by their mean
spatial concentration over the test images, 1 − H(p) / log(h·w) for p = map / Σ map.
"""

from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.score_map import colour_limits, grids, most_concentrated, spatial_concentration
from pipeline.splitting.nmf import rows_of, scores

if TYPE_CHECKING:
    from pipeline.settings.evaluations import ScoreMaps


def evaluate(subject: Subject, settings: "ScoreMaps") -> list[Row]:
    """Metric `score_concentration` of each dimension of the scores as subset "dimension=j", `n` images where it is not
    zero everywhere; the overall row is the mean over the `n` dimensions for which there are such images.

    Of the settings.dimensions that are most concentrated, the most so first: `score_limit`, the largest score over all
    test images, and for the first settings.images of these `score` of each position, "dimension=j,image=i,row=u,
    column=v". Raises `UserError` for a method without factors.
    """
    maps = subject.last_maps("test")
    found = grids(scores(rows_of(maps), subject.factors), maps.shape[2:])
    concentration = spatial_concentration(found)
    rows = [Row.mean("score_concentration", concentration.nanmean(0))]
    rows += [Row.mean("score_concentration", of_j, f"dimension={j}") for j, of_j in enumerate(concentration.T)]
    limits = colour_limits(found)
    for j in most_concentrated(concentration, settings.dimensions).tolist():
        rows.append(Row("score_limit", limits[j, 1].item(), len(found), f"dimension={j}"))
        rows += cells(found[: settings.images, j], j)
    return rows


def cells(maps: Tensor, dimension: int) -> list[Row]:
    """Every value of the `maps` n×h×w of one dimension as a row."""
    return [
        Row("score", value, 1, f"dimension={dimension},image={i},row={u},column={v}")
        for i, grid in enumerate(maps.tolist())
        for u, line in enumerate(grid)
        for v, value in enumerate(line)
    ]
