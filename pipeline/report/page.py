"""The stage that writes a page: claims, published beside measured numbers, figures, settings and costs of studies.

The page is one file: styles, figures and data are inside, nothing is loaded from anywhere. Layout in page.html.j2,
looks in page.css.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import jinja2
import yaml

from pipeline import layout, provenance, registry
from pipeline.artifacts import CLAIMS, read_table
from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.metrics.catalogue import about
from pipeline.report import comparison
from pipeline.report.claims import Side, read_claims
from pipeline.report.numbers import interval, number
from pipeline.report.results import Results, mean_and_interval
from pipeline.study import Study

FOLDER = Path(__file__).parent


def run(*, studies: list[Study], output: str) -> None:
    """Write the page of `studies` to `output`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("page.html.j2").render(
        css=(FOLDER / "page.css").read_text(encoding="utf-8"),
        scale=Path(studies[0].root).name,
        studies=[study_content(study) for study in studies],
        costs=costs(studies[0].root, {study.name for study in studies}),
    )
    with replacing(output) as part:
        # A line never ends between a number and its percent sign.
        part.write_text(text.replace(" %", "\N{NO-BREAK SPACE}%"), encoding="utf-8")
    print(f"Report: {output}", flush=True)


def study_content(study: Study) -> dict:
    """Everything that the template shows of one study, as text."""
    results = Results(study)
    verdicts = claims(study) if study.methods else []
    return {
        "name": study.name,
        "title": study.slice["title"],
        "methods": study.methods,
        "datasets": study.datasets,
        "seeds": study.slice["seeds"],
        "claims": verdicts,
        "compared": comparison.tables(study, results) if study.methods and study.compared() else [],
        "recorded": study.recorded_scales(),
        "counts": Counter(claim["verdict"] for claim in verdicts),
        "notices": by_notice(results.notices),
        "figures": [figure(study, name) for name in study.slice["figures"]],
        "metrics": metric_groups(results) if study.methods else [],
        "settings": yaml.safe_dump(study.slice, sort_keys=False, allow_unicode=True),
        "environments": environments(results.headers),
    }


def by_notice(notices: dict[str, list[str]]) -> dict[str, list[str]]:
    """Notice -> names of the datasets and trainings that it is of: those of a grid have the same ones."""
    found: dict[str, list[str]] = {}
    for name, lines in notices.items():
        for line in lines:
            found.setdefault(line, []).append(name)
    return found


def claims(study: Study) -> list[dict]:
    """The study's verdicts with their numbers written out in the units of their metric."""
    path = layout.study_file(study.name, "claims.yaml")
    sides = {claim.id: claim for claim in read_claims(Path(path))}
    rows = []
    for row in read_table(layout.claims(study.root, study.name), CLAIMS).to_pylist():
        if row["claim"] not in sides:
            raise UserError(f"{path}: claim '{row['claim']}' is gone; judge the claims again")
        claim = sides[row["claim"]]
        metric, right = claim.left.metric, claim.right
        rows.append(
            row
            | {
                "ours": side_text(claim.left, row["left"]),
                "against": side_text(right, row["right"]) if isinstance(right, Side) else number(right, metric),
                "difference": interval(row["value"], row["low"], row["high"], metric),
                "test": f"{row['relation']} {number(row['margin'], metric)}"
                + (" in every seed" if row["over"] == "every" else ""),
            }
        )
    return rows


def side_text(side: Side, value: float | None) -> str:
    """ "method symbol value" of one side of a claim."""
    return f"{side.method} {about(side.metric).symbol} {number(value, side.metric)}"


def figure(study: Study, name: str) -> dict:
    """A figure's SVG, its caption (the header of the module that drew it) and that module's path."""
    path = Path(layout.figure(study.root, study.name, name))
    if not path.is_file():
        raise UserError(f"{path}: no such figure; make it with `snakemake --cores 2 {path}`")
    source = Path(*registry.module("figure", name).split(".")).with_suffix(".py")
    # Identifiers of several figures on one page must not meet.
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{study.name}-{name}-", path.read_text(encoding="utf-8"))
    caption = ast.get_docstring(ast.parse((FOLDER.parents[1] / source).read_text(encoding="utf-8"))) or ""
    return {"title": name.replace("_", " "), "svg": svg, "caption": caption, "source": str(source)}


def metric_groups(results: Results) -> list[dict]:
    """For each metric, and what tells its values apart, a row a method with a mean and interval a dataset of the study.

    `n` says how many things the values are means over, at most, on each dataset where there are any.
    """
    datasets, groups = results.study.datasets, []
    for (metric, of), part in results.overall.groupby(["metric", "of"], sort=False):
        values = {key: rows["value"] for key, rows in part.groupby(["method", "dataset"])}
        most = part.groupby("dataset", sort=False)["n"].max()
        entry = about(metric)
        rows = []
        for method in results.study.methods:
            found = [values.get((method, dataset)) for dataset in datasets]
            cells = ["–" if one is None else interval(*mean_and_interval(one), metric) for one in found]
            if any(one is not None for one in found):
                rows.append({"method": method, "cells": cells})
        groups.append(
            {
                "metric": entry.title + (f", {of}" if of else ""),
                "symbol": entry.symbol,
                "better": entry.better,
                "unit": entry.unit,
                "source": entry.source,
                "n": ", ".join(f"{n} on {dataset}" for dataset, n in most.items()),
                "rows": rows,
            }
        )
    return groups


def environments(headers: list[dict]) -> list[dict]:
    """The different machines and versions behind the study's networks, each with how many it trained."""
    found: Counter = Counter()
    for header in headers:
        machine, processes = header["machine"], header["processes"]
        found[
            (
                f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}",
                f"{header['device']}, {header['precision']}, processes {processes} of {header['threads']} threads",
                ", ".join(f"{name} {version}" for name, version in header["versions"].items()),
            )
        ] += 1
    return [
        {"machine": machine, "compute": compute, "versions": versions, "networks": count}
        for (machine, compute, versions), count in found.items()
    ]


def costs(root: str, studies: set[str]) -> list[dict]:
    """Recorded cost of every job of this scale, dearest first; of the report's jobs those of `studies`."""
    return [
        {"job": job, **cost}
        for job, cost in provenance.costs(root).items()
        if not job.startswith("report/") or job.split("/")[1].split(".")[0] in studies
    ]
