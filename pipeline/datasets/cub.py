"""CUB-200-2011 (Wah et al. 2011): 5,994 + 5,794 photographs of 200 species of birds, and gaze on them from CUB-GHA.

    attributes.txt                       number, attribute; the archive has it above the folder, some copies inside
    CUB_200_2011/
        images.txt                       image, <class>/<name>.jpg under images/
        image_class_labels.txt           image, class; classes.txt: class, name
        train_test_split.txt             image, 1 for training
        bounding_boxes.txt               image, x, y, width, height
        parts/part_locs.txt              image, part, x, y, visible; parts/parts.txt: part, name
        attributes/image_attribute_labels.txt             image, attribute, present, certainty, seconds
        attributes/class_attribute_labels_continuous.txt  a row a class, percent of people an attribute
    CUB_GHA/<image>.jpg                  heat maps, or data_5runs/Fixation_run<1..5>.txt; may lie inside

xnn.md section 11.1, intersection.md section 8, normat.md section 5.3. A subset keeps the official numbers, with gaps;
they are the sample ids. Samples are listed one of each class in turn, so that the first few are of all classes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.formats.cub_lists import (
    UNMARKED,
    Lists,
    Photo,
    read_class_attributes,
    read_image_attributes,
    read_lists,
    read_numbered,
)
from pipeline.datasets.formats.gaze import heat_map, read_fixations
from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Read, Sample, present
from pipeline.datasets.splits import interleaved

if TYPE_CHECKING:
    from pipeline.settings.datasets import Cub

SOURCE = Source(
    file="CUB_200_2011.tgz",
    urls=("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
    page="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    licence="non-commercial research and education; photographs belong to their owners",
    size=1_150_585_339,
    checksum="md5:97eceeb196236b17998738112f37df78",
    provides="CUB_200_2011",
)
#: The authors' repository at its last commit, which fixes size and content.
GAZE_SOURCES = tuple(
    Source(
        file=f"Fixation_run{run}.txt",
        folder="CUB_GHA/data_5runs",
        urls=(
            "https://raw.githubusercontent.com/yaorong0921/CUB-GHA/bec877a4156deaf89800db1e58a7d791523b6e42/"
            f"data_5runs/Fixation_run{run}.txt",
        ),
        page="https://github.com/yaorong0921/CUB-GHA",
        licence="none stated; ask its authors before passing it on",
        size=size,
        checksum=f"sha256:{sha256}",
        only_with="gaze: true",
    )
    for run, size, sha256 in (
        (1, 1_153_923, "9386b8cf85586855b02d86cae6005270f3b3f93b7d2e4cc2897e43e3708c1acf"),
        (2, 1_119_450, "dadfcc9e254bdc665aab5621b4082e5fb4742c33b60db89e09273ce677d46ac3"),
        (3, 1_083_355, "ba9e958544b830767027f962a57c0d4dbf5104b49daf9e683bd482e1c9501a55"),
        (4, 1_327_148, "144ddc6b7d8fea00024fdb0ca9ffc71924ff1a3b810b9f47ffefcb806d13d558"),
        (5, 1_385_069, "04a6c8e8d9e50f2291e8dc2772e0ee54cc4df68cb3b6416c5a3c4ac0a6f19b64"),
    )
)
SOURCES = (SOURCE, *GAZE_SOURCES)
COLUMNS = ("bbox", "parts", "attributes", "gaze")
OFFICIAL = {"train": 5_994, "test": 5_794}

#: Grey photographs, which the lists of normat's released code lack.
GREY = frozenset({448, 1401, 3617, 3619, 3780, 5029, 5393, 6321})


def prepare(raw_dir: Path, settings: "Cub") -> Prepared:
    """The official splits; raises `UserError` for lists that are missing, malformed or do not belong together."""
    folder = obtain(SOURCE, raw_dir)
    remedy = SOURCE.remedy(folder)
    lists = read_lists(folder, remedy)
    attribute_names, attributes = _attributes(folder, lists, settings, remedy)
    gaze_of = _gaze(raw_dir, folder) if settings.gaze else None
    photos = [photo for photo in lists.photos if settings.grey or photo.number not in GREY]
    names, index, notices = present(lists.class_names, [photo.label for photo in photos])
    if left_out := len(lists.photos) - len(photos):
        notices.append(f"{left_out} grey photographs were left out")
    splits: dict[bool, dict[int, list[Read]]] = {True: defaultdict(list), False: defaultdict(list)}
    for photo in photos:
        splits[photo.train][photo.label].append(
            partial(
                _sample, raw_dir, folder / "images" / photo.file, photo, index[photo.label], settings,
                attributes.get(photo.number), gaze_of,
            )
        )  # fmt: skip
    missing = {"attributes": settings.attributes == "none", "gaze": not settings.gaze}
    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=interleaved(splits[True].values()),
        test=interleaved(splits[False].values()),
        columns=tuple(column for column in COLUMNS if not missing.get(column)),
        names={"parts": lists.part_names} | ({"attributes": attribute_names} if attribute_names else {}),
        notices=notices,
    )


def _attributes(
    folder: Path, lists: Lists, settings: "Cub", remedy: str
) -> tuple[Sequence[str], Mapping[int, np.ndarray]]:
    """Names of the attributes, and those of each photograph by its number."""
    if settings.attributes == "none":
        return [], {}
    places = (folder.parent / "attributes.txt", folder / "attributes.txt", folder / "attributes" / "attributes.txt")
    file = next((place for place in places if place.is_file()), places[0])
    names = list(read_numbered(file, remedy).values())
    if settings.attributes == "class":
        file = folder / "attributes" / "class_attribute_labels_continuous.txt"
        of_class = read_class_attributes(file, len(lists.class_names), len(names), remedy)
        return names, {photo.number: of_class[photo.label] for photo in lists.photos}
    numbers = [photo.number for photo in lists.photos]
    file = folder / "attributes" / "image_attribute_labels.txt"
    marked = read_image_attributes(file, numbers, len(names), remedy, absent=settings.invisible == "absent")
    return names, dict(zip(numbers, marked, strict=True))


def _gaze(raw_dir: Path, folder: Path) -> Callable[[int, tuple[int, int]], np.ndarray]:
    """A way from an image's number and its photograph's (height, width) to the heat map, H×W uint8."""
    places = (folder / "CUB_GHA", raw_dir / "CUB_GHA")
    for place in places:
        if next(place.glob("[0-9]*.jpg"), None):
            return partial(_finished_map, place)
    inside = [folder / source.folder / source.file for source in GAZE_SOURCES]
    files = inside if inside[0].is_file() else [obtain(source, raw_dir) for source in GAZE_SOURCES]
    remedy = f"replace it by the official one from {GAZE_SOURCES[0].page}"
    return partial(_drawn_map, files[0].parent, read_fixations(files, remedy))


def _finished_map(folder: Path, number: int, shape: tuple[int, int]) -> np.ndarray:
    file = folder / f"{number}.jpg"
    heat = read_labels(file, shape)
    if heat.shape != shape or heat.dtype != np.uint8:
        raise BadSample(f"{file}: is no grey image of 8 bits; replace it by the official one")
    return heat


def _drawn_map(folder: Path, fixations: Mapping[int, np.ndarray], number: int, shape: tuple[int, int]) -> np.ndarray:
    if number not in fixations:
        raise BadSample(f"{folder}: no file there has a line for image {number}; add one, or set gaze: false")
    height, width = shape
    return heat_map(fixations[number] * (width, height, 1), height, width)


def _sample(
    raw_dir: Path, file: Path, photo: Photo, label: int, settings: "Cub", attributes: np.ndarray | None,
    gaze_of: Callable[[int, tuple[int, int]], np.ndarray] | None,
) -> Sample:  # fmt: skip
    if attributes is not None and UNMARKED in attributes:
        unmarked = np.count_nonzero(attributes == UNMARKED)
        raise BadSample(f"{file}: image_attribute_labels.txt lacks {unmarked} of its attributes; add them")
    pixels = read_photo(file)
    frame = Frame.of(pixels.shape, settings.fit, settings.size)
    bbox = frame.box(*photo.bbox)
    places = {part: frame.point(*place) for part, place in photo.parts.items()}
    return Sample(
        sample_id=str(photo.number),
        image=frame.image(pixels),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        bbox=bbox if bbox[2] and bbox[3] else None,
        parts={part: place for part, place in places.items() if place},
        attributes=attributes,
        gaze=frame.image(gaze_of(photo.number, pixels.shape[:2])) if gaze_of else None,
    )
