"""docs/extending.md does what it says: its blocks, applied to a copy of the project, make a study that runs."""

import re
from pathlib import Path

import pandas as pd
import pytest

BLOCK = re.compile(r"^`(?P<file>[^`\n]+)`\n\n```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

SMALL = """
run: {scale: tried}
training: {network: {channels: [4, 8, 8]}, epochs: 2}
datasets: {bars: {count: 128}}
"""


def apply(project: Path, page: str) -> list[str]:
    files = []
    for block in BLOCK.finditer(page):
        file = project / block["file"]
        files.append(block["file"])
        if block["kind"] != "diff":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block["text"])
            continue
        lines = [(line[:1], line[1:] + "\n") for line in block["text"].splitlines()]
        before = "".join(line for mark, line in lines if mark in (" ", "-"))
        after = "".join(line for mark, line in lines if mark in (" ", "+", ""))
        text = file.read_text()
        assert text.count(before) == 1, f"docs/extending.md: {block['file']} does not hold\n{before}"
        file.write_text(text.replace(before, after))
    return files


@pytest.mark.slow
def test_the_page_can_be_followed(project, run):
    files = apply(project, (project / "docs" / "extending.md").read_text())
    assert files.count("params.yaml") == 4 and files.count("pipeline/registry.py") == 3
    (project / "small.yaml").write_text(SMALL)
    done = run("snakemake", "--cores", "2", "smoothing", "--configfile", "small.yaml")
    assert "Report: artifacts/tried/report/smoothing.html" in done.stdout + done.stderr
    claims = pd.read_parquet(project / "artifacts/tried/report/smoothing.claims.parquet")
    assert claims["claim"].tolist() == ["less_sure"] and claims["seeds"].tolist() == [2]
    assert (project / "artifacts/tried/models/bars/smooth_epsilon0p3/1.safetensors").is_file()
