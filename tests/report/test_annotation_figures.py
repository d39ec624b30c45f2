"""Figures of annotators: which images and masks are shown, and which means and bands."""

import numpy as np
import pyarrow as pa
import pytest
from squares import drawing, write_squares

from pipeline import layout
from pipeline.artifacts import METRICS, PSEUDO_MASKS, write_table
from pipeline.images import encode
from pipeline.report.figures import annotation_quality, annotations
from pipeline.report.results import Results
from pipeline.study import Study

#: In the study's order, which is not that of the shares.
SHARES = {"half": 0.5, "tenth": 0.1, "all": 1.0}
KNOWN = {"half": range(0, 24), "tenth": range(0, 5), "all": range(48)}


def results(root, seeds: int = 2, **changed: dict) -> Results:
    blocks = {
        name: {"from": "pix2pix", "share": share, "l1": 100, "datasets": None} | changed.get(name, {})
        for name, share in SHARES.items()
    }
    return Results(Study({"study": "s", "root": str(root), "datasets": {"squares": {}}, "annotators": blocks,
                          "methods": {}, "seeds": seeds, "evaluations": {}}))  # fmt: skip


def write_masks(root, annotator: str, grey: int) -> None:
    """Masks of one grey where they are drawn."""
    _, true = drawing(48, len("train"))
    masks = true.astype(np.uint8) * 255
    known = np.isin(np.arange(48), KNOWN[annotator])
    masks[~known] = grey
    cells = [{"bytes": encode(mask[..., None]), "path": f"{row}.png"} for row, mask in enumerate(masks)]
    empty = pa.nulls(48, pa.float64())
    columns = [[f"train-{row}" for row in range(48)], cells, known, *[empty] * 4]
    table = pa.table(dict(zip(PSEUDO_MASKS.names, columns, strict=True)), schema=PSEUDO_MASKS)
    write_table(layout.masks(str(root), "squares", annotator, 0), table, PSEUDO_MASKS)


def write_quality(root, annotator: str, values: tuple[float, ...]) -> None:
    """By seed the value of all four metrics on the test images, and half of it on the training images."""
    for seed, value in enumerate(values):
        rows = [
            {"dataset": "squares", "method": annotator, "seed": seed, "explainer": None, "metric": metric,
             "subset": subset, "value": value / divisor, "n": 8}
            for metric in annotation_quality.PANELS
            for subset, divisor in (("train-rest", 2), ("test", 1))
        ]  # fmt: skip
        path = layout.mask_quality(str(root), "squares", annotator, seed)
        write_table(path, pa.Table.from_pylist(rows if annotator != "all" else [], schema=METRICS), METRICS)


def test_images_that_no_annotator_was_shown_and_their_masks_by_share(tmp_path):
    write_squares(tmp_path)
    for annotator, grey in (("half", 50), ("tenth", 10), ("all", 0)):
        write_masks(tmp_path, annotator, grey)
    figure = annotations.draw(results(tmp_path))
    grid = np.array(figure.axes).reshape(annotations.IMAGES, 4)
    assert [axes.get_title() for axes in grid[0]] == ["squares\nimage", "human mask", "10 %", "50 %"]
    images, masks = drawing(48, len("train"))
    for number, line in enumerate(grid):
        shown = [np.asarray(axes.images[0].get_array()) for axes in line]
        row = 24 + number
        assert np.array_equal(shown[0], images[row]) and np.array_equal(shown[1], masks[row] * 255)
        assert (shown[2] == 10).all() and (shown[3] == 50).all()
        assert [bool(axes.collections) for axes in line] == [False, False, True, True], "outlines of the human mask"


def test_means_over_seeds_by_share_with_their_deviation(tmp_path):
    for annotator, values in {"half": (0.8, 0.9), "tenth": (0.4, 0.6), "all": (0, 0)}.items():
        write_quality(tmp_path, annotator, values)
    figure = annotation_quality.draw(results(tmp_path))
    assert [axes.get_title() for axes in figure.axes] == ["IoU", "Dice", "Prec", "Rec"]
    for axes in figure.axes:
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        assert lines["test images"] == pytest.approx(np.array([[10, 50], [50, 85]]))
        assert lines["other training images"] == pytest.approx(np.array([[10, 25], [50, 42.5]]))
        assert axes.get_xscale() == "log"
        band = axes.collections[1].get_paths()[0].vertices
        at_ten = band[np.isclose(band[:, 0], 10)][:, 1]
        assert (at_ten.min(), at_ten.max()) == pytest.approx((50 - 10 * 2**0.5, 50 + 10 * 2**0.5))


def test_annotators_that_differ_in_more_than_their_share_have_their_own_lines(tmp_path):
    for annotator in SHARES:
        write_quality(tmp_path, annotator, (0.5, 0.5))
    figure = annotation_quality.draw(results(tmp_path, tenth={"l1": 0}))
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "half, other training images", "half, test images", "tenth, other training images", "tenth, test images"
    ]  # fmt: skip


def test_quality_is_among_the_metrics_of_a_study(tmp_path):
    for annotator in SHARES:
        write_quality(tmp_path, annotator, (0.5, 0.75))
    found = results(tmp_path).metrics
    chosen = found[(found["method"] == "tenth") & (found["metric"] == "mask_iou") & (found["subset"] == "test")]
    assert chosen["value"].tolist() == [0.5, 0.75] and set(found["evaluation"]) == {"annotate"}


def test_nothing_drawn_is_said_in_words(tmp_path):
    write_quality(tmp_path, "all", (0, 0))
    study = results(tmp_path).study
    only = Results(Study(study.slice | {"annotators": {"all": study.slice["annotators"]["all"]}}))
    for figure in (annotations.draw(only), annotation_quality.draw(only)):
        assert [text.get_text() for text in figure.texts] == ["no annotator of this study draws masks"]
