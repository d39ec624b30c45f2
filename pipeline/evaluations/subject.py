"""What an evaluation looks at: one trained network, the images and the maps it asked for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import pandas as pd
import torch
from torch import Tensor, nn

from pipeline.artifacts import HISTORY, read_table
from pipeline.errors import UserError
from pipeline.explainers.maps import Maps
from pipeline.models.trained import batches, network_of
from pipeline.training.data import Images


@dataclass
class Row:
    """One result. `subset` names a part of the data or of the network (such as "class=3"), None means all of it."""

    metric: str
    value: float
    n: int
    subset: str | None = None
    explainer: str | None = None

    @classmethod
    def mean(cls, metric: str, values: Tensor, subset: str | None = None, explainer: str | None = None) -> Self:
        """Mean of the values that are defined, which `n` counts; NaN if none is."""
        values = values.double()
        return cls(metric, values.nanmean().item(), int((~values.isnan()).sum()), subset, explainer)


@dataclass
class Subject:
    """A checkpoint's `tensors` and `header`, the `splits` that the evaluation reads, and `maps` by explainer.

    `history_path` is the table of its training, read when somebody asks for it.
    """

    path: str
    tensors: dict[str, Tensor]
    header: dict
    device: torch.device
    splits: dict[str, Images]
    maps: dict[str, Maps]
    history_path: str = ""

    @cached_property
    def network(self) -> nn.Module:
        """The trained network in evaluation mode."""
        return network_of(self.tensors, self.header, self.device)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Course of the training with the columns of `HISTORY`."""
        return read_table(self.history_path, HISTORY).to_pandas()

    @property
    def seed(self) -> int:
        return self.header["seed"]

    @property
    def gates(self) -> Tensor:
        """Gate matrix C×K; raises `UserError` for a method without gates."""
        if "gates" not in self.tensors:
            raise UserError(
                f"{self.path}: method '{self.header['method']}' has no gates; list the methods that have them under "
                f"`methods` of the evaluation"
            )
        return self.tensors["gates"]

    @property
    def factors(self) -> Tensor:
        """M K×r of a factorisation of the maps, on the CPU; raises `UserError` for a method without."""
        if "factors" not in self.tensors:
            raise UserError(
                f"{self.path}: method '{self.header['method']}' has no factors; list methods from: deepfacto under "
                f"`methods` of the evaluation"
            )
        return self.tensors["factors"]

    @torch.no_grad()
    def logits(self, split: str) -> Tensor:
        """Logits N×C of a split, on the CPU."""
        return self._apply(self.network, split)

    @torch.no_grad()
    def features(self, split: str) -> Tensor:
        """Pooled activations N×K of the last stage on a split, on the CPU."""
        return self._apply(self.network.features, split)

    @torch.no_grad()
    def last_maps(self, split: str) -> Tensor:
        """Activation maps N×K×h×w of the last stage on a split, on the CPU."""
        return self._apply(self.network.maps, split)

    def _apply(self, function: nn.Module, split: str) -> Tensor:
        images = self.splits[split]
        return torch.cat([function(images.floats(rows)).cpu() for rows in batches(len(images))])
