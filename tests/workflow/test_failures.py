"""Failure drills: what happens is told in the words of docs/failures.md, nothing is lost, and its next command goes on.

Drivers killed or two at once are in test_interruption.py, killed trainings in test_resume.py, bad input in
test_bad_input.py.
"""

import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch
from project import PAGE, Verb, jobs_in, jobs_of, run_in, told

from pipeline.artifacts import read_table, write_table
from pipeline.checkpoints import load_checkpoint
from pipeline.training.resume import Resume

SMOKE = ("--configfile", "scales/smoke.yaml")
MODEL = Path("artifacts/smoke/models/digits/std/0.safetensors")
TABLE = Path("artifacts/smoke/datasets/digits/train.parquet")
NUMBERS = "artifacts/smoke/evaluations/accuracy/digits/std/0.parquet"

#: Seconds after which something counts as hanging.
TIMEOUT = 300


@pytest.fixture
def verb(verb: Verb) -> Verb:
    """The same at smoke scale, where one dataset is prepared."""

    def run(*words: str, overlays: Sequence[str] = (), code: int = 0) -> str:
        return verb(*words, *SMOKE, *overlays, code=code)

    run("prepare", "digits")
    return run


@pytest.fixture
def disk(project: Path) -> Iterator[Path]:
    """The folder of checkpoints, on a small file system of its own."""
    folder = project / "artifacts/smoke/models"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "drill", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def short_of_memory(mebibytes: int) -> Iterator[None]:
    """No more than so much memory besides what this process has."""
    has = psutil.Process().memory_info().data
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (has + (mebibytes << 20), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class Hostile:
    """A pickle that writes a file when it is read."""

    def __reduce__(self):
        return (exec, ("open('owned', 'w').close()",))


def test_a_full_disk_keeps_the_state_of_the_training(verb, disk):
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(200 << 10))
    said = verb("train", "digits", "std", "0", "--save-seconds", "0", code=2)
    told(
        said,
        "clearbox: artifacts/smoke/models/digits/std/0.history.parquet: No space left on device; make room or choose "
        "run.artifacts_dir",
    )
    assert [path for path in disk.rglob("*") if path.is_file()] == [ballast]
    ballast.unlink()
    assert "going on in epoch 4 after 0 steps" in verb("train", "digits", "std", "0", "--save-seconds", "0")
    assert load_checkpoint(MODEL)


def test_a_disk_full_of_states_keeps_the_last_whole_one(verb, disk):
    ballast = disk / "ballast"
    options = ("--save-seconds", "0", "--state", "artifacts/smoke/models/state")
    ballast.write_bytes(bytes(100 << 10))
    said = verb("train", "digits", "std", "0", *options, code=2)
    told(said, "clearbox: artifacts/smoke/models/state/….pt: No space left on device; make room or choose")
    (state,) = (disk / "state").iterdir()
    step = torch.load(state, weights_only=True)["step"]
    ballast.unlink()
    assert f"going on in epoch 1 after {step} steps" in verb("train", "digits", "std", "0", *options)


