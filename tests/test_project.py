"""The project's own files agree with each other."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from pipeline.registry import TABLES
from pipeline.settings import RESERVED, SLICES

ROOT = Path(__file__).resolve().parents[1]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}


def test_everything_installed_directly_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    missing = [item for item in direct if re.match(r"[\w-]+", item)[0].lower() not in pins()]
    assert not missing


def test_deployed_software_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "envs" / "clearbox.yaml").read_text())
    for item in environment["dependencies"][-1]["pip"]:
        name, _, version = item.partition("==")
        assert pins()[name] == version


def test_readme_commands_are_what_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert 'pip install -c constraints.txt -e ".[test]" && pytest' in readme
    assert 'pip install --quiet -c constraints.txt -e ".[test]" && pytest' in ci
    assert "pip install -c constraints.txt -e . && snakemake --cores 2" in readme


def test_snakefile_is_a_table_of_contents():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 80


def test_registry_and_settings_know_the_same_names():
    for noun, kind in SLICES.items():
        schema = TypeAdapter(kind).json_schema(by_alias=True)
        classes = [schema, *schema.get("$defs", {}).values()]
        named = {item["properties"]["from"]["const"] for item in classes if "from" in item.get("properties", {})}
        assert set(TABLES[noun]) <= named, f"a {noun} without a settings class"


def test_no_study_can_take_the_name_of_a_rule():
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    rules = {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)}
    assert rules <= set(RESERVED)


def test_contents_are_compared_whatever_the_size_of_files():
    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert profile["max-checksum-file-size"] == "10GB" and profile["rerun-incomplete"] is True
