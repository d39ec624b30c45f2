"""`python -m pipeline data`, and what every dataset module promises about itself."""

import hashlib
from pathlib import Path
from typing import get_args

import pytest

from pipeline.__main__ import main
from pipeline.artifacts import DATASET_EXTRA
from pipeline.datasets import listing
from pipeline.datasets.listing import Entry
from pipeline.datasets.samples import Sample
from pipeline.registry import TABLES
from pipeline.settings.datasets import AnyDataset, Cub, Mnist

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = listing.entries(AnyDataset)


def test_the_written_table_is_the_current_one():
    current = "\n".join(listing.table(ENTRIES)) + "\n"
    written = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert written == current, "write it anew: python -m pipeline data table > docs/datasets.md"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_module_keeps_the_contract(entry):
    assert callable(entry.module.prepare)
    assert set(entry.module.COLUMNS) <= {*DATASET_EXTRA, "factors"} <= {*Sample.__dataclass_fields__}
    assert set(entry.module.OFFICIAL) in (set(), {"train", "test"})
    assert entry.summary.endswith(".")
    for source in entry.sources:
        assert source.licence and (source.urls or source.page)
        assert all(url.startswith("http") for url in source.urls)
        if source.checksum:
            algorithm, _, digest = source.checksum.partition(":")
            assert len(digest) == 2 * hashlib.new(algorithm).digest_size and int(digest, 16)


def test_no_two_files_have_one_checksum():
    digests = [source.checksum for entry in ENTRIES for source in entry.sources if source.checksum]
    files = {(source.file, source.checksum) for entry in ENTRIES for source in entry.sources if source.checksum}
    assert len(files) == len(set(digests))


def test_what_can_be_drawn_has_a_setting_for_it():
    drawn = {name for name in TABLES["miniature"]}
    settable = {
        get_args(kind.model_fields["kind"].annotation)[0]
        for kind in get_args(get_args(AnyDataset)[0])
        if "miniature" in kind.model_fields
    }
    assert drawn == settable


def test_states_follow_the_files(tmp_path):
    entry = Entry("mnist", Mnist)
    assert Entry("digits", None).state(tmp_path) == "bundled"
    assert entry.state(tmp_path) == "missing"
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").touch()
    # A file that was unpacked counts as well.
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").touch()
    assert entry.state(tmp_path) == "2 of 4 files"
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz").touch()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").touch()
    assert entry.state(tmp_path) == "ready"


def test_what_serves_in_its_place_counts(tmp_path):
    assert Entry("cifar10", None).state(tmp_path) == "missing"
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert Entry("cifar10", None).state(tmp_path) == "ready"


def test_list_shows_every_dataset_with_its_terms(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["data", "list", "--raw-dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert set(TABLES["dataset"]) <= set(rows)
    assert "missing" in rows["mnist"] and "11.6 MB" in rows["mnist"] and "CC BY-SA" in rows["mnist"]
    assert "bundled" in rows["digits"]
    assert "by hand" in rows["lfwa"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "minst"], "clearbox: python -m pipeline data: unknown dataset 'minst'; did you mean 'mnist'?"),
        (["draw", "mnist"], "clearbox: python -m pipeline data: unknown dataset 'mnist'"),
        (["fetch"], "clearbox: python -m pipeline data: name at least one of apascal, awa2"),
        (["fetch", "lfwa"], "is missing and cannot be downloaded; get"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(ROOT)
    assert main(["data", *arguments, "--raw-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_miniature_is_never_drawn_among_the_real_files(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["data", "draw", "cub"]) == 2
    assert "name a folder for it with --raw-dir" in capsys.readouterr().err


def test_miniature_is_drawn_once_and_then_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["data", "draw", "cub", "--raw-dir", str(tmp_path)]) == 0
    assert (tmp_path / "CUB_200_2011" / "images.txt").is_file()
    assert is_ready(tmp_path)
    assert main(["data", "draw", "cub", "--raw-dir", str(tmp_path)]) == 2
    assert "CUB_200_2011: is there already" in capsys.readouterr().err


def is_ready(raw_dir: Path) -> bool:
    return Entry("cub", Cub).state(raw_dir) != "missing"
