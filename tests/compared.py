"""What the report lays side by side of a study."""

from scipy.stats import ttest_1samp

from pipeline.report.comparison import tables
from pipeline.report.results import Results
from pipeline.study import Study


def shown(study: Study) -> dict[str, dict]:
    """Tables by title."""
    return {one["title"]: one for one in tables(study, Results(study))}


def rows(study: Study, title: str) -> list[tuple]:
    """(label, detail, note, *cells) of a quantity."""
    return [(row["label"], row["detail"], row["note"], *row["cells"]) for row in shown(study)[title]["sources"]]


def percent(*values: float) -> str:
    ends = ttest_1samp(values, 0.0).confidence_interval(0.95)
    mean = sum(values) / len(values)
    return f"{100 * mean:.2f} % [{100 * ends.low:.2f} %, {100 * ends.high:.2f} %]"
