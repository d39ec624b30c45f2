"""A study with results, for tests of what the report shows of it."""

import pytest
from toy_study import write_study

from pipeline.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return write_study()
