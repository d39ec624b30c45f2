"""`python -m pipeline data`: what datasets there are, which raw files are ready or missing, and fetching them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, get_args

from pipeline import registry
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.errors import UserError, unknown

if TYPE_CHECKING:
    from pipeline.settings.base import Section

HEAD = """# Datasets

Written by `python -m pipeline data table > docs/datasets.md` from the registry, the settings classes and the dataset
modules; a test keeps it true. Every dataset is prepared by the same rule into tables with `sample_id`, `image`,
`label`, `source` and the columns named here; `pipeline/datasets/samples.py` says what they hold. Images are the
official splits where there are any.
"""


@dataclass(frozen=True)
class Entry:
    """One dataset of the registry. `kind` is the class of its settings."""

    name: str
    kind: "type[Section]"

    @cached_property
    def module(self) -> ModuleType:
        return import_module(registry.module("dataset", self.name))

    @property
    def summary(self) -> str:
        """What it is, in a line: the docstring of its settings."""
        return " ".join((self.kind.__doc__ or "").split())

    @property
    def sources(self) -> tuple[Source, ...]:
        """The downloads that the default settings need."""
        return tuple(source for source in self.module.SOURCES if not source.only_with)

    @property
    def images(self) -> str:
        official = self.module.OFFICIAL
        return " + ".join(f"{official[split]:,}" for split in ("train", "test")) if official else "as set"

    def state(self, raw_dir: Path) -> str:
        """`bundled`, `ready`, `missing`, or how many of its downloads are there."""
        if not self.sources:
            return "yours" if self.name == "image_folder" else "bundled"
        there = sum(is_there(source, raw_dir) for source in self.sources)
        return {0: "missing", len(self.sources): "ready"}.get(there, f"{there} of {len(self.sources)} files")


def entries(union: object) -> list[Entry]:
    """Every dataset of the registry in order of name; `union` is `pipeline.settings.datasets.AnyDataset`."""
    kinds = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(union)[0])}
    return [Entry(name, kinds[name]) for name in sorted(registry.TABLES["dataset"])]


def is_there(source: Source, raw_dir: Path) -> bool:
    """Whether a download, or what it unpacks to, lies under `raw_dir`."""
    folder = source.path(raw_dir).parent
    others = [*(folder / part.name for part in source.parts), *(raw_dir / path for path in source.instead)]
    return source.place(raw_dir).exists() or any(other.exists() for other in others)


def show(found: Iterable[Entry], raw_dir: Path) -> None:
    """Print each dataset with its state, what is still to be downloaded, and its terms."""
    print(f"raw files in {raw_dir}/\n")
    print(f"{'dataset':16} {'state':14} {'to download':>12}  terms")
    for entry in found:
        missing = [source for source in entry.sources if not is_there(source, raw_dir)]
        terms = "; ".join(dict.fromkeys(source.licence for source in entry.sources)) or "nothing to download"
        print(f"{entry.name:16} {entry.state(raw_dir):14} {_size(missing):>12}  {terms}")
    print("\npython -m pipeline data fetch NAME downloads what is missing; the workflow does so by itself when needed.")


def fetch(found: Iterable[Entry], names: Sequence[str], raw_dir: Path) -> None:
    """Get the downloads that the datasets `names` need with their default settings.

    Raises `UserError` as `obtain`, and for an unknown name.
    """
    for entry in _chosen(found, names, registry.TABLES["dataset"]):
        for source in entry.sources:
            print(f"{entry.name}: {obtain(source, raw_dir)}", flush=True)
        if not entry.sources:
            print(f"{entry.name}: nothing to download")


def draw(found: Iterable[Entry], names: Sequence[str], raw_dir: str | None) -> None:
    """Draw the datasets `names` in miniature under `raw_dir`, in their official layouts.

    Raises `UserError` for a name that is unknown or has no miniature, without a folder of their own, since the workflow
    would take them for the real ones, and rather than mix with files that are there.
    """
    if not raw_dir:
        raise UserError("python -m pipeline data draw: name a folder for it with --raw-dir, where no real files are")
    for entry in _chosen(found, names, registry.TABLES["miniature"]):
        folder = Path(raw_dir)
        if there := [source.place(folder) for source in entry.sources if is_there(source, folder)]:
            raise UserError(f"{there[0]}: is there already; draw into another folder with --raw-dir")
        registry.load("miniature", entry.name)(folder, entry.kind(kind=entry.name, miniature={}))
        print(f"{entry.name}: drawn under {folder}/")


def _chosen(found: Iterable[Entry], names: Sequence[str], known: Iterable[str]) -> Iterator[Entry]:
    by_name = {entry.name: entry for entry in found if entry.name in known}
    if not names:
        raise UserError(f"python -m pipeline data: name at least one of {', '.join(by_name)}")
    for name in names:
        if name not in by_name:
            raise unknown("python -m pipeline data", "dataset", name, by_name)
        yield by_name[name]


def table(found: list[Entry]) -> Iterator[str]:
    """Lines of docs/datasets.md."""
    yield HEAD
    yield "| `from:` | what it is | images, train + test | columns | in miniature |"
    yield "|---|---|---|---|---|"
    for entry in found:
        columns = ", ".join(f"`{column}`" for column in entry.module.COLUMNS) or "–"
        drawn = "yes" if entry.name in registry.TABLES["miniature"] else "–"
        yield f"| `{entry.name}` | {entry.summary} | {entry.images} | {columns} | {drawn} |"
    yield "\n## Downloads\n"
    yield "Files lie under `run.raw_dir`; a size or checksum is given where the publisher gives one.\n"
    yield "| dataset | file | bytes | checksum | terms | source |"
    yield "|---|---|---:|---|---|---|"
    for entry in found:
        for source in entry.module.SOURCES:
            rough = f"about {source.rough_size:,}" if source.rough_size else "not published"
            size = f"{source.size:,}" if source.size else rough
            terms = source.licence + (f"; {source.accept}" if source.accept else "")
            needed = f"`{entry.name}`" + (f", with `{source.only_with}`" if source.only_with else "")
            file = f"`{Path(source.folder, source.file)}`"
            yield f"| {' | '.join((needed, file, size, source.checksum or 'not published', terms, source.origin))} |"


def _size(missing: list[Source]) -> str:
    if not missing:
        return "–"
    if not any(source.urls for source in missing):
        return "by hand"
    known = sum(source.size or source.rough_size or 0 for source in missing)
    if not known:
        return "not known"
    more = any(not source.size and not source.rough_size for source in missing)
    rough = any(source.rough_size for source in missing)
    return f"{'>' * more}{'~' * rough}{known / 1e6:,.1f} MB"
