"""The stage that draws one figure of a study as SVG."""

import io
import re
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure

from pipeline.files import replacing
from pipeline.report.results import Results
from pipeline.study import Study

#: Colour of text and axes while drawing. In the file it becomes `currentColor`, so that figures follow the page from
#: light to dark.
INK = "#010203"

STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": matplotlib.cycler(color=["#4477aa", "#ee6677", "#228833", "#aa7700", "#aa3377", "#0099aa"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "font.size": 9,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "clearbox",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def run(*, draw: Callable[[Results], Figure], study: Study, output: str) -> None:
    """Draw with `draw` and write SVG that uses the reader's own fonts and text colour; the same bytes every time."""
    matplotlib.use("svg")
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        draw(Results(study)).savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Matplotlib gives equal pictures, such as two colour bars, equal identifiers, which nothing refers to.
    svg = re.sub(r' id="image[0-9a-f]+"', "", svg)
    with replacing(output) as part:
        part.write_text(svg, encoding="utf-8")
    print(output, flush=True)
