"""VOC animals in the three layouts: by hand, in miniature, and the official masks of VOC 2012."""

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from reading import read_all
from scipy.io import savemat

from pipeline.datasets.formats import voc
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.trees.voc_animals import write
from pipeline.datasets.voc_animals import CLASSES, prepare, split_of, square
from pipeline.errors import UserError
from pipeline.settings.datasets import Miniature, VocAnimals

RNG = np.random.default_rng(0)


def settings(layout: str = "parts", **given) -> VocAnimals:
    return VocAnimals(kind="voc_animals", layout=layout, **given)


def literal_cut(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """csg.md section 4, step 2, word for word, on an image with so many zeros around that none are missing."""
    around = 2 * max(mask.shape)
    rows, columns = np.where(mask)
    cy, cx = (rows.max() + rows.min()) / 2, (columns.max() + columns.min()) / 2
    w = max(rows.max() - rows.min(), columns.max() - columns.min()) / 2
    padded = np.pad(values, [(around, around)] * 2 + [(0, 0)] * (values.ndim - 2))
    top, bottom, left, right = (around + round(edge) for edge in (cy - w, cy + w, cx - w, cx + w))
    return padded[top:bottom, left:right]


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(1, 8))
def test_cut_is_the_specified_one(mask, size):
    photo = np.arange(mask.size * 3, dtype=np.uint8).reshape(*mask.shape, 3)
    if mask.any() and 0 not in literal_cut(mask, mask).shape:
        frame = square(mask, size)
        expected = Image.fromarray(literal_cut(photo, mask)).resize((size, size), Image.Resampling.LANCZOS)
        assert (frame.image(photo, Image.Resampling.LANCZOS) == np.array(expected)).all()
        expected = Image.fromarray(literal_cut(mask, mask)).resize((size, size), Image.Resampling.NEAREST)
        assert (frame.mask(mask) == np.array(expected)).all()


def test_split_is_that_of_the_released_code():
    names = [f"2008_{number:06d}" for number in RNG.permutation(10_103)]
    state = random.getstate()
    random.seed(0)
    train = random.sample(names, int(len(names) * 0.7))
    random.setstate(state)
    splits = split_of(names)
    assert {name for name, split in splits.items() if split == "train"} == set(train)
    assert Counter(splits.values()) == {"train": 7072, "test": 3031}


def struct(rows: list[tuple], *fields: str) -> np.ndarray:
    """MATLAB's 1 × rows struct array."""
    return np.array([[tuple(row)] for row in rows], [(field, object) for field in fields]).reshape(1, -1)


def blob(left: int, top: int, right: int, bottom: int, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def save_photo(file: Path, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*shape, 3), np.uint8)).save(file)
    with Image.open(file) as image:
        return np.array(image)


def save_part(file: Path, objects: list[tuple[str, np.ndarray]]) -> None:
    parts = struct([("head", blob(0, 0, 1, 1)), ("tail", blob(1, 1, 2, 2))], "part_name", "mask")
    rows = [(name, 3, mask, parts) for name, mask in objects]
    anno = {"imname": file.stem, "objects": struct(rows, "class", "class_ind", "mask", "parts")}
    savemat(file, {"anno": anno})


