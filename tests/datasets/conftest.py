"""What the tests of datasets share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def unpacked(real_data, tmp_path_factory) -> Callable[[str], Path]:
    """Unpacks an archive of real files, once, and gives the folder to read it from as run.raw_dir."""
    folders: dict[str, Path] = {}

    def unpack(archive: str) -> Path:
        if archive not in folders:
            folders[archive] = tmp_path_factory.mktemp(archive.partition(".")[0])
            shutil.unpack_archive(real_data / archive, folders[archive])
        return folders[archive]

    return unpack
