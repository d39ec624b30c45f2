"""The stage between files and an evaluation: checkpoint, images and maps in, long metric table out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.artifacts import METRICS, write_table
from pipeline.checkpoints import load_checkpoint
from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.maps import read_maps
from pipeline.training.compute import choose
from pipeline.training.data import Images

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Evaluation


def run(
    *,
    evaluate: Callable[[Subject, "Evaluation"], list[Row]],
    settings: "Evaluation",
    model: str,
    history: str,
    data: dict[str, str],
    maps: dict[str, str],
    output: str,
    device: str,
    threads: int,
) -> None:
    """Measure the checkpoint `model` in single precision, or the `history` of its training.

    `data` are tables by split, `maps` tables by explainer.
    """
    compute = choose(device, "fp32", threads)
    tensors, header = load_checkpoint(model)
    splits = {split: Images.read(path, compute.device) for split, path in data.items()}
    if settings.measured_on:
        for images in splits.values():
            _check_images(images, header)
    found = {name: read_maps(path) for name, path in maps.items()}
    rows = evaluate(Subject(model, tensors, header, compute.device, splits, found, history), settings)
    for row in rows:
        if row.subset is None:
            print(f"{row.metric} {row.value:.4f} (n {row.n})", flush=True)
        if settings.measured_on:
            row.subset = " ".join(filter(None, [f"images={settings.measured_on}", row.subset]))
    common = {key: header[key] for key in ("dataset", "method", "seed")}
    write_table(output, pa.Table.from_pylist([common | vars(row) for row in rows], schema=METRICS), METRICS)


def _check_images(images: Images, header: dict) -> None:
    """Raises `UserError` unless the `images` are such as the network of this checkpoint classifies."""
    shape = [header["input"][side] for side in ("channels", "height", "width")]
    if images.notes["class_names"] != header["class_names"] or list(images.pixels.shape[1:]) != shape:
        raise UserError(
            f"{images.path}: its classes, or the size of its images, are not those of '{header['dataset']}', which the "
            f"network was trained on; name a dataset with the same ones under `measured_on` of the evaluation"
        )
