"""Masks in training: from which table they come, and that they move with their images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from gated import CPU, options, session
from tables import write_images, write_samples

from pipeline.__main__ import main
from pipeline.artifacts import MASKS
from pipeline.datasets.samples import Prepared, Sample
from pipeline.errors import UserError
from pipeline.training.data import Images
from pipeline.training.masks import training_masks
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

DRAWS = np.random.default_rng(0)
AUGMENT = {"shift": 2, "flip": True, "crop_padding": 3, "resized_crop": (0.3, 1.0)}


def written(path: Path, masks: list[np.ndarray | None], side: int = 8) -> Images:
    """A dataset table of grey images w, x, y, … with those masks."""
    prepared = Prepared(class_names=["a", "b"], mean=[0.5], std=[0.1], train=(), test=(), columns=("mask",))
    samples = [
        Sample(
            sample_id=name, image=DRAWS.integers(256, size=(side, side, 1), dtype=np.uint8), label=row % 2, mask=mask
        )
        for row, (name, mask) in enumerate(zip("wxyz", masks, strict=False))
    ]
    write_samples(path, samples, prepared, augment={})
    return Images.read(str(path), torch.device("cpu"))


def pseudo(path: Path, masks: dict[str, np.ndarray], **extra: list) -> str:
    """A table of pseudo-masks by sample_id, with further columns."""
    cells = [{"bytes": cv2.imencode(".png", mask)[1].tobytes(), "path": None} for mask in masks.values()]
    table = pa.table({"sample_id": list(masks), "mask": pa.array(cells, MASKS.field("mask").type), **extra})
    pq.write_table(table, path)
    return str(path)


def halves() -> list[np.ndarray]:
    return [DRAWS.random((8, 8)) > 0.5 for _ in range(3)]


# Where masks come from.


def test_masks_are_the_datasets_own(tmp_path):
    own = halves()
    found = training_masks(written(tmp_path / "t.parquet", own), None, "tried")
    assert found.dtype is torch.uint8 and found.shape == (3, 1, 8, 8)
    assert torch.equal(found[:, 0] == 255, torch.from_numpy(np.stack(own))) and set(found.unique().tolist()) == {0, 255}


def test_a_table_comes_before_them_for_the_rows_it_has_and_may_be_soft(tmp_path):
    own, soft = halves(), DRAWS.integers(256, size=(8, 8), dtype=np.uint8)
    images = written(tmp_path / "t.parquet", [own[0], None, own[2]])
    table = pseudo(tmp_path / "m.parquet", {"other": soft[::-1], "x": soft}, annotated=[True, False], score=[0.1, 0.2])
    found = training_masks(images, table, "tried")[:, 0].numpy()
    assert np.array_equal(found, np.stack([255 * own[0].astype(np.uint8), soft, 255 * own[2].astype(np.uint8)]))


def test_an_image_without_a_mask_is_named(tmp_path):
    images = written(tmp_path / "t.parquet", [halves()[0], None])
    with pytest.raises(UserError, match=r"t\.parquet: image 'x' has no mask, which methods\.tried trains with; name"):
        training_masks(images, None, "tried")


def test_a_dataset_without_masks_is_named(tmp_path):
    path = str(tmp_path / "t.parquet")
    pixels = np.zeros((2, 8, 8, 1), np.uint8)
    write_images(path, ["w", "x"], pixels, np.array([0, 1]), class_names=["a", "b"], mean=[0.5], std=[0.1])
    images = Images.read(path, torch.device("cpu"))
    with pytest.raises(UserError, match=r"t\.parquet: image 'w' has no mask, which methods\.tried trains with"):
        training_masks(images, None, "tried")
    whole = {"w": pixels[0, ..., 0], "x": pixels[1, ..., 0] + 255}
    table = pseudo(tmp_path / "m.parquet", whole)
    assert training_masks(images, table, "tried").float().mean((1, 2, 3)).tolist() == [0, 255]


def test_wrong_tables_are_named(tmp_path):
    images, square = written(tmp_path / "t.parquet", halves()), np.zeros((8, 8), np.uint8)
    others = pseudo(tmp_path / "m.parquet", {"a": square})
    with pytest.raises(UserError, match=r"m\.parquet: has a mask of none of the images in .*t\.parquet; give masks of"):
        training_masks(images, others, "tried")
    larger = pseudo(tmp_path / "m.parquet", {"w": square, "x": np.zeros((9, 8), np.uint8)})
    with pytest.raises(UserError, match=r"m\.parquet: mask in row 1 is 9×8, the images are 8×8; make masks of their"):
        training_masks(images, larger, "tried")
    with pytest.raises(UserError, match=r"none\.parquet: no such file"):
        training_masks(images, str(tmp_path / "none.parquet"), "tried")
    damaged = pa.table(
        {"sample_id": ["w"], "mask": pa.array([{"bytes": b"no", "path": None}], MASKS.field("mask").type)}
    )
    pq.write_table(damaged, tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"m\.parquet: mask in row 0 is no image"):
        training_masks(images, str(tmp_path / "m.parquet"), "tried")
    pq.write_table(damaged.drop_columns("mask"), tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"m\.parquet: column 'mask' is missing"):
        training_masks(images, str(tmp_path / "m.parquet"), "tried")


# Batches.


def masked(**augment) -> Session:
    """A session whose images are their masks, in three colours."""
    run = session()
    run.images.notes["augment"] = augment
    masks = torch.randint(256, (64, 1, 8, 8), generator=torch.Generator().manual_seed(5)).to(torch.uint8)
    run.images.pixels = masks.expand(-1, 3, -1, -1).contiguous()
    return Session(run.network, run.images, CPU, 0, masks=masks)


def epochs(run: Session, batches, *arguments) -> list[tuple[torch.Tensor, ...]]:
    settings = options(epochs=2)
    optimiser = optimiser_of([{"params": run.network.parameters()}], settings.optimiser)
    return [batch for _ in run.epochs(settings, optimiser) for batch in batches(run)(*arguments)]


@pytest.mark.parametrize("augment", [{}, AUGMENT, {"flip": True}, {"resized_crop": (0.3, 1.0)}])
def test_masks_move_with_their_images(augment):
    found = epochs(masked(**augment), lambda run: run.masked_batches, "given")
    assert len(found) == 8
    for images, labels, masks in found:
        assert masks.shape == (16, 1, 8, 8) and masks.dtype is torch.float32 and 0 <= masks.min() < masks.max() <= 1
        assert torch.equal(images, masks.expand(-1, 3, -1, -1)) and labels.shape == (16,)


@pytest.mark.parametrize("augment", [{}, AUGMENT])
def test_images_are_those_of_batches_without_masks(augment):
    with_masks = epochs(masked(**augment), lambda run: run.masked_batches, "given")
    without = epochs(masked(**augment), lambda run: run.batches)
    for (images, labels, _), (plain, same) in zip(with_masks, without, strict=True):
        assert torch.equal(images, plain) and torch.equal(labels, same)


def test_shuffled_masks_are_those_of_other_images():
    for images, _, masks in epochs(masked(flip=True), lambda run: run.masked_batches, "shuffled"):
        assert torch.equal(images[:, :1].roll(1, 0), masks)
        assert not any(torch.equal(images[row, :1], masks[row]) for row in range(16))


# The stage.


def train(tmp_path: Path, block: dict, *more: str) -> int:
    plain = {"network": {"from": "convnet", "channels": [4, 4]}, "epochs": 2, "batch_size": 2}
    place = ["--data", f"{tmp_path}/t.parquet", "--model", f"{tmp_path}/m.safetensors"]
    place += ["--history", f"{tmp_path}/h.parquet", "--state", f"{tmp_path}/state", "--save-seconds", "60"]
    settings = json.dumps(plain | block)
    machine = ["--device", "cpu", "--precision", "fp32", "--threads", "1"]
    return main(["train", "set", "tried", "0", "--settings", settings, *place, *machine, *more])


def test_a_training_takes_masks_from_the_command_line(tmp_path):
    written(tmp_path / "t.parquet", halves())
    assert train(tmp_path, {"from": "reff"}) == 0
    own = Path(tmp_path / "m.safetensors").read_bytes()
    table = pseudo(tmp_path / "p.parquet", {name: np.zeros((8, 8), np.uint8) for name in "wxy"})
    assert train(tmp_path, {"from": "reff"}, "--masks", table) == 0
    assert Path(tmp_path / "m.safetensors").read_bytes() != own
    assert train(tmp_path, {"from": "reff"}, "--masks") == 0


def test_a_method_without_masks_refuses_them(tmp_path, capsys):
    written(tmp_path / "t.parquet", halves())
    assert train(tmp_path, {"from": "std"}, "--masks", "p.parquet") == 2
    assert "methods.tried: from std trains without masks; leave out --masks p.parquet" in capsys.readouterr().err
