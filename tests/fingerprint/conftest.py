"""The copy of the package that tests of fingerprints edit."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from edited_package import EXTRA, Copy, forget

from pipeline import fingerprint as module
from pipeline import workflow


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    folder = tmp_path / "pipeline"
    shutil.copytree(module.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "extra").mkdir()
    (folder / "extra" / "__init__.py").touch()
    for name, text in EXTRA.items():
        (folder / "extra" / f"{name}.py").write_text(text)
    monkeypatch.setattr(module, "PACKAGE", folder)
    monkeypatch.setattr(workflow, "__file__", str(folder / "workflow.py"))
    forget()
    yield Copy(folder)
    forget()
