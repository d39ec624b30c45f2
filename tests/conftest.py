"""Fixtures for all tests."""

import os
from pathlib import Path

import hypothesis
import pytest

# Two workers of two threads each would halve each other's speed.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Machines are busy: an example may take its time.
hypothesis.settings.register_profile("clearbox", deadline=None)
hypothesis.settings.load_profile("clearbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workflow tests are the longest: they go first, so that no worker is left alone with them at the end."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(autouse=True)
def tiny_numbers() -> None:
    """Numbers that `choose` takes for 0 in a whole process are there again: hypothesis draws them."""
    # Not above: torch counts its threads when it is imported.
    import torch

    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real files in their official layout, as run.raw_dir; the test is skipped where there is none."""
    folder = Path(os.environ.get("CLEARBOX_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; name their folder in CLEARBOX_REAL_DATA")
    return folder
