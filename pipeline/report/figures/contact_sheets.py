"""Training images of each dataset, one of each class in turn, and below them what is known about them: the object's
outline, its box and its parts; then the segments of all objects; then where people looked."""

from collections.abc import Iterator

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.artifacts import DATASET, read_notes, stream_table
from pipeline.images import decode
from pipeline.report.results import Results

IMAGES = 8
#: Side in pixels at which images are shown.
SIDE = 112
#: Rows that are looked through for images of different classes.
SEARCH = 2048

OUTLINE = (255, 210, 0)
BOX = (0, 200, 255)
PART = (255, 60, 110)


def draw(results: Results) -> Figure:
    strips = [(name, label, images) for name in results.study.datasets for label, images in _strips(results, name)]
    # Inches: an image and the gap beside it, and room for the labels on the left.
    figure, grid = plt.subplots(len(strips), IMAGES, figsize=(1.2 * IMAGES + 1.2, 1.2 * len(strips)), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for row, (name, label, images) in zip(grid, strips, strict=True):
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        _name(row[0], f"{name}\n{label}" if label else name)
    return figure


def _strips(results: Results, name: str) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Strips of images with their labels: the images themselves, and one a kind of annotation."""
    path = layout.dataset(results.study.root, name, "train")
    rows = _one_of_each_class(path, len(read_notes(path, DATASET)["class_names"]))
    images = [_shown(row["image"]) for row in rows]
    yield "", images
    kinds = {"mask": _outline, "bbox": _box, "parts": _parts}
    known = [draw for column, draw in kinds.items() if any(column in row for row in rows)]
    if known:
        drawn = [_colour(image) for image in images]
        for over, row in zip(drawn, rows, strict=True):
            for mark in known:
                mark(over, row)
        yield ", ".join(column for column in kinds if kinds[column] in known), drawn
    for column, cover in {"segments": _segments, "gaze": _gaze}.items():
        if any(column in row for row in rows):
            yield column, [cover(_colour(image), row) for image, row in zip(images, rows, strict=True)]


def _one_of_each_class(path: str, classes: int) -> list[dict]:
    """The first rows of different classes, then the first of the rest; encoded images as arrays."""
    firsts: dict[int, dict] = {}
    others: list[dict] = []
    seen = 0
    for piece, _ in stream_table(path, DATASET):
        for place, label in enumerate(piece["label"].to_pylist()):
            if label not in firsts and len(firsts) < IMAGES:
                firsts[label] = _row(path, piece, place)
            elif len(others) < IMAGES:
                others.append(_row(path, piece, place))
        seen += len(piece)
        if len(firsts) == min(IMAGES, classes) or seen >= SEARCH:
            break
    return [*(firsts[label] for label in sorted(firsts)), *others][:IMAGES]


def _row(path: str, piece: pa.Table, place: int) -> dict:
    one = piece.slice(place, 1)
    row = {column: value for column, value in one.to_pylist()[0].items() if value not in (None, [])}
    for column in ("image", "mask", "gaze"):
        if column in row:
            row[column] = decode(path, one[column])[0]
    if "segments" in row:
        masks = one["segments"].combine_chunks().flatten().field("mask")
        for segment, mask in zip(row["segments"], decode(path, pa.chunked_array([masks])), strict=True):
            segment["mask"] = mask
    return row


def _shown(image: np.ndarray) -> np.ndarray:
    """An image at the size at which it is shown; small ones keep their pixels."""
    height, width = image.shape[:2]
    kind = cv2.INTER_NEAREST if height < SIDE else cv2.INTER_AREA
    return cv2.resize(image, (SIDE * width // height, SIDE), interpolation=kind)


def _colour(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()


def _scale(over: np.ndarray, row: dict) -> float:
    return over.shape[0] / row["image"].shape[0]


def _outline(over: np.ndarray, row: dict) -> None:
    if "mask" not in row:
        return
    mask = (_shown(row["mask"]) > 127).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(over, outlines, -1, OUTLINE, 1, cv2.LINE_AA)


def _box(over: np.ndarray, row: dict) -> None:
    if "bbox" in row:
        left, top, width, height = (round(value * _scale(over, row)) for value in row["bbox"])
        cv2.rectangle(over, (left, top), (left + width - 1, top + height - 1), BOX, 1)


def _parts(over: np.ndarray, row: dict) -> None:
    for part in row.get("parts", ()):
        place = round(part["x"] * _scale(over, row)), round(part["y"] * _scale(over, row))
        cv2.circle(over, place, 2, PART, -1, cv2.LINE_AA)


def _segments(over: np.ndarray, row: dict) -> np.ndarray:
    for segment in row.get("segments", ()):
        inside = _shown(segment["mask"]) > 127
        colour = plt.cm.tab20(segment["segment"] % 20)[:3]
        over[inside] = 0.35 * over[inside] + 0.65 * 255 * np.array(colour)
    return over


def _gaze(over: np.ndarray, row: dict) -> np.ndarray:
    if "gaze" not in row:
        return over
    heat = _shown(row["gaze"])[..., None] / 255.0
    return (over * (0.35 + 0.65 * heat)).astype(np.uint8)


def _name(axes: Axes, label: str) -> None:
    axes.set_ylabel(label.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
