"""Training images of seed 0 whose human mask no annotator was shown: image, human mask, and what each annotator drew,
by the share of the images that it learned from. The outline is the human mask. Annotators that were shown all masks
drew none."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.artifacts import PSEUDO_MASKS, read_table
from pipeline.images import read_images, read_masks, read_pseudo_masks
from pipeline.report.panels import in_words
from pipeline.report.results import Results

SEED = 0
IMAGES = 6
OUTLINE = "#ffd200"


def draw(results: Results) -> Figure:
    study = results.study
    by_dataset: dict[str, list[str]] = {}
    for dataset, annotator, seed in study.annotations():
        if seed == SEED and study.slice["annotators"][annotator]["share"] < 1:
            by_dataset.setdefault(dataset, []).append(annotator)
    if not by_dataset:
        return in_words("no annotator of this study draws masks")
    width = 2 + max(map(len, by_dataset.values()))
    figure, grid = plt.subplots(
        IMAGES * len(by_dataset), width, figsize=(1.1 * width + 0.6, 1.1 * IMAGES * len(by_dataset)), squeeze=False
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for number, (dataset, annotators) in enumerate(by_dataset.items()):
        annotators.sort(key=lambda name: study.slice["annotators"][name]["share"])
        _sheet(grid[number * IMAGES : (number + 1) * IMAGES], results, dataset, annotators)
    return figure


def _sheet(grid: np.ndarray, results: Results, dataset: str, annotators: list[str]) -> None:
    """Rows of one dataset, an image each."""
    root = results.study.root
    path = layout.dataset(root, dataset, "train")
    paths = [layout.masks(root, dataset, annotator, SEED) for annotator in annotators]
    shown = [read_table(one, PSEUDO_MASKS, columns=["annotated"])["annotated"].to_numpy() for one in paths]
    rows = np.flatnonzero(~np.logical_or.reduce(shown))[:IMAGES]
    images, human = read_images(path), read_masks(path)
    drawn = [read_pseudo_masks(one)[1] for one in paths]
    for line, row in zip(grid, rows, strict=False):
        line[0].imshow(images[row], cmap="gray", vmin=0, vmax=255)
        for axes, mask in zip(line[1:], [human[row] * 255, *(masks[row] for masks in drawn)], strict=False):
            axes.imshow(mask, cmap="gray", vmin=0, vmax=255)
        for axes in line[2 : 2 + len(drawn)]:
            axes.contour(human[row], levels=[0.5], colors=[OUTLINE], linewidths=0.8)
    shares = [results.study.slice["annotators"][annotator]["share"] for annotator in annotators]
    _name(grid[0], [f"{dataset}\nimage", "human mask", *(f"{100 * share:g} %" for share in shares)])


def _name(line: np.ndarray, names: list[str]) -> None:
    axes: Axes
    for axes, name in zip(line, names, strict=False):
        axes.set_title(name.replace("_", " "), fontsize=8)
