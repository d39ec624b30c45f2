"""Imagenette (Howard 2019), second edition, full size: 9,469 + 3,925 photographs of ten ImageNet classes.

    imagenette2/
        train/<wnid>/*.JPEG
        val/<wnid>/*.JPEG

normat.md section 5.2. `val` serves as the test images, as in the paper; labels are the WordNet ids in order. The
smaller `imagenette2-320` is read where it is there instead, and so is the first edition, whose folder is `imagenette`
and whose split is another one; either is noticed. Grey photographs become three equal channels. Samples are listed one
of each class in turn, so that the first few are of all classes.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Sample, present
from pipeline.datasets.splits import interleaved
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Imagenette

#: WordNet id, name, official number of training and of test images.
CLASSES = (
    ("n01440764", "tench", 963, 387),
    ("n02102040", "English springer", 955, 395),
    ("n02979186", "cassette player", 993, 357),
    ("n03000684", "chain saw", 858, 386),
    ("n03028079", "church", 941, 409),
    ("n03394916", "French horn", 956, 394),
    ("n03417042", "garbage truck", 961, 389),
    ("n03425413", "gas pump", 931, 419),
    ("n03445777", "golf ball", 951, 399),
    ("n03888257", "parachute", 960, 390),
)
#: Folders that are read in place of the official one.
SUBSTITUTES = {
    "imagenette2-320": "read from the edition with a shorter side of 320 pixels",
    "imagenette": "read from the first edition, whose split into training and test images is another one",
}
SOURCE = Source(
    file="imagenette2.tgz",
    urls=("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz",),
    page="https://github.com/fastai/imagenette",
    licence="ImageNet's terms: non-commercial research and education",
    checksum="md5:fe2fc210e6bb7c5664d602c3cd71e612",
    provides="imagenette2",
    instead=tuple(SUBSTITUTES),
)
SOURCES = (SOURCE,)
COLUMNS = ()
OFFICIAL = {"train": 9_469, "test": 3_925}


def prepare(raw_dir: Path, settings: "Imagenette") -> Prepared:
    """The official splits; raises `UserError` if a split has no photographs."""
    substitute = next((name for name in SUBSTITUTES if (raw_dir / name).is_dir()), None)
    official = SOURCE.place(raw_dir).exists() or substitute is None
    folder = obtain(SOURCE, raw_dir) if official else raw_dir / substitute
    splits = {split: _photos(folder, name) for split, name in (("train", "train"), ("test", "val"))}
    names, index, notices = present(
        [name for _, name, *_ in CLASSES],
        [label for classes in splits.values() for label, files in enumerate(classes) if files],
    )
    reads = {
        split: interleaved(
            [partial(_sample, raw_dir, folder, file, index[label], settings) for file in files]
            for label, files in enumerate(classes)
        )
        for split, classes in splits.items()
    }
    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads["train"],
        test=reads["test"],
        notices=([] if official else [SUBSTITUTES[substitute]]) + notices + _differing(splits),
    )


def _photos(folder: Path, split: str) -> list[list[Path]]:
    """Files of each class."""
    found = [sorted((folder / split / wnid).glob("[!.]*.JPEG")) for wnid, *_ in CLASSES]
    if not any(found):
        raise UserError(f"{folder / split}: has no {CLASSES[0][0]}/*.JPEG or the like; {SOURCE.remedy(folder)}")
    return found


def _differing(splits: dict[str, list[list[Path]]]) -> list[str]:
    """Notices about classes that have other numbers of files than the official ones."""
    notices = []
    for column, (split, classes) in enumerate(splits.items(), start=2):
        counts = [(row[1], len(files), row[column]) for row, files in zip(CLASSES, classes, strict=True)]
        if differing := [f"{name} {have} of {whole}" for name, have, whole in counts if have != whole]:
            more = ", …" if len(differing) > 3 else ""
            notices.append(f"{split}: other numbers of images than published: {', '.join(differing[:3])}{more}")
    return notices


def _sample(raw_dir: Path, folder: Path, file: Path, label: int, settings: "Imagenette") -> Sample:
    photo = read_photo(file)
    return Sample(
        sample_id=file.relative_to(folder).with_suffix("").as_posix(),
        image=Frame.of(photo.shape, settings.fit, settings.size).image(photo),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
    )
