"""A drawn picture with everything that is known about it, and what the pictures of one subject have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture, S×S pixels. Coordinates are pixels, x to the right, y down."""

    image: np.ndarray
    """S×S×3 uint8 RGB."""
    label: int
    """Index into the subject's class names."""
    mask: np.ndarray
    """S×S bool: the visible pixels of what the picture is about."""
    bbox: tuple[float, float, float, float]
    """Tight box around the mask: x, y, width, height."""
    parts: Mapping[str, tuple[float, float]]
    """Place of each visible part."""
    part_masks: Mapping[str, np.ndarray]
    """S×S bool, visible pixels of each region of the object; the names are the subject's `region_names`."""
    attributes: np.ndarray
    """0 or 1 for each of the subject's attribute names, as seen in this picture."""
    segments: Sequence[tuple[str, np.ndarray]]
    """Every object in the picture, the background's ones too: name and visible pixels, S×S bool, no two overlapping."""
    fixations: np.ndarray
    """Simulated gaze, F×3: x, y, duration in milliseconds."""
    background: str
    """Name of the kind of background."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What all pictures of one subject share."""

    class_names: Sequence[str]
    attribute_names: Sequence[str]
    part_names: Sequence[str]
    region_names: Sequence[str]
    segment_names: Sequence[str]
    class_attributes: np.ndarray
    """Classes × attributes, 0 or 1: what makes a class."""
