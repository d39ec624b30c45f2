"""Your own images: a folder a class, with masks where you have them.

    <path>/                         or        <path>/
        train/<class>/a.jpg                       <class>/a.jpg
        test/<class>/b.jpg                        masks/<class>/a.png
        masks/train/<class>/a.png

`test` may be called `val` or `validation`. Without them each class is split at random by `test_share`; an image's side
is decided by the seed and its name, so that images added later hardly move the others. Images may lie in folders inside
their class. Hidden files do not count, nor those that macOS and Windows leave behind. Photographs are turned upright as
the camera noted; a mask is of the photograph as it is stored in its file, and turned along. Networks subtract
ImageNet's mean and divide by its standard deviation. Samples are listed one of each class in turn, so that the first
few are of all classes.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageOps

from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Sample
from pipeline.datasets.splits import interleaved, random_split
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import ImageFolder

SOURCES: tuple[Source, ...] = ()
COLUMNS = ("mask",)
OFFICIAL: dict[str, int] = {}

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
TEST_FOLDERS = ("test", "val", "validation")
#: What operating systems leave in folders, besides names that begin with a dot.
LITTER = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini"))

#: Image files of each class.
Classes = dict[str, list[Path]]


def prepare(raw_dir: Path, settings: "ImageFolder") -> Prepared:
    """All images under `settings.path`, split as their folders say or else at random within each class.

    Raises `UserError` naming a folder and the remedy: for a layout that is neither of the two, for classes that differ
    between training and test images, and for a class without images, or with one where it has to be split, unless
    settings.on_error is skip: then the class is left out with a notice.
    """
    root, masks = _places(raw_dir, settings)
    folders, notices = _layout(root, masks)
    files = {split: _class_files(folder, masks) for split, folder in folders.items()}
    if others := sum(not _is_image(file) for found in files.values() for there in found.values() for file in there):
        notices.append(f"{others} files or links in the class folders were not read: no images by their names")
    splits = {
        split: {name: [file for file in there if _is_image(file)] for name, there in found.items()}
        for split, found in files.items()
    }
    class_names, dropped = _usable(splits, folders, settings.on_error)
    if "all" in splits:
        splits = _split(splits["all"], class_names, root, settings)
    reads = {
        split: interleaved(
            [partial(_sample, raw_dir, root, masks, file, label, settings) for file in classes[name]]
            for label, name in enumerate(class_names)
        )
        for split, classes in splits.items()
    }
    return Prepared(
        class_names=class_names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads["train"],
        test=reads["test"],
        columns=COLUMNS if masks else (),
        notices=notices + dropped,
    )


def _places(raw_dir: Path, settings: "ImageFolder") -> tuple[Path, Path | None]:
    """The folders of images and masks."""
    root = Path(os.path.normpath(raw_dir / settings.path))
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give the dataset's path as it is, or relative to run.raw_dir")
    if settings.masks is None:
        return root, None
    masks = Path(os.path.normpath(root / settings.masks))
    if not masks.is_dir() or root.is_relative_to(masks):
        raise UserError(f"{masks}: is no folder for masks alone; give the dataset's masks relative to {root}")
    return root, masks


def _layout(root: Path, masks: Path | None) -> tuple[dict[str, Path], list[str]]:
    """Where the class folders of "train" and of "test" are, or else those of "all", and notices."""
    folders = {
        item.name.casefold(): item
        for item in _entries(root)
        if item.is_dir() and not (masks and masks.is_relative_to(item))
    }
    test = next((name for name in TEST_FOLDERS if name in folders), None)
    if "train" in folders and test:
        chosen = {"train": folders.pop("train"), "test": folders.pop(test)}
        return chosen, [f"{folder.name}/ was not read, only train/ and {test}/" for folder in folders.values()]
    if folders and folders.keys() <= {"train", *TEST_FOLDERS}:
        there, missing = ("train", "test") if "train" in folders else (test, "train")
        raise UserError(f"{root}: has {there}/ but no {missing}/; add it, or move the folders in {there}/ up to here")
    return {"all": root}, []


def _class_files(folder: Path, masks: Path | None) -> Classes:
    """What is in the class folders in `folder`, by the name of the class; raises `UserError` if there are none."""
    entries = _entries(folder)
    if loose := [item for item in entries if _is_image(item) and not item.is_dir()]:
        raise UserError(
            f"{folder}: {len(loose)} images lie directly in it, such as {loose[0].name}; "
            "move each into a folder named after its class"
        )
    classes = [item for item in entries if item.is_dir() and not (masks and masks.is_relative_to(item))]
    if not classes:
        raise UserError(f"{folder}: has no folders in it; put the images of each class into a folder named after it")
    return {item.name: list(_files(item)) for item in classes}


def _entries(folder: Path) -> list[Path]:
    """What is in `folder` for people to see, in order of name."""
    return sorted(item for item in folder.iterdir() if _counts(item.name))


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in LITTER


def _files(folder: Path) -> Iterator[Path]:
    """All files in a class folder and the folders inside it, in a fixed order, and the links to further folders, which
    are not followed."""
    for place, inside, names in os.walk(folder):
        inside[:] = sorted(filter(_counts, inside))
        links = [name for name in inside if os.path.islink(os.path.join(place, name))]
        yield from (Path(place, name) for name in [*sorted(filter(_counts, names)), *links])


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _usable(splits: dict[str, Classes], folders: dict[str, Path], on_error: str) -> tuple[list[str], list[str]]:
    """Names of the classes with images in every split, in order, and a notice about others; raises as `prepare`."""
    names = sorted(set().union(*splits.values()))
    least = 2 if "all" in splits else 1
    few = []
    for split, classes in splits.items():
        for name in names:
            folder = folders[split] / name
            if name not in classes:
                raise UserError(f"{folder}: no such folder, but the other split has class {name}; the two must agree")
            if len(classes[name]) < least:
                few.append(name)
                if on_error == "stop":
                    remedy = "add some, remove the folder, or leave the class out with on_error: skip"
                    raise UserError(f"{folder}: {len(classes[name])} images, needs {least} or more; {remedy}")
    kept = [name for name in names if name not in few]
    if not kept:
        raise UserError(f"{folders[split]}: no class has {least} or more images; add some")
    return kept, [f"classes left out, with fewer than {least} images: {', '.join(sorted(set(few)))}"] if few else []


def _split(classes: Classes, names: list[str], root: Path, settings: "ImageFolder") -> dict[str, Classes]:
    """Each class split at random."""
    splits: dict[str, Classes] = {"train": {}, "test": {}}
    for name in names:
        ids = [file.relative_to(root).as_posix() for file in classes[name]]
        for split, rows in zip(splits, random_split(ids, settings.test_share, settings.seed), strict=True):
            splits[split][name] = [classes[name][row] for row in rows]
    return splits


def _sample(raw_dir: Path, root: Path, masks: Path | None, file: Path, label: int, settings: "ImageFolder") -> Sample:
    name = file.relative_to(root)
    # How Python stands in for bytes that are not UTF-8.
    if any("\udc80" <= letter <= "\udcff" for letter in str(name)):
        raise BadSample(f"{os.fsencode(file)}: its name is not UTF-8; rename it")
    photo = read_photo(file, upright=True)
    frame = Frame.of(photo.shape, settings.fit, settings.size)
    mask = _mask(masks / name.with_suffix(".png"), file, photo.shape) if masks else None
    return Sample(
        sample_id=name.as_posix(),
        image=frame.image(photo),
        label=label,
        source=Path(os.path.relpath(file, raw_dir)).as_posix(),
        mask=frame.mask(mask) if masks else None,
    )


def _mask(file: Path, photo: Path, shape: tuple[int, ...]) -> np.ndarray:
    """H×W bool that fits a photograph of `shape` after it was turned upright."""
    with Image.open(photo) as stored:
        orientation = stored.getexif().get(ExifTags.Base.Orientation, 1)
    height, width = shape[:2]
    # From 5 on, the photograph is stored lying on its side.
    values = read_labels(file, (width, height) if 5 <= orientation <= 8 else (height, width))
    if values.ndim == 3:
        # The last of two or four channels is opacity, and usually 255 all over.
        colours = {2: 1, 4: 3}.get(values.shape[2])
        values = values[..., :colours].any(axis=2)
    mask = Image.fromarray((values != 0).astype(np.uint8))
    mask.getexif()[ExifTags.Base.Orientation] = orientation
    return np.array(ImageOps.exif_transpose(mask)) != 0