@pytest.fixture
def parts(tmp_path) -> Path:
    """Four images, of which the seed draws two for training."""
    lists, annotations = tmp_path / "VOCdevkit/VOC2010/ImageSets/Main", tmp_path / "PASCAL-Part/Annotations_Part"
    for folder in (lists, annotations):
        folder.mkdir(parents=True)
    (lists / "trainval.txt").write_text("d\nc\nb\na\n")
    save_part(annotations / "a.mat", [("person", blob(0, 0, 9, 9)), ("dog", blob(2, 3, 11, 8))])
    save_part(annotations / "b.mat", [("sheep", blob(25, 0, 30, 20)), ("dog", blob(0, 0, 4, 4))])
    save_part(annotations / "c.mat", [])
    save_part(annotations / "d.mat", [("dog", blob(0, 0, 5, 5))])
    save_part(annotations / "unlisted.mat", [("cat", blob(0, 0, 5, 5))])
    for name in "abcd":
        save_photo(tmp_path / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg")
    return tmp_path


def test_parts(parts):
    prepared = prepare(parts, settings(size=16))
    train, test = read_all(prepared)
    assert prepared.class_names == ["dog", "sheep"]
    assert prepared.notices == ["2 of 6 classes occur in the files; labels count those only"]
    found = {sample.sample_id: sample for sample in train + test}
    assert list(found) == [name for split in (train, test) for name in (sample.sample_id for sample in split)]
    # Numbered in the order of the files over the animals; the drawn images are two of the four.
    assert sorted(found) == ["dog-0-a", "dog-2-b", "dog-3-d", "sheep-1-b"]
    random.seed(0)
    assert {sample.group for sample in train} == set(random.sample(["d", "c", "b", "a"], 2)) - {"c"}
    sheep = found["sheep-1-b"]
    assert (sheep.label, sheep.group, sheep.source) == (1, "b", "VOCdevkit/VOC2010/JPEGImages/b.jpg")
    # Rows 0 to 19 and columns 25 to 29: 2w = 19, so rows 0 to 18, and columns round(27 - 9.5) = 18 to 36 (halves go to
    # the even number), of which those from 30 on are outside.
    with Image.open(parts / "VOCdevkit/VOC2010/JPEGImages/b.jpg") as image:
        photo = np.pad(np.array(image), ((0, 0), (0, 10), (0, 0)))[0:19, 18:36]
    expected = Image.fromarray(photo).resize((16, 16), Image.Resampling.LANCZOS)
    assert (sheep.image == np.array(expected)).all()
    rows, columns = sheep.mask.nonzero()
    # Pixel i of the 16 shows column floor((i + ½) · 18 / 16) of the 18; the sheep's are 7 to 11.
    shown = [i for i in range(16) if 7 <= int((i + 0.5) * 18 / 16) <= 11]
    assert sorted(set(columns.tolist())) == shown and sorted(set(rows.tolist())) == list(range(16))
    assert sheep.bbox == (shown[0], 0, len(shown), 16)


def refusals(raw_dir: Path, settings: VocAnimals) -> list[str]:
    """What is said of the samples that cannot be read, in alphabetical order."""
    said = []
    prepared = prepare(raw_dir, settings)
    for read in [*prepared.train, *prepared.test]:
        try:
            read()
        except BadSample as error:
            said.append(str(error).replace(f"{raw_dir}/", ""))
    return sorted(said)


def test_bad_samples_of_parts_are_named(parts):
    annotations, photos = parts / "PASCAL-Part/Annotations_Part", parts / "VOCdevkit/VOC2010/JPEGImages"
    (annotations / "a.mat").write_bytes((annotations / "a.mat").read_bytes()[:300])
    save_photo(photos / "b.jpg", (20, 29))
    save_part(annotations / "c.mat", [("cat", blob(0, 0, 0, 0)), ("cow", blob(2, 3, 3, 4))])
    (photos / "d.jpg").unlink()
    damaged, *others = sorted(refusals(parts, settings()), key=lambda said: "no annotation" not in said)
    assert damaged.startswith("PASCAL-Part/Annotations_Part/a.mat: no annotation of PASCAL-Part (")
    photo = "VOCdevkit/VOC2010/JPEGImages/"
    assert others == [
        f"{photo}b.jpg: is 29×20 pixels, its annotation 30×20; replace one of the two",
        f"{photo}b.jpg: is 29×20 pixels, its annotation 30×20; replace one of the two",
        f"{photo}c.jpg: cow-3-c has too few pixels (1) to be cut out; leave it out",
        f"{photo}c.jpg: the mask of cat-2-c is empty; replace its annotation",
        f"{photo}d.jpg: no such file; put it there",
    ]


def test_annotations_of_another_structure_are_named(parts):
    file = parts / "PASCAL-Part/Annotations_Part/a.mat"
    for content in (
        {"other": 1},
        {"anno": {"imname": "a"}},
        {"anno": {"objects": struct([("dog", blob(0, 0, 5, 5)[None])], "class", "mask")}},
        {"anno": {"objects": struct([("dog",)], "class")}},
    ):
        savemat(file, content)
        (said,) = refusals(parts, settings())
        assert said.startswith("PASCAL-Part/Annotations_Part/a.mat: no annotation of PASCAL-Part (")
        assert "\n" not in said


@pytest.mark.parametrize(
    ("layout", "file", "source"),
    [
        ("parts", "VOCdevkit/VOC2010/ImageSets/Main/trainval.txt", "VOCtrainval_03-May-2010.tar"),
        ("segmentation", "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "VOCtrainval_11-May-2012.tar"),
        ("processed", "preprocessed_VOC_Part/processed/metadata/train.txt", "preprocessed_VOC_Part.zip"),
    ],
)
def test_missing_lists_are_named(tmp_path, layout, file, source):
    wanted = settings(layout, miniature=Miniature(train=2, test=1, size=32))
    write(tmp_path, wanted)
    (tmp_path / file).unlink()
    with pytest.raises(UserError, match=rf"{file}: no such file; replace it by the official one in {source} from http"):
        prepare(tmp_path, wanted)


def test_no_animals_is_an_error(parts):
    shutil.rmtree(parts / "PASCAL-Part/Annotations_Part")
    (parts / "PASCAL-Part/Annotations_Part").mkdir()
    with pytest.raises(UserError, match=r"no animal is found in the layout 'parts'"):
        prepare(parts, settings())


@pytest.fixture
def processed(tmp_path) -> Path:
    place = tmp_path / "preprocessed_VOC_Part/processed"
    (place / "metadata").mkdir(parents=True)
    (place / "metadata/train.txt").write_text("2008_000001\n2008_000003\n")
    (place / "metadata/val.txt").write_text("2008_000002\n")
    (place / "128x128/obj_mask").mkdir(parents=True)
    for stem in ("dog-10-2008_000003", "cat-9-2008_000001", "cat-2-2008_000002", "cow-3-2008_000009"):
        save_photo(place / f"128x128/obj_img/{stem}.jpg", (128, 128))
        mask = Image.fromarray(blob(10, 20, 100, 128, (128, 128)) * 255)
        mask.convert("1").save(place / f"128x128/obj_mask/{stem}.mask.bmp")
    return tmp_path


def test_processed(processed):
    prepared = prepare(processed, settings("processed"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["cat", "dog"]
    assert [sample.sample_id for sample in train] == ["cat-9-2008_000001", "dog-10-2008_000003"]
    assert [(sample.sample_id, sample.group) for sample in test] == [("cat-2-2008_000002", "2008_000002")]
    cat = train[0]
    assert cat.source == "preprocessed_VOC_Part/processed/128x128/obj_img/cat-9-2008_000001.jpg"
    with Image.open(processed / cat.source) as image:
        assert (cat.image == np.array(image)).all()
    assert (cat.mask == blob(10, 20, 100, 128, (128, 128))).all() and cat.bbox == (10, 20, 90, 108)
    small = read_all(prepare(processed, settings("processed", size=64)))[0][0]
    assert small.image.shape == (64, 64, 3) and small.bbox == (5, 10, 45, 54)


def test_bad_files_of_processed_are_named(processed):
    masks = processed / "preprocessed_VOC_Part/processed/128x128/obj_mask"
    Image.new("RGB", (128, 128)).save(masks / "cat-9-2008_000001.mask.bmp")
    Image.new("1", (128, 128)).save(masks / "cat-2-2008_000002.mask.bmp")
    (masks / "dog-10-2008_000003.mask.bmp").write_bytes(b"BM")
    place = "preprocessed_VOC_Part/processed/128x128/"
    empty, colour, damaged = refusals(processed, settings("processed"))
    assert colour.startswith(f"{place}obj_img/cat-9-2008_000001.jpg: its mask is in colour, expected black and white")
    assert damaged.startswith(f"{place}obj_mask/dog-10-2008_000003.mask.bmp: not a whole image")
    assert empty == (
        f"{place}obj_img/cat-2-2008_000002.jpg: nothing is left of the mask of cat-2-2008_000002 at 128 pixels; "
        "leave it out"
    )
    save_photo(processed / place / "obj_img/lion-3-2008_000001.jpg", (128, 128))
    with pytest.raises(UserError, match=r"lion-3-2008_000001\.jpg: is not named <class>-<number>-<image>\.jpg"):
        prepare(processed, settings("processed"))


@pytest.mark.parametrize("layout", ["parts", "processed", "segmentation"])
def test_miniature(tmp_path, layout):
    wanted = settings(layout, year="2009", miniature=Miniature(train=14, test=6, size=64, seed=3))
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (14, 6)
    assert prepared.class_names == list(CLASSES)
    for split, samples in {"train": train, "test": test}.items():
        drawn = pictures("creatures", split, len(samples), size=64, seed=3)
        # Parts names its images once for both splits, so that their order is that of the names.
        for sample, picture in zip(samples, drawn, strict=True):
            assert sample.label == picture.label % 6
            cut = Image.fromarray(literal_cut(picture.mask, picture.mask)).resize((128, 128), Image.Resampling.NEAREST)
            assert (sample.mask == np.array(cut)).all()
    assert bool(prepared.notices) == (layout == "segmentation")


def test_drawn_boxes_are_those_of_the_masks(tmp_path):
    write(tmp_path, settings("segmentation", miniature=Miniature(train=3, test=1, size=48)))
    folder = tmp_path / "VOCdevkit/VOC2012"
    for file in sorted((folder / "Annotations").glob("*.xml")):
        ((instance,), (item,)) = voc.read_instances(folder, file.stem), voc.read_objects(file)
        rows, columns = instance.mask.nonzero()
        assert item.bbox == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert item.name == voc.CLASSES[instance.label]
        with Image.open(folder / "SegmentationObject" / f"{file.stem}.png") as image:
            assert image.mode == "P" and set(np.unique(image)) == {0, 1, 255}


def test_boxes_without_masks_are_not_enough(tmp_path):
    wanted = settings("segmentation", miniature=Miniature(train=2, test=1, size=48))
    write(tmp_path, wanted)
    (tmp_path / "VOCdevkit/VOC2012/SegmentationObject/2010_000002.png").unlink()
    assert refusals(tmp_path, wanted) == [
        "VOCdevkit/VOC2012/SegmentationObject/2010_000002.png: no such file; put it there"
    ]


@pytest.mark.real_data
def test_real_horses(unpacked, tmp_path):
    """The five official photographs at hand show two animals, both in one."""
    source, place = unpacked("voc2012.tar") / "VOCdevkit/VOC2012", tmp_path / "VOCdevkit/VOC2012"
    for kind in ("JPEGImages", "SegmentationObject", "SegmentationClass"):
        (place / kind).parent.mkdir(parents=True, exist_ok=True)
        (place / kind).symlink_to(source / kind)
    lists = source / "ImageSets/Segmentation"
    have = set((lists / "with_image.txt").read_text().split())
    (place / "ImageSets/Segmentation").mkdir(parents=True)
    for split in ("train", "val"):
        names = [name for name in (lists / f"{split}.txt").read_text().split() if name in have]
        (place / "ImageSets/Segmentation" / f"{split}.txt").write_text("\n".join(names))
    prepared = prepare(tmp_path, settings("segmentation"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["horse"] and not train
    assert [sample.sample_id for sample in test] == ["horse-2-2008_001992", "horse-4-2008_001992"]
    with Image.open(source / "SegmentationObject/2008_001992.png") as image:
        numbers = np.array(image)
    with Image.open(source / "JPEGImages/2008_001992.jpg") as image:
        photo = np.array(image)
    for sample, number in zip(test, (2, 4), strict=True):
        cut = Image.fromarray(literal_cut(photo, numbers == number)).resize((128, 128), Image.Resampling.LANCZOS)
        assert (sample.image == np.array(cut)).all()
        assert 0.2 < sample.mask.mean() < 0.8


@pytest.mark.real_data
def test_real_lists(unpacked):
    """All 245 masks at hand; the animals in them are those of the boxes that were reckoned apart from this reader."""
    raw_dir = unpacked("voc2012.tar")
    folder = raw_dir / "VOCdevkit/VOC2012"
    official = {file.stem: file.read_text().split() for file in (folder / "ImageSets/Segmentation_official").iterdir()}
    assert {split: len(names) for split, names in official.items()} == {"train": 1464, "val": 1449, "trainval": 2913}
    prepared = prepare(raw_dir, settings("segmentation"))
    for reads, split in ((prepared.train, "train"), (prepared.test, "val")):
        names = (folder / "ImageSets/Segmentation" / f"{split}.txt").read_text().split()
        assert set(names) <= set(official[split])
        boxes = [item for name in names for item in voc.read_objects(folder / f"Annotations_derived/{name}.xml")]
        assert len(list(reads)) == sum(item.name in CLASSES for item in boxes) > 100
    with pytest.raises(BadSample, match=r"JPEGImages/\d+_\d+\.jpg: no such file"):
        prepared.train[0]()
