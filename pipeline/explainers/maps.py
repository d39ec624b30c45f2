"""Attribution maps as tables and back."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.artifacts import EXPLANATIONS, read_table, write_table
from pipeline.errors import UserError


@dataclass
class Maps:
    """`values` N×h×w float32; `targets` N, the logits they explain; `ids` the images' sample_id.

    Maps have the resolution at which their explainer works, which may be coarser than the image's.
    """

    ids: list[str]
    targets: list[int]
    values: Tensor


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps N×h×w at `size` H×W, bilinearly, corners not aligned; as they are if they have that size."""
    if maps.shape[1:] == size:
        return maps
    return interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def write_maps(path: str, maps: Maps) -> None:
    count, height, width = maps.values.shape
    flat = pa.array(maps.values.cpu().numpy().astype(np.float32).ravel())
    rows = pa.LargeListArray.from_arrays(pa.array(np.arange(count + 1) * (height * width)), flat)
    columns = [maps.ids, maps.targets, [height] * count, [width] * count, rows]
    write_table(path, pa.table(dict(zip(EXPLANATIONS.names, columns, strict=True)), schema=EXPLANATIONS), EXPLANATIONS)


def read_maps(path: str) -> Maps:
    """Maps of one size; raises `UserError` naming the file when it is missing, damaged or of another schema."""
    table = read_table(path, EXPLANATIONS)
    sizes = table.select(["height", "width"]).group_by(["height", "width"]).aggregate([]).to_pylist()
    if len(sizes) != 1:
        raise UserError(f"{path}: holds maps of {len(sizes)} sizes, expected one; delete it and run snakemake again")
    shape = (len(table), sizes[0]["height"], sizes[0]["width"])
    values = table["map"].combine_chunks().values.to_numpy().reshape(shape).copy()
    return Maps(table["sample_id"].to_pylist(), table["target"].to_pylist(), torch.from_numpy(values))
