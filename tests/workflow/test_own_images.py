"""A user's own photographs: a settings block alone takes them through methods and evaluations to the report."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from project import the_line

from pipeline.artifacts import DATASET, read_notes
from pipeline.datasets.toyworld.draw import pictures

SETTINGS = """
run: {scale: own, raw_dir: data}
training: {network: {channels: [4, 4, 8]}, epochs: 2, batch_size: 8}
datasets:
  mine: {from: image_folder, path: photos, masks: masks, size: 24, ON_ERROR}
methods: {csg: {density_bound: 0.6}}
evaluations: {localisation: {datasets: [mine]}}
studies:
  csg:
    datasets: [mine]
    seeds: 1
    explainers: [cam]
    evaluations: [accuracy, localisation]
    figures: [contact_sheets, explanations]
"""


@pytest.fixture
def photos(project) -> Path:
    """data/photos with twelve photographs of two classes, of sizes of their own, and their masks."""
    folder = project / "data" / "photos"
    for index, picture in enumerate(pictures("creatures", "train", 12, size=48, seed=0)):
        name = f"{'left' if index % 2 else 'right'}/{index:02d}"
        for root, array, suffix in ((folder, picture.image, "jpg"), (folder / "masks", picture.mask, "png")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array[: 40 + index]).save(root / f"{name}.{suffix}")
    (project / "own.yaml").write_text(SETTINGS.replace("ON_ERROR", "on_error: stop"))
    return folder


def test_own_images_reach_the_report(run, project, photos):
    done = run("snakemake", "--cores", "2", "csg", "--configfile", "own.yaml")
    assert "Report: artifacts/own/report/csg.html" in done.stdout + done.stderr
    numbers = pd.read_parquet(project / "artifacts/own/evaluations/accuracy/mine/csg/0.parquet")
    assert numbers["n"].tolist() == [4, 2, 2], "a fifth, rounded up, of each class of six"
    notes = read_notes(project / "artifacts/own/datasets/mine/train.parquet", DATASET)
    assert notes["class_names"] == ["left", "right"]
    assert "mask" in (project / "artifacts/own/report/csg/contact_sheets.svg").read_text()
    rows = pd.read_parquet(project / "artifacts/own/evaluations/localisation/mine/csg/0.parquet")
    overall = rows[rows["subset"].isna()]
    assert set(overall[overall["metric"] == "iou"]["explainer"]) == {"cam", "ActivMap", "GradMap"}
    assert overall[overall["metric"] == "mask_area"]["value"].between(0, 1, inclusive="neither").all()
    assert (project / "artifacts/own/report/csg/explanations.svg").read_text().count("#ffd200") > 0, "outlined objects"


def test_broken_photograph_stops_or_is_skipped_and_counted(verb, project, photos):
    broken = photos / "left" / "03.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    prepare = ("prepare", "mine", "--configfile", "own.yaml")
    line = the_line(verb(*prepare, code=2))
    assert "left/03.jpg: not a whole image" in line and "datasets.mine.on_error: skip" in line
    assert not (project / "artifacts").exists() or not list((project / "artifacts/own/datasets/mine").iterdir())
    (photos / "masks" / "right" / "04.png").unlink()
    (project / "own.yaml").write_text(SETTINGS.replace("ON_ERROR", "on_error: skip"))
    said = verb(*prepare)
    assert "skipped: data/photos/left/03.jpg: not a whole image" in said
    assert "skipped: data/photos/masks/right/04.png: no such file" in said
    notes = read_notes(project / "artifacts/own/datasets/mine/test.parquet", DATASET)
    assert sum(notes["skipped"].values()) == 2
