"""The stages between files and an annotator: trained on the annotated images, then applied to the others.

Algorithm 1 of ReFF (reff.md section 5), stages A and B: human masks are kept where they are known, the rest is drawn
once, and how well it is drawn is measured against the human masks that were withheld.
"""

import time
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from pipeline.annotators.subsets import annotated, split
from pipeline.artifacts import HISTORY, METRICS, PSEUDO_MASKS, read_annotation, write_table
from pipeline.checkpoints import load_checkpoint, network_weights, save_checkpoint
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.images import encode
from pipeline.metrics.mask_agreement import agreement
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.job import circumstances, digest
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded

if TYPE_CHECKING:
    from pipeline.settings.annotators import Annotator

#: Byte of a drawn mask from which a pixel belongs to the object: that of one half.
HALF = 128

#: Byte of a pixel that surely belongs to it.
WHITE = torch.tensor(255, dtype=torch.uint8)

#: Images for which masks are drawn together; results do not depend on it.
BATCH = 64


def train(
    *,
    annotator: ModuleType,
    settings: "Annotator",
    dataset: str,
    name: str,
    seed: int,
    data: str,
    model: str,
    history: str,
    state: str,
    save_seconds: float,
    device: str,
    precision: str,
    threads: int,
    code: str,
) -> None:
    """Train the annotator `name` on its share of the images of `data` and of their masks.

    Writes the checkpoint `model` (tensors `network.*`) and the table `history`; `state` as in `pipeline.training.job`.
    """
    if settings.share == 1:
        raise UserError(f"annotators.{name}.share: with 1 all masks are human ones and nothing is trained; lower it")
    start = time.perf_counter()
    compute = choose(device, precision, threads)
    images = Images.read(data, compute.device)
    known = annotated(images.labels, settings.share, seed)
    rows, held_out = split(known, settings.hold_out, settings.hold_out_from, seed)
    with seeded(seed, "init"):
        network = annotator.build(settings, channels=images.pixels.shape[1])
    masks = true_masks(images)
    key = digest(code, settings.slice(), [file_digest(data)], seed, compute.device.type, compute.precision, threads)
    with Resume(state, key, save_seconds) as resume:
        shown = with_masks(images, masks, rows, annotator.augmentation(settings))
        session = Session(network, shown, compute, seed, name, resume)
        annotator.fit(session, settings, with_masks(images, masks, held_out, {}))
    header = {
        "dataset": dataset,
        "annotator": name,
        "seed": seed,
        "settings": settings.slice(),
        "input": {"channels": images.pixels.shape[1]},
        "train_images": len(rows),
        "held_out_images": len(held_out),
        "code": code,
        **circumstances(session, threads, start),
    }
    write_table(history, session.history(), HISTORY)
    weights = {f"network.{name}": tensor for name, tensor in session.network.state_dict().items()}
    save_checkpoint(model, weights, header)
    resume.clear()
    print(f"{model}: {dataset}, {name}, seed {seed}, {header['wall_seconds']:.0f} s", flush=True)


def annotate(
    *,
    annotator: ModuleType,
    settings: "Annotator",
    dataset: str,
    name: str,
    seed: int,
    model: str | None,
    data: dict[str, str],
    masks: str,
    quality: str,
    device: str,
    threads: int,
) -> None:
    """Write the table `masks` of all training images of `data`, human masks and those drawn by the checkpoint `model`.

    `quality` is a table of metrics: means over the training images whose masks were drawn (subset train-rest) and over
    the test images (subset test). Without a model all masks are human ones, and `quality` has no rows.
    """
    compute = choose(device, "fp32", threads)
    train = Images.read(data["train"], compute.device)
    truth = true_masks(train).cpu()
    known = torch.zeros(len(train), dtype=torch.bool)
    found, measured, rows = truth * WHITE, {}, []
    if model is None:
        known[:] = True
    else:
        network = trained(annotator, settings, model).to(compute.device).eval()
        known[annotated(train.labels, settings.share, seed)] = True
        found = torch.where(known[:, None, None], found, drawn(network, train))
        measured = agreement(found >= HALF, truth)
        measured = {metric: values.where(~known, torch.nan) for metric, values in measured.items()}
        test = Images.read(data["test"], compute.device)
        on_test = agreement(drawn(network, test) >= HALF, true_masks(test).cpu())
        for subset, of in {"train-rest": measured, "test": on_test}.items():
            rows += [_row(dataset, name, seed, f"mask_{metric}", subset, values) for metric, values in of.items()]
    if settings.masks == "hard":
        found = (found >= HALF) * WHITE
    write_table(masks, _table(train.ids, found, known, measured), PSEUDO_MASKS)
    write_table(quality, pa.Table.from_pylist(rows, schema=METRICS), METRICS)
    print(f"{masks}: {int(known.sum())} human masks, {int((~known).sum())} drawn", flush=True)
    for row in rows:
        print(f"{row['metric']} {row['subset']} {row['value']:.4f} (n {row['n']})", flush=True)


