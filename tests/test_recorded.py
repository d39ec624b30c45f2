"""Results recorded in git: which rows, byte for byte again, nothing of the machine's folders, and every bad input."""

import base64
import json
from pathlib import Path

import pandas as pd
import pytest
from toy_study import ACCURACY, MACHINE, NETWORK, write_run, write_study

from pipeline import __main__, layout
from pipeline.errors import UserError
from pipeline.recorded import chosen, portable, replace_folder, run
from pipeline.report.comparison import RECORDED
from pipeline.study import Study

FOLDER = Path("studies/toy/recorded/tiny")


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return write_study()


def contents(folder: Path = FOLDER) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_of_all_data_and_those_that_claims_name_are_kept(study):
    run(study, [])
    kept = pd.read_csv(FOLDER / "metrics.csv", dtype=str, keep_default_na=False)
    expected = [
        ["digits", method, str(seed), "accuracy", "", "accuracy", subset, f"{value:.6g}", "10"]
        for method in ("csg", "std")
        for seed in range(2)
        for subset, value in (("class=1", ACCURACY[method][seed] / 3), ("", ACCURACY[method][seed]))
    ]
    assert ",".join(kept.columns) == "dataset,method,seed,evaluation,explainer,metric,subset,value,n"
    assert kept.to_numpy().tolist() == expected


def test_all_images_of_another_dataset_are_kept():
    subsets = [None, "images=other", "images=other class=0", "class=0"]
    rows = [("d", "m", 0, "e", None, "accuracy", subset, 0.5, 1) for subset in subsets]
    metrics = pd.DataFrame(rows, columns=RECORDED)
    assert chosen(metrics, set())["subset"].dropna().tolist() == ["images=other"]


def test_subsets_that_the_comparison_names_are_kept(study):
    text = Path("studies/toy/comparison.yaml").read_text()
    Path("studies/toy/comparison.yaml").write_text(text.replace("attack_success", "accuracy").replace(
        "attack=one_pixel", "class=0"))  # fmt: skip
    run(study, [])
    assert set(pd.read_csv(FOLDER / "metrics.csv")["subset"].dropna()) == {"class=0", "class=1"}
    Path("studies/toy/comparison.yaml").unlink()
    run(study, [])
    assert set(pd.read_csv(FOLDER / "metrics.csv")["subset"].dropna()) == {"class=1"}


def test_history_has_every_epoch_of_every_training(study):
    run(study, [])
    history = pd.read_csv(FOLDER / "history.csv")
    assert history.columns.tolist() == ["dataset", "method", "seed", "epoch", "metric", "value"]
    assert len(history) == 8
    last = history[(history["method"] == "csg") & (history["seed"] == 1) & (history["epoch"] == 1)]
    assert last["value"].tolist() == [float(f"{0.8 / 3:.6g}")]


def test_about_says_how_the_networks_were_made(study):
    run(study, [])
    about = json.loads((FOLDER / "about.json").read_text())
    assert (about["study"], about["scale"]) == ("toy", "tiny") and "finished" not in about
    assert about["settings"]["methods"]["csg"]["network"] == NETWORK and about["settings"]["seeds"] == 2
    assert about["environments"] == [
        {
            "machine": MACHINE, "device": "cpu", "precision": "fp32", "threads": 1, "processes": 1,
            "versions": {"python": "3.11.0"},
        }
    ]  # fmt: skip
    assert about["trainings"][0] == {
        "dataset": "digits", "method": "std", "seed": 0, "code": "0123456789abcdef", "train_images": 8,
        "wall_seconds": 1.2, "environment": 0,
    }  # fmt: skip
    trained = [(one["method"], one["seed"]) for one in about["trainings"]]
    assert trained == [("std", 0), ("std", 1), ("csg", 0), ("csg", 1)]
    assert about["notices"] == {"digits": ["only one image"]}


def test_the_day_comes_from_snakemakes_notes(study):
    notes = Path(".snakemake/metadata")
    notes.mkdir(parents=True)
    for day, path in enumerate(study.models()):
        content = json.dumps({"endtime": 86400.0 * day})
        (notes / base64.b64encode(path.encode()).decode()).write_text(content)
    run(study, [])
    assert json.loads((FOLDER / "about.json").read_text())["finished"] == "1970-01-04"


