"""The list of explainers is true and complete."""

from pathlib import Path

from pipeline.explainers import catalogue
from pipeline.registry import TABLES

ROOT = Path(__file__).resolve().parents[2]


def test_every_explainer_says_what_its_maps_are():
    assert set(catalogue.EXPLAINERS) == set(TABLES["explainer"])
    assert all(all(fact for fact in explainer) for explainer in catalogue.EXPLAINERS.values())


def test_the_written_table_is_the_current_one():
    written = (ROOT / "docs" / "explainers.md").read_text(encoding="utf-8")
    assert written.splitlines() == "\n".join(catalogue.table()).splitlines(), (
        "write it anew: python -m pipeline explainers > docs/explainers.md"
    )
