"""The dataset `from: toyworld`."""

from pathlib import Path

import numpy as np
import pytest
from reading import read_all

from pipeline.datasets.toyworld.dataset import COLUMNS, OFFICIAL, SOURCES, prepare
from pipeline.datasets.toyworld.draw import BACKGROUNDS, SUBJECTS, picture
from pipeline.errors import UserError
from pipeline.settings.datasets import Toyworld


def settings(**changes: object) -> Toyworld:
    return Toyworld(**{"from": "toyworld", "size": 32, "train": 14, "test": 5, **changes})


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
def test_samples_are_the_pictures(subject):
    prepared = prepare(Path("nowhere"), settings(subject=subject, seed=3))
    assert (prepared.columns, prepared.mean, prepared.std) == (COLUMNS, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    train, test = read_all(prepared)
    assert [sample.sample_id for sample in train[:2] + test[-1:]] == ["train-00000", "train-00001", "test-00004"]
    assert (len(train), len(test)) == (14, 5)
    for split, index, sample in (("train", 13, train[13]), ("test", 2, test[2])):
        drawn = picture(subject, split, index, size=32, seed=3)
        assert np.array_equal(sample.image, drawn.image) and np.array_equal(sample.mask, drawn.mask)
        assert (sample.label, sample.bbox) == (drawn.label, drawn.bbox)
        assert np.array_equal(sample.attributes, drawn.attributes)
        names = {kind: list(prepared.names[kind]) for kind in ("parts", "attributes", "segments")}
        assert {names["parts"][part]: place for part, place in sample.parts.items()} == drawn.parts
        assert [names["segments"][segment] for segment, _ in sample.segments] == [name for name, _ in drawn.segments]
        assert names["attributes"] == list(SUBJECTS[subject].attribute_names)
        assert sample.factors == {"background": drawn.background}


def test_gaze_is_the_map_of_the_fixations():
    prepared = prepare(Path("nowhere"), settings())
    sample = next(iter(prepared.train))()
    heat = np.zeros((32, 32))
    for x, y, duration in picture("creatures", "train", 0, size=32, seed=0).fixations:
        for row in range(32):
            for column in range(32):
                heat[row, column] += duration * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * (0.07 * 32) ** 2))
    expected = (heat - heat.min()) / (heat.max() - heat.min()) * 255
    assert np.abs(sample.gaze - expected).max() <= 0.5 + 1e-6
    assert sample.gaze.max() == 255 and sample.gaze.min() == 0


def test_spurious_share_reaches_the_training_pictures_only():
    train, test = read_all(prepare(Path("nowhere"), settings(subject="lesions", spurious=1.0, test=12)))
    kinds = BACKGROUNDS["lesions"]
    assert all(sample.factors["background"] == kinds[sample.label] for sample in train)
    assert not all(sample.factors["background"] == kinds[sample.label] for sample in test)


def test_more_pictures_leave_the_first_ones_as_they_are():
    few, many = (prepare(Path("nowhere"), settings(train=count)).train for count in (3, 30))
    for one, other in zip(few, many, strict=False):
        assert np.array_equal(one().image, other().image)


def test_nothing_is_downloaded():
    assert SOURCES == () and OFFICIAL == {}


def test_too_small_pictures_are_refused():
    with pytest.raises(UserError, match=r"toyworld\): size: 15 pixels show nothing; give at least 16"):
        prepare(Path("nowhere"), settings(size=15))
    for subject in SUBJECTS:
        read_all(prepare(Path("nowhere"), settings(subject=subject, size=16, train=24, test=1)))
