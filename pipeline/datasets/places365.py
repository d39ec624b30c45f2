"""Places365-Standard (Zhou et al., TPAMI 2017): photographs of ten room categories, and of all others as negatives.

xnn.md sections 5 and 11.2: a network for each room is judged on 4,000 + 1,000 photographs of it and 20,000 + 4,000
of other categories. All are drawn from the training list, since the validation list has but 100 a category; the network
that is explained was trained on them. The layout is that of the small images, 256 × 256 pixels:

    places365/categories_places365.txt           "/b/bedroom 52"
    places365/places365_train_standard.txt       "/b/bedroom/00000001.jpg 52"
    places365/data_256/b/bedroom/00000001.jpg    or data_256_standard/, as torchvision renames it

The label of a negative is "other", after the rooms. A category has at most 5,000 images in the list and 3,068 at least;
where it has fewer than are asked for, training and test images share them in the ratio that was asked for. Samples come
one of each class in turn, each class in the order of the list, so that the first few are of all classes.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.formats.text import read_map, read_rows
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Read, Sample, present
from pipeline.datasets.splits import interleaved
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Places365

PAGE = "http://places2.csail.mit.edu/download.html"
LICENCE = "images: non-commercial research and education; lists: MIT"
LISTS = Source(
    file="filelist_places365-standard.tar",
    folder="places365",
    urls=("http://data.csail.mit.edu/places/places365/filelist_places365-standard.tar",),
    page=PAGE,
    licence=LICENCE,
    checksum="md5:35a0585fee1fa656440f3ab298f8479c",
    provides="places365/places365_train_standard.txt",
    unpack_to="places365",
)
IMAGES = Source(
    file="train_256_places365standard.tar",
    folder="places365",
    urls=("http://data.csail.mit.edu/places/places365/train_256_places365standard.tar",),
    page=PAGE,
    licence=LICENCE,
    accept="as much again when unpacked; by downloading it you agree to its terms of use",
    rough_size=24_000_000_000,
    checksum="md5:53ca1c756c3d1e7809517cc47c5561c5",
    provides="places365/data_256",
    instead=("places365/data_256_standard",),
    unpack_to="places365",
)
REMEDY = f"replace it by the official one in {LISTS.file} from {LISTS.origin}"
SOURCES = (LISTS, IMAGES)
COLUMNS = ()
OFFICIAL = {"train": 60_000, "test": 14_000}

#: The ten rooms of the paper with their indices in Places365.
ROOMS = {
    "bathroom": 45, "bedroom": 52, "conference_room": 102, "dining_room": 121, "home_office": 176, "hotel_room": 182,
    "kitchen": 203, "living_room": 215, "office": 244, "waiting_room": 352,
}  # fmt: skip
OTHER = "other"

CATEGORIES = 365
#: Images in the official list, and the most that a category has.
LISTED = 1_803_460
LISTED_A_CATEGORY = 5_000


def prepare(raw_dir: Path, settings: "Places365") -> Prepared:
    """Photographs of the rooms and of other categories, drawn from the official training list.

    Raises `UserError` if more are asked for than the official list can have, and for lists that are missing, malformed
    or number the categories otherwise.
    """
    asked = {room: (settings.positives_train, settings.positives_test) for room in ROOMS}
    asked[OTHER] = (settings.negatives_train, settings.negatives_test)
    _check_asked("positives", LISTED_A_CATEGORY, asked["bathroom"])
    _check_asked("negatives", LISTED, asked[OTHER])
    folder = obtain(LISTS, raw_dir).parent
    renamed = folder / "data_256_standard"
    images = renamed if renamed.is_dir() else obtain(IMAGES, raw_dir)
    listed = read_list(folder)
    splits: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    short = []
    for name, (train, test) in asked.items():
        files = listed[name]
        if len(files) < train + test:
            short.append(f"{name} {len(files)}")
            train = round(len(files) * train / (train + test))
            test = len(files) - train
        splits["train"][name], splits["test"][name] = draw(files, train, test, f"{settings.seed} {name}")
    classes = (*ROOMS, OTHER)
    drawn = [classes.index(name) for split in splits.values() for name, files in split.items() if files]
    names, index, notices = present(classes, drawn)
    if short:
        notices.append(f"fewer images are listed than were asked for: {', '.join(short)}")

    def reads(split: str) -> list[Read]:
        return interleaved(
            [partial(_sample, raw_dir, images, file, index[classes.index(name)], settings) for file in files]
            for name, files in splits[split].items()
        )

    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads("train"),
        test=reads("test"),
        columns=COLUMNS,
        notices=notices,
    )


def read_list(folder: Path) -> dict[str, list[str]]:
    """Files of the training list, without the leading slash and in its order, by room; those of other categories are
    under `OTHER`. Raises `UserError` as `prepare`."""
    file = folder / "categories_places365.txt"
    categories = read_map(file, REMEDY)
    for room, number in ROOMS.items():
        path = f"/{room[0]}/{room}"
        if (found := categories.get(path)) != str(number):
            raise UserError(f"{file}: gives {path} the number {found}, expected {number}; {REMEDY}")
    rooms = {str(number): room for room, number in ROOMS.items()}
    known = {str(number) for number in range(CATEGORIES)}
    file = folder / "places365_train_standard.txt"
    listed: dict[str, list[str]] = defaultdict(list)
    for path, number in read_rows(file, 2, REMEDY):
        if number not in known or not path.startswith("/") or ".." in path:
            raise UserError(
                f"{file}: '{path} {number}' is not a path from / and a category up to {CATEGORIES - 1}; {REMEDY}"
            )
        listed[rooms.get(number, OTHER)].append(path.lstrip("/"))
    return listed


def draw(files: Sequence[str], train: int, test: int, seed: str) -> tuple[list[str], list[str]]:
    """`train` and `test` of the files at random, none in both, each in the order of `files`."""
    chosen = random.Random(seed).sample(range(len(files)), train + test)
    return [files[place] for place in sorted(chosen[:train])], [files[place] for place in sorted(chosen[train:])]


def _check_asked(key: str, most: int, asked: tuple[int, int]) -> None:
    if sum(asked) > most:
        raise UserError(
            f"params.yaml: datasets (from: places365): {key}_train + {key}_test: {asked[0]} + {asked[1]} asked for, "
            f"there are at most {most}; lower one of them"
        )


def _sample(raw_dir: Path, images: Path, file: str, label: int, settings: "Places365") -> Sample:
    path = images / file
    photo = read_photo(path)
    return Sample(
        sample_id=Path(file).with_suffix("").as_posix(),
        image=Frame.of(photo.shape, settings.fit, settings.size).image(photo),
        label=label,
        source=path.relative_to(raw_dir).as_posix(),
    )
