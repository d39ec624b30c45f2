"""Images that stay on the device."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from pipeline.artifacts import DATASET, read_annotation, read_table, table_notes
from pipeline.errors import UserError
from pipeline.images import read_images, read_masks


@dataclass
class Images:
    """One split on the device: `pixels` N×C×H×W uint8, `labels` N int64, and what the dataset says about itself.

    `path` is its table, from which annotations are read when somebody asks for them.
    """

    pixels: Tensor
    labels: Tensor
    ids: list[str]
    notes: dict
    path: str = ""

    @classmethod
    def read(cls, path: str, device: torch.device, limit: int | None = None) -> Self:
        """First `limit` images (None: all) of a dataset table; raises `UserError` for a table that is damaged."""
        table = read_table(path, DATASET, columns=["sample_id", "label"]).slice(0, limit)
        pixels = torch.from_numpy(read_images(path, limit)).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(table["label"].to_numpy().copy())
        return cls(pixels.to(device), labels.to(device), table["sample_id"].to_pylist(), table_notes(table), path)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return len(self.notes["class_names"])

    def floats(self, rows: slice | Tensor) -> Tensor:
        """Those images as float32 in 0..1; a tensor gives their numbers."""
        if isinstance(rows, slice):
            pixels = self.pixels[rows]
        else:
            # Small images take many times as long by indexing.
            pixels = self.pixels.index_select(0, rows.to(self.pixels.device))
        return pixels.float().div_(255)

    def masks(self) -> Tensor:
        """Object masks N×H×W bool, without a pixel where the dataset has none; raises `UserError` if it never has."""
        return torch.from_numpy(read_masks(self.path, len(self))).to(self.pixels.device)

    def attributes(self) -> Tensor:
        """Attributes N×d uint8, each 0 or 1; raises `UserError` unless all images have them."""
        rows = read_annotation(self.path, "attributes", len(self))
        if None in rows:
            raise UserError(f"{self.path}: image '{self.ids[rows.index(None)]}' has no attributes; add or drop it")
        return torch.tensor(rows, dtype=torch.uint8)
