"""Contact sheets: a strip of images a dataset, and one more for each kind of annotation that it has."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tables import write_samples

from pipeline import layout
from pipeline.datasets.samples import Prepared, Sample
from pipeline.report.figures import contact_sheets
from pipeline.report.results import Results
from pipeline.study import Study

SIDE = contact_sheets.SIDE
RNG = np.random.default_rng(0)


def sample(row: int, label: int, **annotations) -> Sample:
    image = np.full((SIDE, SIDE, 3), 10 * row, np.uint8)
    return Sample(sample_id=f"{row}", image=image, label=label, **annotations)


@pytest.fixture
def sheets(tmp_path):
    """Draws the sheets of these datasets: name -> (samples, columns)."""

    def draw(**datasets: tuple[list[Sample], tuple[str, ...]]) -> plt.Figure:
        for name, (samples, columns) in datasets.items():
            prepared = Prepared(
                class_names=list("abc"), mean=[0.5], std=[0.5], train=(), test=(), columns=columns,
                names={"parts": ["head"], "segments": ["wall", "bed"]},
            )  # fmt: skip
            path = tmp_path / layout.dataset("root", name, "train")
            path.parent.mkdir(parents=True)
            write_samples(path, samples, prepared)
        slices = {"study": "s", "root": str(tmp_path / "root"), "datasets": dict.fromkeys(datasets)}
        return contact_sheets.draw(Results(Study(slices)))

    return draw


def strips(figure: plt.Figure) -> dict[str, list[np.ndarray]]:
    rows = np.array(figure.axes).reshape(-1, contact_sheets.IMAGES)
    return {
        row[0].get_ylabel(): [axes.images[0].get_array() for axes in row if axes.images] for row in rows
    }


def test_classes_come_in_turn_and_then_the_rest(sheets):
    shown = strips(sheets(plain=([sample(row, label) for row, label in enumerate([2, 2, 0, 2, 1, 0])], ())))
    assert list(shown) == ["plain"]
    # The first of a, b and c, then all others.
    assert [image[0, 0, 0] // 10 for image in shown["plain"]] == [2, 4, 0, 1, 3, 5]


def test_every_annotation_is_drawn_where_it_is(sheets):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:60, 30:80] = True
    known = sample(
        3, 0, mask=mask, bbox=(10.0, 15.0, 80.0, 70.0), parts={0: (50.0, 40.0)}, gaze=mask.astype(np.uint8) * 255,
        segments=[(0, ~mask), (1, mask)],
    )  # fmt: skip
    columns = ("mask", "bbox", "parts", "gaze", "segments")
    shown = strips(sheets(full=([known, sample(4, 1)], columns), bare=([sample(1, 0)], ())))
    assert list(shown) == ["full", "full\nmask, bbox, parts", "full\nsegments", "full\ngaze", "bare"]
    drawn, without = shown["full\nmask, bbox, parts"]
    # Lines are smoothed.
    assert np.allclose(drawn[[20, 59], 50], contact_sheets.OUTLINE, atol=40)
    assert tuple(drawn[15, 40]) == contact_sheets.BOX and tuple(drawn[84, 40]) == contact_sheets.BOX
    assert tuple(drawn[40, 50]) == contact_sheets.PART
    assert (drawn[100, 100] == 30).all() and (without == 40).all()
    segments = shown["full\nsegments"][0]
    assert (segments[mask] == segments[30, 40]).all() and (segments[~mask] == segments[0, 0]).all()
    assert (segments[30, 40] != segments[0, 0]).any()
    gaze = shown["full\ngaze"][0]
    assert (gaze[mask] == 30).all() and (gaze[~mask] == 10).all()


def test_small_images_keep_their_pixels(sheets):
    tiny = Sample(sample_id="t", image=RNG.integers(0, 256, (4, 4, 1), dtype=np.uint8), label=0)
    (image,) = strips(sheets(tiny=([tiny], ())))["tiny"]
    assert np.array_equal(image[:: SIDE // 4, :: SIDE // 4], tiny.image[..., 0])
