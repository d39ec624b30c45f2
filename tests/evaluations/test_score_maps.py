"""Where scores are: concentration and heat maps, in the form of their definitions."""

import json
import math

import pytest
import torch
from attributed import attributed

from pipeline.errors import UserError
from pipeline.evaluations.score_maps import evaluate
from pipeline.evaluations.subject import Subject
from pipeline.settings import parse_slice
from pipeline.splitting.nmf import scores

IMAGES = 20


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Four dimensions, the third of which is nowhere."""
    found = attributed(tmp_path, {"train": 8, "test": IMAGES}, lambda _, light: light < 0.5)
    found.tensors["factors"] = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
    found.tensors["factors"][:, 2] = 0
    return found


def settings(**changes: int):
    return parse_slice("evaluation", json.dumps({"from": "score_maps", **changes}))


def grids(subject: Subject) -> list[list[list[list[float]]]]:
    """Scores by image, row, column and dimension, each position by itself."""
    maps = subject.last_maps("test")
    return [
        [
            [scores(image[:, u, v][None], subject.factors)[0].tolist() for v in range(maps.shape[3])]
            for u in range(maps.shape[2])
        ]
        for image in maps
    ]


def by_hand(subject: Subject, j: int) -> tuple[float, int, float]:
    """Mean concentration of dimension j, in how many images it is anywhere, and its largest value."""
    found, largest = [], 0.0
    for image in grids(subject):
        values = [cell[j] for line in image for cell in line]
        largest = max(largest, *values)
        if sum(values) > 0:
            shares = [value / sum(values) for value in values if value > 0]
            found.append(1 + sum(share * math.log(share) for share in shares) / math.log(len(values)))
    return (sum(found) / len(found) if found else math.nan), len(found), largest


def test_rows_are_the_definitions_by_hand(subject):
    rows = {(row.metric, row.subset): row for row in evaluate(subject, settings(dimensions=2, images=3))}
    expected = [by_hand(subject, j) for j in range(4)]
    for j, (mean, images, _) in enumerate(expected):
        row = rows["score_concentration", f"dimension={j}"]
        assert row.value == pytest.approx(mean, abs=1e-3, nan_ok=True) and row.n == images
    known = [mean for mean, *_ in expected if not math.isnan(mean)]
    overall = rows["score_concentration", None]
    assert (overall.value, overall.n) == (pytest.approx(sum(known) / len(known), abs=1e-3), 3)
    chosen = sorted((j for j in range(4) if expected[j][1]), key=lambda j: -expected[j][0])[:2]
    limits = [(subset, row.value, row.n) for (metric, subset), row in rows.items() if metric == "score_limit"]
    assert limits == [(f"dimension={j}", pytest.approx(expected[j][2], rel=1e-3), IMAGES) for j in chosen]
    cells = {subset: row.value for (metric, subset), row in rows.items() if metric == "score"}
    assert cells == {
        f"dimension={j},image={i},row={u},column={v}": pytest.approx(cell[j], abs=1e-3)
        for j in chosen
        for i, image in enumerate(grids(subject)[:3])
        for u, line in enumerate(image)
        for v, cell in enumerate(line)
    }


def test_no_more_dimensions_than_are_somewhere(subject):
    rows = evaluate(subject, settings(dimensions=9))
    assert len([row for row in rows if row.metric == "score_limit"]) == 3


def test_a_method_without_factors_is_named(subject):
    del subject.tensors["factors"]
    with pytest.raises(UserError, match=r"^5\.safetensors: method 'none' has no factors; list methods from: deepfacto"):
        evaluate(subject, settings())
