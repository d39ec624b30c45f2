"""Reading a prepared dataset in tests: each split's samples in a list, and every promise about them checked."""

from collections.abc import Iterable

import numpy as np

from pipeline.datasets.samples import Prepared, Read, Sample


def read_all(prepared: Prepared) -> tuple[list[Sample], list[Sample]]:
    """Training and test samples, after checking that they keep the promises of `Sample` and `Prepared`."""
    train, test = _read(prepared.train), _read(prepared.test)
    ids = [sample.sample_id for sample in train + test]
    assert len(ids) == len(set(ids))
    for sample in train + test:
        check(prepared, sample)
    return train, test


def check(prepared: Prepared, sample: Sample) -> None:
    height, width, channels = sample.image.shape
    assert sample.image.dtype == np.uint8 and channels == len(prepared.mean) == len(prepared.std)
    assert 0 <= sample.label < len(prepared.class_names)
    for name in ("group", "mask", "bbox", "parts", "attributes", "gaze", "segments", "factors"):
        assert name in prepared.columns or getattr(sample, name) is None, f"{name} is not among the columns"
    for mask in (sample.mask, sample.gaze):
        assert mask is None or mask.shape == (height, width)
    assert sample.mask is None or sample.mask.dtype in (np.bool_, np.uint8)
    assert sample.gaze is None or sample.gaze.dtype == np.uint8
    if sample.bbox is not None:
        x, y, box_width, box_height = sample.bbox
        assert 0 <= x <= x + box_width <= width and 0 <= y <= y + box_height <= height
    for part, (x, y) in (sample.parts or {}).items():
        assert 0 <= part < len(prepared.names["parts"]) and 0 <= x < width and 0 <= y < height
    if sample.attributes is not None:
        assert sample.attributes.shape == (len(prepared.names["attributes"]),)
        assert set(np.unique(sample.attributes)) <= {0, 1}
    for segment, mask in sample.segments or ():
        assert 0 <= segment < len(prepared.names["segments"])
        assert mask.dtype == np.bool_ and mask.shape == (height, width)


def _read(reads: Iterable[Read]) -> list[Sample]:
    return [read() for read in reads]