def test_a_read_only_folder_of_results(verb, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = verb("train", "digits", "std", "0", code=2)
    told(said, "clearbox: artifacts/smoke/models/digits: Read-only file system; make room or choose run.artifacts_dir")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    verb("train", "digits", "std", "0")
    assert load_checkpoint(MODEL)


def test_a_truncated_table(verb):
    whole = TABLE.read_bytes()
    TABLE.write_bytes(whole[:-100])
    told(
        verb("train", "digits", "std", "0", code=2),
        f"clearbox: {TABLE}: not a whole Parquet table (…); delete it and run snakemake again",
    )
    assert not MODEL.exists()
    TABLE.unlink()
    verb("prepare", "digits")
    assert TABLE.read_bytes() == whole


def test_pickles_in_place_of_checkpoint_and_state_are_not_run(verb, capsys):
    MODEL.parent.mkdir(parents=True)
    MODEL.write_bytes(pickle.dumps(Hostile()))
    said = verb("evaluate", "accuracy", "digits", "std", "0", code=2)
    told(said, f"clearbox: {MODEL}: not a whole safetensors file (…); delete it and run snakemake again")
    resume = Resume("state", "key", 0)
    resume.path.parent.mkdir()
    for content in (pickle.dumps(Hostile(), protocol=2), b""):
        resume.path.write_bytes(content)
        assert resume.load(torch.device("cpu")) is None
    torch.save({"epoch": Hostile()}, resume.path)
    assert resume.load(torch.device("cpu")) is None
    told(capsys.readouterr().out, "notice: state/key.pt cannot be read (…); starting anew")
    assert not Path("owned").exists()


def test_out_of_memory_is_one_line(verb, project):
    (project / "wide.yaml").write_text("training: {network: {channels: [4, 8, 8192]}}")
    with short_of_memory(256):
        said = verb("train", "digits", "std", "0", overlays=("wide.yaml",), code=2)
    told(said, "clearbox: out of memory (…); lower batch_size, samples or size, or free some")
    assert not MODEL.exists()


@pytest.fixture
def no_reserve() -> Iterator[None]:
    """Arrow asks the system whenever it needs memory: its default pool has reserved more than it uses."""
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    yield
    pa.set_memory_pool(pool)


def test_lack_of_memory_is_not_taken_for_damage(tmp_path, no_reserve):
    resume, table = Resume(tmp_path, "key", 0), tmp_path / "table.parquet"
    values = np.zeros(1 << 23)
    resume.save({"tracked": torch.from_numpy(values)})
    schema = pa.schema([("value", pa.float64())])
    write_table(table, pa.table({"value": values}, schema=schema), schema)
    with short_of_memory(32):
        with pytest.raises(RuntimeError, match="allocate memory"):
            resume.load(torch.device("cpu"))
        with pytest.raises(MemoryError):
            read_table(table, schema)
    assert resume.path.exists() and table.exists()


@pytest.fixture(scope="module")
def measured(finished, tmp_path_factory) -> Path:
    """A copy of the finished project, whose results may be damaged."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("measured") / "project", symlinks=True))


def test_dates_in_the_future_and_in_the_past_rerun_nothing(measured):
    generator = random.Random(0)
    for path in measured.glob("artifacts/**/*"):
        jump = generator.choice([-3650, -1, 1, 3650]) * 86400
        os.utime(path, (time.time() + jump,) * 2)
    assert jobs_in(run_in(measured)("snakemake", "-n", NUMBERS, *SMOKE).stdout) == {}


def test_a_job_with_inputs_of_the_future_fails_until_they_are_touched(measured):
    run, images = run_in(measured), measured / TABLE.with_name("test.parquet")
    (measured / NUMBERS).unlink()
    later = time.time() + 3650 * 86400
    os.utime(images, (later, later))
    failed = run("snakemake", "--cores", "1", NUMBERS, *SMOKE, code=1)
    said = " ".join((failed.stdout + failed.stderr).split())
    older = f"Output {NUMBERS} has older modification time (…) than input"
    told(said, f"{older} … This could indicate a clock skew problem")
    touch = "find artifacts -newermt now -exec touch {} +"
    assert touch in PAGE.read_text()
    subprocess.run(touch, shell=True, cwd=measured, check=True)
    done = run("snakemake", "--cores", "1", NUMBERS, *SMOKE)
    assert jobs_in(done.stdout + done.stderr) == {"evaluate": 1, "total": 1}


def test_a_flipped_byte_of_a_checkpoint(measured):
    run, numbers, model = run_in(measured), measured / NUMBERS, measured / MODEL
    # Clones: tensors that were read are mapped to the file, in which a byte is about to change.
    before = {name: tensor.clone() for name, tensor in load_checkpoint(model)[0].items()}
    measured_before = numbers.read_bytes()
    numbers.unlink()
    damaged = bytearray(model.read_bytes())
    damaged[-1] ^= 0x40
    model.write_bytes(damaged)
    failed = run("snakemake", "--cores", "1", NUMBERS, *SMOKE, code=1)
    said = failed.stdout + failed.stderr
    told(said, f"clearbox: {MODEL}: its content is not what was saved; delete it and run snakemake again")
    assert not numbers.exists()
    model.unlink()
    run("snakemake", "--cores", "1", NUMBERS, *SMOKE)
    after, _ = load_checkpoint(model)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert numbers.read_bytes() == measured_before


@pytest.fixture
def long(project: Path) -> str:
    """An overlay with a training that takes some seconds and can be killed at any step."""
    (project / "long.yaml").write_text("training: {epochs: 12}\nrun: {save_seconds: 0}")
    return "long.yaml"


def kill(job: psutil.Process) -> None:
    job.kill()
    psutil.wait_procs([job], timeout=TIMEOUT)


@pytest.mark.slow
def test_a_killed_job_is_told_and_retried_with_more(project, driving, long):
    driver = driving(str(MODEL), overlay=long)
    kill(*jobs_of(driver))
    assert driver.wait(TIMEOUT) == 1
    told((project / "driver.log").read_text(), 'environment: line 1: … Killed … "$@"')
    assert not (project / MODEL).exists()
    driver = driving(str(MODEL), "--retries", "1", overlay=long)
    kill(*jobs_of(driver))
    assert driver.wait(TIMEOUT) == 0
    told((project / "driver.log").read_text(), "Trying to restart job 0.")
    assert "going on in epoch" in (project / "artifacts/smoke/logs/models/digits/std/0.log").read_text()
    assert load_checkpoint(project / MODEL)


@pytest.mark.slow
def test_sigterm_of_driver_and_jobs_saves_at_once(project, driving, long, run):
    driver = driving(str(MODEL), overlay=long)
    os.killpg(driver.pid, signal.SIGTERM)
    assert driver.wait(TIMEOUT) != 0
    assert not (project / MODEL).exists() and list(project.glob("artifacts/smoke/state/digits/std/0/*.pt"))
    run("snakemake", "--cores", "1", str(MODEL), *SMOKE, long)
    assert "going on in epoch" in (project / "artifacts/smoke/logs/models/digits/std/0.log").read_text()
    assert load_checkpoint(project / MODEL)
