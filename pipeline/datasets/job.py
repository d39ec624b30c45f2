"""The stage "prepare": one dataset from raw files to a Parquet table a split."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.datasets.samples import BadSample, Prepared, Read
from pipeline.datasets.table import Row, TableWriter, row_of
from pipeline.errors import UserError
from pipeline.files import replacing

if TYPE_CHECKING:
    from pipeline.settings.datasets import Dataset

#: Samples that are read at the same time.
CHUNK = 64


def run(
    *,
    dataset: ModuleType,
    draw: "Callable[[Path, Dataset], None] | None",
    raw_dir: str,
    settings: "Dataset",
    name: str,
    outputs: dict[str, str],
    threads: int,
    code: str,
) -> None:
    """Prepare the instance `name` of `dataset` and write each split to its path in `outputs`.

    With `draw`, a miniature of the raw files is drawn first and read in place of `raw_dir`. The tables' metadata gets
    the dataset's name, its settings, what to augment by, how many samples were skipped, what a reader has to know, and
    the fingerprint `code`. Either all splits are written or none. Raises `UserError` as the dataset does, for a limit
    that is larger than what there is, and for a sample that cannot be used unless `on_error` is skip.
    """
    with ExitStack() as stack:
        folder = Path(raw_dir)
        if draw:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            draw(folder, settings)
        prepared = dataset.prepare(folder, settings)
        reads = held_out(prepared, settings, name)
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        ids: set[str] = set()
        splits = {split: Split(name, split, prepared, settings, ids) for split in outputs}
        writers = {}
        for split, path in outputs.items():
            part = stack.enter_context(replacing(path))
            writers[split] = stack.enter_context(TableWriter(part, prepared))
            for row in splits[split].rows(reads[split], pool):
                writers[split].add(row)
        notices = [note for split in splits.values() for note in split.notices()]
        if settings.hold_out:
            notices.insert(0, f"the last {settings.hold_out} training images stand in for the test images")
        if draw:
            notices.insert(0, f"drawn by toyworld in the layout of {settings.kind}; not the real data")
        else:
            official = dataset.OFFICIAL if prepared.official is None else prepared.official
            unofficial = [] if settings.hold_out else _unofficial(official, splits)
            notices = [*prepared.notices, *notices, *unofficial]
        notes = {
            "dataset": name,
            "settings": settings.slice(),
            "augment": settings.augment.model_dump(),
            "skipped": {split: len(found.skipped) for split, found in splits.items()},
            # A network trained on one split is judged on the other: each table says what is missing from either.
            "notices": list(dict.fromkeys(notices)),
            "code": code,
        }
        for writer in writers.values():
            writer.finish(notes)
    for notice in notes["notices"]:
        print(f"notice: {notice}")
    for split, path in outputs.items():
        print(f"{path}: {writers[split].rows} images")


def held_out(prepared: Prepared, settings: "Dataset", name: str) -> dict[str, Iterable[Read]]:
    """The ways to the samples of each split, with `hold_out` the last training samples in place of the test samples.

    Raises `UserError` if that leaves nothing to train on.
    """
    if not settings.hold_out:
        return {"train": prepared.train, "test": prepared.test}
    train = list(prepared.train)
    if settings.hold_out >= len(train):
        raise UserError(
            f"params.yaml: datasets.{name}.hold_out: {settings.hold_out} of {len(train)} training images leave none to "
            f"train on; lower it"
        )
    return {"train": train[: -settings.hold_out], "test": train[-settings.hold_out :]}


class Split:
    """One split on its way from samples to rows: what was kept, what was skipped and why."""

    def __init__(self, name: str, split: str, prepared: Prepared, settings: "Dataset", ids: set[str]) -> None:
        self.name, self.split, self.prepared = name, split, prepared
        self._ids = ids  # of all splits: a sample in two of them would be trained on and tested
        self.limit: int | None = getattr(settings, f"limit_{split}")
        self.stop = settings.on_error == "stop"
        self.skipped: list[str] = []
        self.classes: Counter[int] = Counter()

    def rows(self, reads: Iterable[Read], pool: ThreadPoolExecutor) -> Iterator[Row]:
        """Rows in order, read in `pool`, as many as the limit says."""
        for found in islice(self._good(self._attempts(reads, pool)), self.limit):
            self.classes[found["label"]] += 1
            yield found
        kept = self.classes.total()
        if self.limit is not None and kept < self.limit:
            raise UserError(
                f"params.yaml: datasets.{self.name}.limit_{self.split}: {self.limit} images asked for, "
                f"there are {kept}; lower it"
            )
        if not kept:
            raise UserError(f"params.yaml: datasets.{self.name}: no {self.split} image is left; {self._reasons()}")

    def notices(self) -> list[str]:
        """What a reader has to know about how the split came to be."""
        found = []
        if self.limit is not None:
            found.append(f"limited to the first {self.limit} {self.split} images")
        if self.skipped:
            found.append(f"{len(self.skipped)} {self.split} samples were left out; {self._reasons()}")
        names = self.prepared.class_names
        if empty := [name for label, name in enumerate(names) if not self.classes[label]]:
            found.append(f"no {self.split} image of {len(empty)} of {len(names)} classes: {', '.join(empty[:5])}")
        return found

    def _attempts(self, reads: Iterable[Read], pool: ThreadPoolExecutor) -> Iterator[Row | BadSample]:
        reads = iter(reads)
        while chunk := list(islice(reads, CHUNK)):
            yield from pool.map(self._attempt, chunk)

    def _attempt(self, read: Read) -> Row | BadSample:
        try:
            return row_of(read(), self.prepared)
        except BadSample as error:
            return error

    def _good(self, attempts: Iterable[Row | BadSample]) -> Iterator[Row]:
        for found in attempts:
            if isinstance(found, dict) and found["sample_id"] in self._ids:
                found = BadSample(f"{found['source'] or self.name}: sample '{found['sample_id']}' comes twice")
            if isinstance(found, dict):
                self._ids.add(found["sample_id"])
                yield found
            elif self.stop:
                raise BadSample(f"{found}; or leave such samples out with datasets.{self.name}.on_error: skip")
            else:
                self.skipped.append(str(found))
                print(f"skipped: {found}")

    def _reasons(self) -> str:
        return f"the first: {self.skipped[0]}" if self.skipped else "check its folder and lists"


def _unofficial(official: Mapping[str, int], splits: dict[str, Split]) -> list[str]:
    """How the whole splits differ in size from the official ones."""
    return [
        f"{split}: {found.classes.total()} images, the official dataset has {official[split]}"
        for split, found in splits.items()
        if found.limit is None and split in official and found.classes.total() != official[split]
    ]
