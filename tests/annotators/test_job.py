"""Annotators as stages: from tables to a checkpoint, to masks and how good they are, and what is refused."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from squares import BLOCK, drawing, options, write_squares
from tables import write_samples

from pipeline import layout
from pipeline.__main__ import main
from pipeline.annotators.subsets import annotated
from pipeline.artifacts import HISTORY, METRICS, PSEUDO_MASKS, read_table
from pipeline.checkpoints import load_checkpoint
from pipeline.datasets.samples import Prepared, Sample
from pipeline.images import read_pseudo_masks
from pipeline.metrics.mask_agreement import agreement

PLACE = ("squares", "p", "0")
LONGER = BLOCK | {"steps": 120, "check_every": 40}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the dataset and an annotator that was trained and applied from the command line."""
    folder = tmp_path_factory.mktemp("squares")
    write_squares(folder)
    assert train(folder, LONGER) == 0 and annotate(folder, LONGER) == 0
    return folder


def train(folder, block: dict, name: str = "p", seed: str = "0", *more: str) -> int:
    place = (str(folder), "squares", name, seed)
    return main([
        "train_annotator", "squares", name, seed, "--settings", json.dumps(block),
        "--data", layout.dataset(str(folder), "squares", "train"), "--model", layout.annotator(*place),
        "--history", layout.annotator_history(*place), "--state", layout.annotator_state(*place), *more,
        "--save-seconds", "60", "--device", "cpu", "--precision", "fp32", "--threads", "1",
    ])  # fmt: skip


def annotate(folder, block: dict, name: str = "p", seed: str = "0", *, model: str = "p") -> int:
    root = str(folder)
    models = [layout.annotator(root, "squares", model, seed)] if model else []
    return main([
        "annotate", "squares", name, seed, "--settings", json.dumps(block), "--model", *models,
        "--data", *(layout.dataset(root, "squares", split) for split in layout.SPLITS),
        "--output", layout.masks(root, "squares", name, seed), layout.mask_quality(root, "squares", name, seed),
        "--device", "cpu", "--threads", "1",
    ])  # fmt: skip


def tables(folder, name: str = "p") -> tuple[list[dict], np.ndarray, list[dict]]:
    path = layout.masks(str(folder), "squares", name, 0)
    rows = read_table(path, PSEUDO_MASKS).to_pylist()
    ids, masks = read_pseudo_masks(path)
    assert ids == [row["sample_id"] for row in rows]
    return rows, masks, read_table(layout.mask_quality(str(folder), "squares", name, 0), METRICS).to_pylist()


def test_the_checkpoint_says_how_it_was_made(project):
    tensors, header = load_checkpoint(layout.annotator(str(project), *PLACE))
    assert {name.split(".")[1] for name in tensors} == {"generator", "discriminator"}
    assert (header["dataset"], header["annotator"], header["seed"]) == ("squares", "p", 0)
    assert header["train_images"] == 12 and header["held_out_images"] == 0
    assert header["settings"]["share"] == 0.25 and header["wall_seconds"] > 0 and header["images_per_second"] > 0
    history = read_table(layout.annotator_history(str(project), *PLACE), HISTORY).to_pylist()
    assert {row["epoch"] for row in history} == {0, 1, 2}


def test_human_masks_are_kept_and_the_others_drawn(project):
    rows, masks, _ = tables(project)
    _, true = drawing(48, len("train"))
    labels = torch.arange(48) % 4
    known = annotated(labels, 0.25, 0).tolist()
    assert [row for row in range(48) if rows[row]["annotated"]] == known
    assert [row["sample_id"] for row in rows] == [f"train-{row}" for row in range(48)]
    assert np.array_equal(masks[known], true[known] * np.uint8(255))
    assert set(np.unique(masks)) <= {0, 255}
    found = agreement(torch.from_numpy(masks > 0), torch.from_numpy(true))
    for row in range(48):
        for metric in ("iou", "dice", "precision", "recall"):
            expected = None if row in known else pytest.approx(found[metric][row].item())
            assert rows[row][metric] == expected


def test_quality_is_the_mean_over_what_was_drawn(project):
    rows, _, quality = tables(project)
    assert [(row["metric"], row["subset"]) for row in quality] == [
        (f"mask_{metric}", subset)
        for subset in ("train-rest", "test") for metric in ("iou", "dice", "precision", "recall")
    ]  # fmt: skip
    assert all((row["dataset"], row["method"], row["seed"], row["explainer"]) == ("squares", "p", 0, None)
               for row in quality)  # fmt: skip
    for row in quality[:4]:
        values = [one[row["metric"].removeprefix("mask_")] for one in rows]
        assert row["value"] == pytest.approx(np.mean([value for value in values if value is not None]))
    assert [row["n"] for row in quality] == [36] * 4 + [8] * 4
    assert quality[0]["value"] > 0.8 and quality[4]["value"] > 0.8, "squares this bright are easy"


