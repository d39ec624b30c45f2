"""What tests of the report share: a study with results, and figures in its style."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from toy_study import write_study

from pipeline.report.draw import STYLE
from pipeline.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return write_study()


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    """Figures look as on the page, and are gone behind the test."""
    with plt.rc_context(STYLE):
        yield
    plt.close("all")
