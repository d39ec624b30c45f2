"""The stage "prepare": what it writes, what it leaves out, what it refuses, and that nothing half-written remains."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.artifacts import DATASET, read_notes, read_table
from pipeline.datasets import digits, job, table
from pipeline.datasets.samples import BadSample, Prepared, Sample, given
from pipeline.errors import UserError
from pipeline.images import decode
from pipeline.settings.datasets import Digits

RNG = np.random.default_rng(0)
SETTINGS = Digits(kind="digits")
SAMPLE = Sample(
    sample_id="one",
    image=RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8),
    label=1,
    source="photos/one.jpg",
    group="person 1",
    mask=RNG.random((4, 6)) > 0.5,
    bbox=(1.0, 0.5, 2.0, 3.0),
    parts={2: (3.0, 1.5), 0: (0.0, 0.25)},
    attributes=np.array([0, 1], np.uint8),
    gaze=RNG.integers(0, 256, (4, 6), dtype=np.uint8),
    segments=[(1, RNG.random((4, 6)) > 0.5), (0, RNG.random((4, 6)) > 0.5)],
    factors={"background": "sand", "y": 3},
)
BARE = Sample(sample_id="two", image=SAMPLE.image, label=0)
ALL = ("group", "mask", "bbox", "parts", "attributes", "gaze", "segments", "factors")
PREPARED = Prepared(
    class_names=["cat", "dog"], mean=[0.5] * 3, std=[0.25] * 3, train=(), test=(), columns=ALL,
    names={"parts": ["head", "tail", "wing"], "attributes": ["red", "big"], "segments": ["wall", "bed"]},
)  # fmt: skip


def bad(text: str = "photos/bad.jpg: not a whole image") -> Sample:
    raise BadSample(text)


@pytest.fixture
def prepare(tmp_path) -> Callable:
    """Runs the stage on ways to samples; gives the paths of the two tables."""

    def run(train, test, settings: Digits = SETTINGS, official=None, **changes) -> tuple[str, str]:
        outputs = {split: str(tmp_path / "made" / f"{split}.parquet") for split in ("train", "test")}
        prepared = replace(PREPARED, **{"train": train, "test": test, "columns": (), **changes})
        module = SimpleNamespace(prepare=lambda raw_dir, settings: prepared, OFFICIAL=official or {})
        job.run(
            dataset=module, draw=None, raw_dir="raw", settings=settings, name="pets", outputs=outputs, threads=2,
            code="c0de",
        )
        return outputs["train"], outputs["test"]

    return run


def made(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "made").iterdir()) if (tmp_path / "made").exists() else []


def numbered(count: int, label: int = 0, first: int = 0) -> list:
    return list(given(replace(BARE, sample_id=f"{label}-{first + row}", label=label) for row in range(count)))


def test_every_column_comes_back(prepare):
    train, _ = prepare(given([SAMPLE, replace(SAMPLE, sample_id="three", mask=None, parts={})]), given([SAMPLE_B]),
                       columns=ALL)  # fmt: skip
    row, second = read_table(train, DATASET).to_pylist()
    assert (row["sample_id"], row["label"], row["source"], row["group"]) == ("one", 1, "photos/one.jpg", "person 1")
    assert row["bbox"] == [1.0, 0.5, 2.0, 3.0]
    assert row["parts"] == [{"part": 0, "x": 0.0, "y": 0.25}, {"part": 2, "x": 3.0, "y": 1.5}]
    assert row["attributes"] == [0, 1]
    assert row["factors"] == {"background": "sand", "y": 3}
    whole = read_table(train, DATASET)
    assert np.array_equal(decode("t", whole["image"])[0], SAMPLE.image)
    assert np.array_equal(decode("t", whole["gaze"])[0, ..., 0], SAMPLE.gaze)
    assert np.array_equal(decode("t", whole["mask"].slice(0, 1))[0, ..., 0] > 0, SAMPLE.mask)
    segments = whole["segments"].combine_chunks().values
    assert segments.field("segment").to_pylist()[:2] == [1, 0]
    assert (second["mask"], second["parts"]) == (None, [])
    notes = read_notes(train, DATASET)
    assert notes["names"] == PREPARED.names


SAMPLE_B = replace(SAMPLE, sample_id="other")


def test_hugging_face_reads_every_column(prepare, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    train, _ = prepare(given([SAMPLE]), given([SAMPLE_B]), columns=ALL)
    loaded = datasets.load_dataset("parquet", data_files=train, split="train", cache_dir=str(tmp_path / "cache"))
    assert np.array_equal(np.asarray(loaded[0]["segments"][0]["mask"]) > 0, SAMPLE.segments[0][1])
    assert np.array_equal(np.asarray(loaded[0]["gaze"]), SAMPLE.gaze)
    assert loaded[0]["bbox"] == [1.0, 0.5, 2.0, 3.0]


def test_order_is_kept_over_row_groups_and_threads(prepare, monkeypatch):
    monkeypatch.setattr(table, "GROUP_ROWS", 7)
    train, _ = prepare(numbered(100), numbered(1, 1))
    assert read_table(train, DATASET)["sample_id"].to_pylist() == [f"0-{row}" for row in range(100)]


def test_notes_tell_both_splits(prepare, capsys):
    settings = Digits(kind="digits", limit_train=20, augment={"shift": 2})
    train, test = prepare(
        numbered(30), numbered(7, first=100), settings, official={"train": 60, "test": 10}, notices=["one", "one"]
    )
    assert (read_table(train, DATASET).num_rows, read_table(test, DATASET).num_rows) == (20, 7)
    expected = [
        "one",
        "limited to the first 20 train images",
        "no train image of 1 of 2 classes: dog",
        "no test image of 1 of 2 classes: dog",
        "test: 7 images, the official dataset has 10",
    ]
    for path in (train, test):
        notes = read_notes(path, DATASET)
        assert notes["notices"] == expected
        assert (notes["dataset"], notes["code"], notes["augment"]["shift"]) == ("pets", "c0de", 2)
        assert notes["settings"] == json.loads(json.dumps(settings.slice()))
        assert notes["skipped"] == {"train": 0, "test": 0}
    assert capsys.readouterr().out.splitlines() == [
        *(f"notice: {notice}" for notice in expected), f"{train}: 20 images", f"{test}: 7 images",
    ]  # fmt: skip


def test_bad_sample_stops_and_leaves_nothing(prepare, tmp_path):
    with pytest.raises(
        UserError, match=r"^photos/bad\.jpg: not a whole image; or leave such .* datasets\.pets\.on_error: skip$"
    ):
        prepare(numbered(3), [*numbered(70, first=100), bad])
    assert made(tmp_path) == []


def test_what_was_there_survives_a_failure(prepare, tmp_path):
    train, _ = prepare(numbered(3), numbered(2, first=100))
    before = Path(train).read_bytes()
    with pytest.raises(UserError):
        prepare(numbered(5), [bad])
    assert Path(train).read_bytes() == before
    assert len(made(tmp_path)) == 2


def test_bad_samples_are_skipped_and_counted(prepare, capsys):
    settings = Digits(kind="digits", on_error="skip", limit_train=4)
    train, test = prepare([bad, *numbered(3), bad, *numbered(5, 1)], [*numbered(1, first=100), bad], settings)
    assert read_table(train, DATASET)["sample_id"].to_pylist() == ["0-0", "0-1", "0-2", "1-0"]
    notes = read_notes(test, DATASET)
    assert notes["skipped"] == {"train": 2, "test": 1}
    assert notes["notices"][1] == "2 train samples were left out; the first: photos/bad.jpg: not a whole image"
    assert "skipped: photos/bad.jpg: not a whole image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_id": "0-0"}, r"photos/one\.jpg: sample '0-0' comes twice"),
        ({"label": 2}, r"photos/one\.jpg: label 2 is outside 0\.\.1"),
        ({"label": -1}, r"photos/one\.jpg: label -1 is outside 0\.\.1"),
        ({"mask": np.ones((4, 5), bool)}, r"photos/one\.jpg: its mask is 4×5, the image 4×6"),
        ({"gaze": np.ones((6, 4), np.uint8)}, r"photos/one\.jpg: its gaze is 6×4, the image 4×6"),
        ({"segments": [(0, np.ones((1, 6), bool))]}, r"photos/one\.jpg: its segments is 1×6, the image 4×6"),
        ({"attributes": np.ones(3, np.uint8)}, r"photos/one\.jpg: has 3 attributes, expected 2"),
    ],
)
def test_broken_promises_are_bad_samples(prepare, tmp_path, change, message):
    reads = [*numbered(1), *given([replace(SAMPLE, **change)])]
    columns = tuple(name for name in ALL if name != "factors")
    with pytest.raises(UserError, match=message):
        prepare(reads, given([SAMPLE_B]), columns=columns)
    assert made(tmp_path) == []
    settings = Digits(kind="digits", on_error="skip")
    train, _ = prepare(reads, given([SAMPLE_B]), settings, columns=columns)
    assert read_table(train, DATASET)["sample_id"].to_pylist() == ["0-0"]


def test_a_sample_of_both_splits_is_refused_or_only_trained_on(prepare, tmp_path):
    with pytest.raises(UserError, match=r"pets: sample '0-1' comes twice"):
        prepare(numbered(2), numbered(2, first=1))
    assert made(tmp_path) == []
    train, test = prepare(numbered(2), numbered(2, first=1), Digits(kind="digits", on_error="skip"))
    assert read_table(train, DATASET)["sample_id"].to_pylist() == ["0-0", "0-1"]
    assert read_table(test, DATASET)["sample_id"].to_pylist() == ["0-2"]


def test_nothing_left_is_an_error(prepare, tmp_path):
    settings = Digits(kind="digits", on_error="skip")
    with pytest.raises(UserError, match=r"datasets\.pets: no test image is left; the first: photos/bad"):
        prepare(numbered(1), [bad], settings)
    with pytest.raises(UserError, match=r"datasets\.pets: no train image is left; check its folder and lists"):
        prepare([], numbered(1), settings)
    assert made(tmp_path) == []


def test_limit_beyond_the_images_is_an_error(prepare, tmp_path):
    with pytest.raises(UserError, match=r"datasets\.pets\.limit_test: 501 images asked for, there are 7; lower it"):
        prepare(numbered(2), numbered(7, first=100), Digits(kind="digits", limit_test=501))
    assert made(tmp_path) == []


def test_held_out_images_stand_in_for_the_test_images(prepare):
    train, test = prepare(
        numbered(9), numbered(7, first=100), Digits(kind="digits", hold_out=3), official={"train": 9, "test": 7}
    )
    ids = [read_table(path, DATASET)["sample_id"].to_pylist() for path in (train, test)]
    assert ids == [[f"0-{n}" for n in range(6)], [f"0-{n}" for n in range(6, 9)]]
    notices = [read_notes(path, DATASET)["notices"] for path in (train, test)]
    assert notices[0] == notices[1]
    assert [note for note in notices[0] if "classes" not in note] == [
        "the last 3 training images stand in for the test images"
    ]


@pytest.mark.parametrize("count", [9, 10])
def test_holding_out_every_training_image_is_refused(prepare, tmp_path, count):
    with pytest.raises(UserError, match=rf"datasets\.pets\.hold_out: {count} of 9 training images leave none"):
        prepare(numbered(9), numbered(7, first=100), Digits(kind="digits", hold_out=count))
    assert made(tmp_path) == []


def test_error_of_the_code_is_not_a_bad_sample(prepare, tmp_path):
    with pytest.raises(ZeroDivisionError):
        prepare([lambda: 1 / 0], numbered(1), Digits(kind="digits", on_error="skip"))
    assert made(tmp_path) == []


def test_same_bytes_every_time(tmp_path):
    contents = []
    for name in ("first", "second"):
        outputs = {split: str(tmp_path / name / f"{split}.parquet") for split in ("train", "test")}
        limited = Digits(kind="digits", noise=0.5, limit_train=200, limit_test=50)
        job.run(dataset=digits, draw=None, raw_dir="raw", settings=limited, name="digits", outputs=outputs,
                threads=1 + (name == "second"), code="c0de")  # fmt: skip
        contents.append([Path(path).read_bytes() for path in outputs.values()])
    assert contents[0] == contents[1]


def test_miniature_is_read_in_place_of_the_raw_files(tmp_path):
    def draw(folder: Path, settings: Digits) -> None:
        (folder / "drawn").write_text("cat")

    def read(raw_dir: Path, settings: Digits) -> Prepared:
        assert (raw_dir / "drawn").read_text() == "cat"
        return replace(PREPARED, train=numbered(2), test=numbered(1, 1), columns=())

    outputs = {split: str(tmp_path / f"{split}.parquet") for split in ("train", "test")}
    module = SimpleNamespace(prepare=read, OFFICIAL={"train": 60_000})
    job.run(dataset=module, draw=draw, raw_dir=str(tmp_path / "none"), settings=SETTINGS, name="pets", outputs=outputs,
            threads=1, code="")  # fmt: skip
    assert read_notes(outputs["test"], DATASET)["notices"][0] == (
        "drawn by toyworld in the layout of digits; not the real data"
    )
    assert not any("official" in notice for notice in read_notes(outputs["test"], DATASET)["notices"])