def test_soft_masks_are_those_that_hard_ones_split_at_one_half(project):
    assert annotate(project, LONGER | {"masks": "soft"}, "soft") == 0
    _, hard, _ = tables(project)
    rows, soft, _ = tables(project, "soft")
    assert np.array_equal((soft >= 128) * 255, hard) and len(np.unique(soft)) > 10
    known = [row["annotated"] for row in rows]
    assert np.array_equal(soft[known], hard[known])


def test_with_all_masks_known_they_are_the_human_ones(project, capsys):
    block = BLOCK | {"share": 1.0}
    assert annotate(project, block, "all", model="") == 0
    rows, masks, quality = tables(project, "all")
    assert all(row["annotated"] and row["iou"] is None for row in rows) and quality == []
    assert np.array_equal(masks, drawing(48, len("train"))[1] * np.uint8(255))
    assert train(project, block, "all") == 2
    assert "annotators.all.share: with 1 all masks are human ones" in capsys.readouterr().err


def test_another_seed_knows_other_masks(project):
    train(project, BLOCK, "p", "1")
    annotate(project, BLOCK, "p", "1")
    known = [
        read_table(layout.masks(str(project), "squares", "p", seed), PSEUDO_MASKS)["annotated"].to_pylist()
        for seed in (0, 1)
    ]
    assert sum(known[0]) == sum(known[1]) == 12 and known[0] != known[1]


def test_the_same_job_writes_the_same_bytes(project):
    before = [layout.annotator_history(str(project), *PLACE), layout.masks(str(project), *PLACE)]
    train(project, LONGER, "twin")
    annotate(project, LONGER, "twin", model="twin")
    place = (str(project), "squares", "twin", 0)
    for old, new in zip(before, (layout.annotator_history(*place), layout.masks(*place)), strict=True):
        assert pq.read_table(old).equals(pq.read_table(new))


def test_a_dataset_without_masks_is_refused(tmp_path, capsys):
    write_squares(tmp_path, masked=False)
    assert train(tmp_path, BLOCK) == 2
    assert "squares/train.parquet: no image has 'mask'" in capsys.readouterr().err


def test_an_image_without_a_mask_is_named(tmp_path, capsys):
    write_squares(tmp_path)
    images, masks = drawing(12, 0)
    samples = [
        Sample(sample_id=f"s{row}", image=image, label=0, mask=None if row == 7 else masks[row])
        for row, image in enumerate(images)
    ]
    prepared = Prepared(class_names=["a"], mean=[0.5] * 3, std=[0.5] * 3, train=(), test=(), columns=("mask",))
    write_samples(layout.dataset(str(tmp_path), "squares", "train"), samples, prepared, augment={})
    assert train(tmp_path, BLOCK) == 2
    assert "train.parquet: image 's7' has no mask; list datasets" in capsys.readouterr().err


def test_masks_need_their_annotator(tmp_path, capsys):
    write_squares(tmp_path)
    assert annotate(tmp_path, BLOCK) == 2
    assert "p/0.safetensors: no such checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"share": 0.5}, {"base_channels": 2}])
def test_an_annotator_of_other_settings_is_refused(project, capsys, changes):
    assert annotate(project, LONGER | changes, "other") == 2
    assert "p/0.safetensors: was trained with other settings (" in (said := capsys.readouterr().err)
    assert next(iter(changes)) in said


def test_other_code_than_planned_is_refused(project, capsys):
    assert train(project, BLOCK, "p", "0", "--code", "0123456789abcdef") == 2
    assert "the code changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"share": 0}, "share: input should be greater than 0"),
        ({"share": 1.5}, "share: input should be less than or equal to 1"),
        ({"steps": 10}, "steps 10 must be a multiple of check_every 3"),
        ({"size": 18}, "size 18 must be a multiple of 4"),
        ({"discriminator_channels": [4, 4, 4, 4]}, "4 convolutions leave nothing of 16 pixels"),
        ({"levels": 1}, "levels: input should be greater than or equal to 2"),
        ({"masks": "grey"}, "masks: input should be 'hard' or 'soft'"),
        ({"from": "pix3pix"}, "from: input should be 'pix2pix'"),
        ({"l_1": 3}, "l_1: unknown key; did you mean 'l1'?"),
    ],
)
def test_bad_settings_are_named(tmp_path, capsys, changes, problem):
    write_squares(tmp_path)
    assert train(tmp_path, BLOCK | changes) == 2
    assert problem in capsys.readouterr().err


def test_published_settings_are_the_defaults():
    block = {key: BLOCK[key] for key in ("from", "share")}
    published = options(**{key: value for key, value in block.items()}).__class__.model_validate(block)
    assert (published.size, published.levels, published.base_channels) == (256, 8, 64)
    assert published.discriminator_channels == (64, 128, 256, 512) and published.l1 == 100
    assert (published.steps, published.batch_size, published.epochs) == (20_000, 16, 200)
    assert published.jitter == pytest.approx(286 / 256 - 1) and published.mirror
    assert published.optimiser.learning_rate == 2e-4 and published.optimiser.betas == (0.5, 0.999)
