"""Results recorded in one clone and restored in another, with real git, DVC and Snakemake."""

import getpass
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from project import ROOT, copy_project, jobs_in

from pipeline.settings import overlay


def tool(folder: Path, *words: str, code: int = 0) -> str:
    """Runs git, or dvc, snakemake and pipeline as modules, in `folder`; returns all that it said."""
    environment = os.environ | {
        "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1",
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", "a"), ("EMAIL", "a@example.org"))},
    }  # fmt: skip
    command = list(words) if words[0] == "git" else [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def planned(folder: Path, *options: str) -> dict[str, int]:
    return jobs_in(tool(folder, "snakemake", "-n", *options))


@pytest.fixture(scope="module")
def clones(finished, tmp_path_factory) -> tuple[Path, Path]:
    """A clone whose results were recorded and pushed, and a fresh clone of that."""
    home = tmp_path_factory.mktemp("clones")
    first = Path(shutil.copytree(finished, home / "first", symlinks=True))
    shutil.copy(ROOT / ".gitignore", first)
    (first / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", first / ".dvc")
    shutil.copy(ROOT / ".dvc" / ".gitignore", first / ".dvc")
    # dvc.yaml wraps what params.yaml says alone: here the smoke scale.
    demo, smoke = (yaml.safe_load((ROOT / file).read_text()) for file in ("params.yaml", "scales/smoke.yaml"))
    (first / "params.yaml").write_text(yaml.safe_dump(overlay(demo, smoke), sort_keys=False))
    (first / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text().replace("artifacts/demo", "artifacts/smoke"))
    tool(first, "git", "init", "-q", "-b", "main")
    tool(first, "git", "add", "-A")
    tool(first, "git", "commit", "-q", "-m", "project")
    (first / "artifacts/smoke/report/index.html").unlink()
    assert "1 jobs would still run" in tool(first, "pipeline", "commit", code=2)
    tool(first, "snakemake", "--cores", "2")
    tool(first, "pipeline", "commit")
    tool(first, "git", "add", "-A")
    tool(first, "git", "commit", "-q", "-m", "results")
    tool(first, "dvc", "push", "-q")
    second = home / "second"
    tool(home, "git", "clone", "-q", str(first), str(second))
    return first, second


def test_round_trip(clones):
    first, second = clones
    assert not (second / "artifacts").exists()
    assert "is missing; bring the recorded artifacts with `dvc pull`" in tool(second, "pipeline", "restore", code=2)
    tool(second, "dvc", "pull", "-q")
    assert planned(second), "without Snakemake's notes the artifacts cannot be trusted"
    tool(second, "pipeline", "restore")
    assert planned(second) == {}
    for path in first.glob("artifacts/smoke/models/**/*.safetensors"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    # A change afterwards runs exactly what it would have run in the first clone, for a reason that is named.
    change = ("--config", "methods={csg: {lambda2: 0.5}}")
    assert planned(second, *change) == planned(first, *change)
    assert planned(second, *change)["train"] == 2
    code = second / "pipeline" / "methods" / "csg.py"
    code.write_text(code.read_text().replace("gates.abs().mean()", "gates.mean()"))
    assert "pipeline/methods/csg.py: l1_density()" in tool(second, "pipeline", "why")
    tool(second, "git", "checkout", "-q", "pipeline")


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[str, Path]]:
    """Address of a folder on an SSH server on loopback, and the key that opens it; both of this test alone."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or find_spec("dvc_ssh") is None:
        pytest.skip("needs sshd (Debian: openssh-server) and dvc-ssh (pip install -e '.[ssh]')")
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "ListenAddress": f"127.0.0.1:{port}", "HostKey": tmp_path / "host", "AuthorizedKeysFile": tmp_path / "user.pub",
        "PidFile": "none", "StrictModes": "no", "UsePAM": "no", "Subsystem": "sftp internal-sftp",
    }  # fmt: skip
    (tmp_path / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    if os.geteuid() == 0:
        # Where root's sshd locks itself in; the service makes it, if it runs.
        Path("/run/sshd").mkdir(exist_ok=True)
    with (tmp_path / "sshd.log").open("w") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=log)
    while "listening" not in (tmp_path / "sshd.log").read_text():
        assert process.poll() is None, (tmp_path / "sshd.log").read_text()
        time.sleep(0.05)
    yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/store", tmp_path / "user"
    process.terminate()
    process.wait()


def test_round_trip_over_ssh(clones, server, tmp_path):
    first, _ = clones
    address, key = server
    third = tmp_path / "third"
    tool(tmp_path, "git", "clone", "-q", str(first), str(third))
    for clone in (first, third):
        tool(clone, "dvc", "remote", "add", "--local", "far", address)
        tool(clone, "dvc", "remote", "modify", "--local", "far", "keyfile", str(key))
    tool(first, "dvc", "push", "-q", "-r", "far")
    tool(third, "dvc", "pull", "-q", "-r", "far")
    tool(third, "pipeline", "restore")
    assert planned(third) == {}
    for path in first.glob("artifacts/smoke/models/**/*.safetensors"):
        assert path.read_bytes() == (third / path.relative_to(first)).read_bytes()


def test_dvc_takes_the_remotes_of_the_docs(tmp_path):
    """Every command of docs/reruns.md that sets a remote up is one that DVC accepts, in the words of the page."""
    tool(tmp_path, "git", "init", "-q")
    tool(tmp_path, "dvc", "init", "-q")
    commands = re.findall(r"^(dvc remote .*?)(?: +#.*)?$", (ROOT / "docs/reruns.md").read_text(), re.MULTILINE)
    assert {shlex.split(command)[-1].split(":")[0] for command in commands if " add " in command} == {
        "/mnt/results", "ssh", "s3"
    }  # fmt: skip
    for command in commands:
        tool(tmp_path, *shlex.split(command))


def test_restore_refuses_what_the_commit_does_not_record(clones):
    _, second = clones
    tool(second, "dvc", "pull", "-q", "--force")
    claims = second / "artifacts/smoke/report/csg.claims.parquet"
    claims.unlink()
    claims.write_bytes(b"something else")
    said = tool(second, "pipeline", "restore", code=2)
    assert "csg.claims.parquet: is not what the commit records" in said and len(said.splitlines()) == 1
    tool(second, "dvc", "checkout", "-q", "--force")
    tool(second, "pipeline", "restore")


def test_dvc_shows_metrics_plots_and_differences(clones):
    first, _ = clones
    assert "up to date" in tool(first, "dvc", "status")
    assert "digits/csg/accuracy" in tool(first, "dvc", "metrics", "show")
    parameters = (first / "params.yaml").read_text()
    (first / "params.yaml").write_text(parameters.replace("epochs: 3\n", "epochs: 4\n"))
    assert re.search(r"training\.epochs +3 +4", tool(first, "dvc", "params", "diff"))
    (first / "params.yaml").write_text(parameters)
    summary = first / "artifacts/smoke/report/csg.metrics.json"
    recorded = summary.read_text()
    content = json.loads(recorded)
    content["means"]["digits/csg/accuracy"] += 0.125
    summary.unlink()
    summary.write_text(json.dumps(content))
    assert re.search(r"digits/csg/accuracy.* 0\.125", tool(first, "dvc", "metrics", "diff"))
    summary.write_text(recorded)
    assert "dvc_plots" in tool(first, "dvc", "plots", "show")
    plots = (first / "dvc_plots" / "index.html").read_text()
    assert "csg_curves_json" in plots and "Training accuracy, mean over seeds" in plots


def test_a_commit_without_results_says_so(clones, tmp_path):
    copy_project(tmp_path)
    assert "provenance.json: no such file" in tool(tmp_path, "pipeline", "restore", code=2)