def test_recording_again_changes_no_byte_and_other_results_replace_all(study):
    run(study, [])
    first = contents()
    (FOLDER / "left over").write_text("x")
    run(study, [])
    assert contents() == first and set(first) == {"metrics.csv", "history.csv", "about.json"}
    block = {key: value for key, value in study.slice["methods"]["csg"].items() if key != "datasets"}
    write_run(study, ("digits", "csg", 0), block, 0.1)
    run(study, [])
    changed = {name for name, content in contents().items() if content != first[name]}
    assert changed == {"metrics.csv", "history.csv"}
    assert [path.name for path in FOLDER.parent.iterdir()] == ["tiny"]


def test_the_order_of_settings_does_not_matter_to_the_metrics(study):
    run(study, [])
    first = contents()["metrics.csv"]
    methods = dict(reversed(study.slice["methods"].items()))
    run(Study({**study.slice, "methods": methods}), [])
    assert contents()["metrics.csv"] == first


def test_a_failed_write_leaves_the_older_results(tmp_path):
    folder = tmp_path / "tiny"
    replace_folder(folder, {"a": "1"})
    with pytest.raises(OSError):
        replace_folder(folder, {"a": "2", "no/such/folder": "3"})
    assert contents(folder) == {"a": b"1"} and [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/me/weights.pth", "weights.pth"),
        ("raw/mnist", "raw/mnist"),
        ("1/C", "1/C"),
        (3, 3),
        (None, None),
        ({"network": {"pretrained": "/w/v1.pth"}}, {"network": {"pretrained": "v1.pth"}}),
        (("/a/b", 1), ["b", 1]),
    ],
)
def test_folders_of_the_machine_stay_out(value, expected):
    assert portable(value) == expected


def test_absolute_places_of_artifacts_and_weights_stay_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = write_study()
    Path("a").rename(tmp_path / "elsewhere")
    moved = Study({**study.slice, "root": str(tmp_path / "elsewhere" / "tiny")})
    run(moved, [])
    assert all(str(tmp_path).encode() not in content for content in contents().values())


@pytest.mark.parametrize("kind", ["models", "histories", "evaluations"])
def test_a_missing_artifact_is_named_with_the_command_that_makes_it(study, kind):
    path = getattr(study, kind)()[1]
    Path(path).unlink()
    with pytest.raises(UserError) as caught:
        run(study, ["scales/tiny.yaml"])
    command = "snakemake --cores 2 toy --configfile scales/tiny.yaml"
    assert str(caught.value) == f"{path}: no such file; make it with `{command}`" and not FOLDER.exists()
    Path(getattr(study, kind)()[0]).unlink()
    with pytest.raises(UserError, match=r"\(and 1 more are missing\); make it with `snakemake --cores 2 toy`"):
        run(study, [])


def test_a_missing_dataset_is_named(study):
    Path(layout.dataset(study.root, "digits", "test")).unlink()
    with pytest.raises(UserError, match=r"digits/test\.parquet: no such file; make it"):
        run(study, [])


def test_networks_of_other_settings_are_refused(study):
    study.slice["methods"]["std"]["epochs"] = 3
    with pytest.raises(UserError) as caught:
        run(study, [])
    model = layout.model("a/tiny", "digits", "std", 0)
    problem = "was trained with another epochs (2, now 3); run `snakemake --cores 2 toy` first"
    assert str(caught.value) == f"{model}: {problem}"


def test_a_study_without_methods_has_nothing_to_record(study):
    with pytest.raises(UserError, match=r"params\.yaml: studies\.toy: has no methods, so there are no results"):
        run(Study({**study.slice, "methods": {}}), [])


def test_the_verb_reads_the_settings_and_names_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = Path(__file__).parents[1]
    for name in ("params.yaml", "scales/smoke.yaml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text((source / name).read_text())
    assert __main__.main(["record", "csg", "--configfile", "scales/smoke.yaml"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("clearbox: artifacts/smoke/datasets/digits/test.parquet: no such file (and ")
    assert "`snakemake --cores 2 csg --configfile scales/smoke.yaml`" in message
    assert __main__.main(["record", "cgs"]) == 2
    assert "unknown study 'cgs'; did you mean 'csg'?" in capsys.readouterr().err