def trained(annotator: ModuleType, settings: "Annotator", path: str) -> nn.Module:
    """The network of a checkpoint; raises `UserError` if it was trained with other settings, `masks` left aside."""
    tensors, header = load_checkpoint(path)
    now = settings.slice()
    other = [key for key in now if key != "masks" and now[key] != header["settings"].get(key)]
    if other:
        raise UserError(f"{path}: was trained with other settings ({', '.join(other)}); train it again")
    network = annotator.build(settings, channels=header["input"]["channels"])
    network.load_state_dict(network_weights(tensors))
    return network


def true_masks(images: Images) -> Tensor:
    """Human masks N×H×W bool; raises `UserError` unless every image has one."""
    cells = read_annotation(images.path, "mask", len(images))
    if None in cells:
        raise UserError(
            f"{images.path}: image '{images.ids[cells.index(None)]}' has no mask; list datasets in which every image "
            f"has one under the annotator's `datasets`"
        )
    return images.masks()


@torch.no_grad()
def drawn(network: nn.Module, images: Images) -> Tensor:
    """Masks N×H×W uint8 of all images, on the CPU, drawn by a network in evaluation mode."""
    parts = torch.arange(len(images)).split(BATCH)
    return torch.cat([(255 * network(images.floats(rows))).round().to(torch.uint8).cpu() for rows in parts])


def with_masks(images: Images, masks: Tensor, rows: Tensor, augment: dict) -> Images:
    """Those `rows` of `images`, with their mask as one more channel, so that random changes meet both alike."""
    rows = rows.to(images.pixels.device)
    pixels = torch.cat([images.pixels[rows], masks[rows][:, None].to(torch.uint8) * 255], dim=1)
    ids = [images.ids[row] for row in rows.tolist()]
    return replace(
        images, pixels=pixels, labels=images.labels[rows], ids=ids, notes=images.notes | {"augment": augment}
    )


def _table(ids: list[str], masks: Tensor, known: Tensor, measured: dict[str, Tensor]) -> pa.Table:
    """Rows of `PSEUDO_MASKS` from masks N×H×W uint8; of `measured` values NaN becomes an empty cell."""
    pixels = masks.numpy()[..., None]
    cells = [{"bytes": encode(mask), "path": f"{name}.png"} for name, mask in zip(ids, pixels, strict=True)]
    columns = {"sample_id": ids, "mask": cells, "annotated": known.numpy()}
    for metric in PSEUDO_MASKS.names[3:]:
        of = measured.get(metric, torch.full((len(ids),), torch.nan, dtype=torch.float64)).numpy()
        columns[metric] = pa.array(of, mask=np.isnan(of))
    return pa.table(columns, schema=PSEUDO_MASKS)


def _row(dataset: str, name: str, seed: int, metric: str, subset: str, values: Tensor) -> dict:
    """Mean of the values that are defined, as a row of `METRICS`."""
    found = values[~values.isnan()]
    place = {"dataset": dataset, "method": name, "seed": seed, "explainer": None}
    return place | {"metric": metric, "subset": subset, "value": values.nanmean().item(), "n": len(found)}
