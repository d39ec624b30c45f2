"""Bad input of any kind: one clear line, exit code 2, no traceback, nothing half-written."""

import gzip
import shutil
import struct
from pathlib import Path

import pytest
from project import the_line

SMOKE = ("--configfile", "scales/smoke.yaml")


@pytest.fixture
def trained(finished, project) -> Path:
    """The copy with the smoke scale's artifacts, to be damaged."""
    shutil.copytree(finished / "artifacts", project / "artifacts")
    return project


def test_settings_are_checked_while_the_snakefile_is_parsed(run, project):
    done = run("snakemake", "-n", "--config", "methods={csg: {lamda2: 1}}", code=2)
    assert "methods.csg.lamda2: unknown key; did you mean 'lambda2'?" in the_line(done.stdout + done.stderr)
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prepare digit", "unknown dataset 'digit'; did you mean 'digits'?"),
        ("train digits cgs 0", "unknown method 'cgs'; did you mean 'csg'?"),
        ("train digits csg 0", "datasets/digits/train.parquet: no such file"),
        ("evaluate accuracy digits csg 0", "models/digits/csg/0.safetensors: no such checkpoint"),
        ("train digits csg 0 --code 0123456789abcdef", "the code changed after this job was planned"),
        ("claims csg --settings {", "--settings: not JSON"),
        ("claims cgs", "unknown study 'cgs'; did you mean 'csg'?"),
        ("report index", "no such"),
        ("train digits csg 0 --configfile scales/smok.yaml", "scales/smok.yaml: no such file"),
    ],
)
def test_stages_name_what_is_missing(verb, project, words, message):
    assert message in the_line(verb(*words.split(), code=2))
    assert not (project / "artifacts").exists()


def test_truncated_table(verb, trained):
    table = trained / "artifacts/smoke/datasets/digits/train.parquet"
    table.write_bytes(table.read_bytes()[:-100])
    model = trained / "artifacts/smoke/models/digits/std/0.safetensors"
    model.unlink()
    line = the_line(verb("train", "digits", "std", "0", *SMOKE, code=2))
    assert "train.parquet: not a whole Parquet table" in line
    assert not model.exists() and not list(model.parent.glob(".*"))


def test_wrong_checkpoint(verb, trained):
    checkpoint = trained / "artifacts/smoke/models/digits/csg/0.safetensors"
    checkpoint.write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")
    line = the_line(verb("evaluate", "accuracy", "digits", "csg", "0", *SMOKE, code=2))
    assert "0.safetensors: not a whole safetensors file" in line
    assert not (trained / "owned").exists()


def test_checkpoint_without_gates(verb, trained):
    line = the_line(verb("evaluate", "gates", "digits", "std", "0", *SMOKE, code=2))
    assert "method 'std' has no gates" in line


def test_damaged_idx_file(verb, project):
    folder = project / "raw" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train", "t10k"):
        images = struct.pack(">4B3I", 0, 0, 8, 3, 5, 28, 28) + bytes(100)
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        labels = struct.pack(">4BI", 0, 0, 8, 1, 5) + bytes(5)
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    assert "train-images-idx3-ubyte.gz: not a whole idx file" in the_line(verb("prepare", "mnist", code=2))
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training: {network: {channels: [4, 4, 8]}}", "10 classes are more than the 8 filters"),
        ("methods: {csg: {density_bound: 0.05}}", "density_bound: 0.05 is below 1/10"),
        ("training: {batch_size: 300}", "300 is more than the 256 training images"),
    ],
)
def test_settings_that_do_not_fit_the_data(verb, trained, setting, message):
    (trained / "wrong.yaml").write_text(setting)
    model = trained / "artifacts/smoke/models/digits/csg/0.safetensors"
    before = model.read_bytes()
    assert message in the_line(verb("train", "digits", "csg", "0", *SMOKE, "wrong.yaml", code=2))
    assert model.read_bytes() == before


def test_a_base_that_fits_is_the_start_and_another_is_refused(verb, trained):
    (trained / "tuned.yaml").write_text("methods: {tuned: {from: csg, base: std}}")
    verb("train", "digits", "tuned", "0", *SMOKE, "tuned.yaml")
    (trained / "wider.yaml").write_text("methods: {wider: {from: csg, base: std, network: {channels: [4, 8, 32]}}}")
    line = the_line(verb("train", "digits", "wider", "0", *SMOKE, "wider.yaml", code=2))
    assert "std/0.safetensors: its network" in line and "does not fit" in line


def test_a_failing_job_shows_its_line_and_leaves_nothing(run, project):
    (project / "wrong.yaml").write_text("training: {network: {channels: [4, 4, 8]}}")
    model = "artifacts/smoke/models/digits/csg/0.safetensors"
    done = run("snakemake", "--cores", "1", model, *SMOKE, "wrong.yaml", code=1)
    assert "10 classes are more than the 8 filters" in done.stdout + done.stderr
    assert not list((project / "artifacts/smoke/models/digits").glob("csg/*"))
