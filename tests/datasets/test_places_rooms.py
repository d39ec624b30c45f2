"""Rooms of ADE20K in both layouts: by hand, in miniature, and the official scenes at hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from reading import read_all

from pipeline.datasets.formats.ade20k import decode, encode, read_class_names, read_object_names, short_names
from pipeline.datasets.places365 import ROOMS
from pipeline.datasets.places_rooms import OFFICIAL, prepare
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.trees.places_rooms import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Miniature, PlacesRooms


def settings(layout: str = "scene_parsing", **given) -> PlacesRooms:
    return PlacesRooms(kind="places_rooms", layout=layout, **{"size": 4, "fit": "stretch", **given})


def save(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(file)


SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(SHAPES.flatmap(lambda shape: st.tuples(
    arrays(np.int64, shape, elements=st.integers(0, 26 * 256 - 1)), arrays(np.uint8, shape))
))  # fmt: skip
def test_random_objects_come_back(given):
    classes, instances = given
    colours = encode(classes, instances)
    assert colours.dtype == np.uint8
    assert all((a == b).all() for a, b in zip(decode(colours), given, strict=True))
    for place in np.ndindex(classes.shape):
        red, green, blue = (int(value) for value in colours[place])
        assert (red // 10 * 256 + green, blue) == (classes[place], instances[place])


def test_names_that_begin_alike_stay_whole():
    names = ["screen, silver screen", "car, auto", "screen, CRT screen", "sky"]
    assert short_names(names) == ["screen, silver screen", "car", "screen, CRT screen", "sky"]


@pytest.fixture
def scene_parsing(tmp_path) -> Path:
    place = tmp_path / "ADEChallengeData2016"
    for split, name, values in (
        ("training", "ADE_train_00000007", [[0, 1, 150, 150]] * 2),
        ("training", "ADE_train_00000008", [[0, 0, 0, 0]] * 2),
        ("training", "ADE_train_00000009", [[4, 4, 2, 2]] * 2),
        ("validation", "ADE_val_00000001", [[9, 9, 9, 9]] * 2),
    ):
        save(place / f"annotations/{split}/{name}.png", np.array(values, np.uint8))
        save(place / f"images/{split}/{name}.jpg", np.full((2, 4, 3), 90, np.uint8))
    (place / "sceneCategories.txt").write_text(
        "ADE_train_00000001 airport_terminal\nADE_train_00000007 bedroom\nADE_train_00000008 bedroom\n"
        "ADE_train_00000009 office\nADE_train_00000010 dining_hall\nADE_val_00000001 office\n"
    )
    names = {1: "wall", 2: "bed, furniture", 150: "flag"}
    rows = [f"{number} \t0.1\t5\t5\t{names.get(number, f'thing {number}, x')}\n" for number in range(1, 151)]
    (place / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n" + "".join(rows))
    return tmp_path


def test_scene_parsing(scene_parsing):
    prepared = prepare(scene_parsing, settings())
    train, test = read_all(prepared)
    assert prepared.class_names == ["bedroom", "office"]
    assert prepared.notices == ["2 of 10 classes occur in the files; labels count those only"]
    assert len(prepared.names["segments"]) == 150 and prepared.names["segments"][1:3] == ["bed", "thing 3"]
    # One of each room in turn.
    assert [sample.sample_id for sample in train] == ["ADE_train_00000007", "ADE_train_00000009", "ADE_train_00000008"]
    bedroom, office, empty = train
    assert bedroom.source == "ADEChallengeData2016/images/training/ADE_train_00000007.jpg"
    assert [(index, mask[0].tolist()) for index, mask in bedroom.segments] == [
        (0, [False, True, False, False]),
        (149, [False, False, True, True]),
    ]
    assert [index for index, _ in office.segments] == [1, 3] and empty.segments == []
    assert [(sample.label, sample.segments[0][0]) for sample in test] == [(1, 8)]


def test_padding_belongs_to_no_object(scene_parsing):
    _, test = read_all(prepare(scene_parsing, settings(fit="pad")))
    ((_, mask),) = test[0].segments
    assert mask.tolist() == [[False] * 4, [True] * 4, [True] * 4, [False] * 4]


def test_bad_samples_of_scene_parsing_are_named(scene_parsing):
    labels = scene_parsing / "ADEChallengeData2016/annotations/training/ADE_train_00000007.png"
    for values, reason in (
        (np.full((2, 4), 151, np.uint8), "is no grey image of classes 0..150"),
        (np.zeros((2, 4, 3), np.uint8), "is no grey image of classes 0..150"),
        (np.zeros((4, 2), np.uint8), "is 2×4 pixels, its photograph is 4×2 pixels"),
    ):
        save(labels, values)
        with pytest.raises(BadSample, match=rf"ADE_train_00000007\.png: {reason}"):
            prepare(scene_parsing, settings()).train[0]()
    labels.unlink()
    with pytest.raises(BadSample, match=r"annotations/training/ADE_train_00000007\.png: no such file"):
        prepare(scene_parsing, settings()).train[0]()


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("sceneCategories.txt", None, "no such file"),
        ("sceneCategories.txt", "ADE_train_00000001\n", "1: 1 fields, expected 2"),
        ("sceneCategories.txt", "ADE_test_1 office\n", " 'ADE_test_1' begins with neither ADE_train_ nor ADE_val_"),
        ("sceneCategories.txt", "ADE_val_1 office\nADE_val_1 office\n", " 'ADE_val_1' is listed twice"),
        ("objectInfo150.txt", None, "no such file"),
        ("objectInfo150.txt", "Idx\tA\tB\tC\tName\n1\t0\t0\t0\twall\n", "expected a heading and the rows 1 to 150"),
        ("objectInfo150.txt", "Idx\tName\n", "1: 2 fields, expected 5"),
    ],
)  # fmt: skip
def test_malformed_lists_are_named(scene_parsing, file, text, reason):
    path = scene_parsing / "ADEChallengeData2016" / file
    path.unlink() if text is None else path.write_text(text)
    remedy = r"; replace it by the official one in ADEChallengeData2016\.zip from http"
    with pytest.raises(UserError, match=rf"{file}: ?{reason}.*{remedy}"):
        prepare(scene_parsing, settings())


def test_no_rooms_is_an_error(scene_parsing, tmp_path):
    (scene_parsing / "ADEChallengeData2016/sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    with pytest.raises(UserError, match=r"no room is found in the layout 'scene_parsing'"):
        prepare(scene_parsing, settings())
    (tmp_path / "ADE20K_2021_17_01").mkdir()
    with pytest.raises(UserError, match=r"no room is found in the layout 'full'"):
        prepare(tmp_path, settings("full"))


def save_scene(folder: Path, scene: str, name: str, objects: list[tuple[int, str, int]], classes, instances) -> Path:
    """One photograph of the full release; `objects` are number, name and level of part of each object."""
    split = "training" if "train" in name else "validation"
    file = folder / f"ADE20K_2021_17_01/images/ADE/{split}/home_or_hotel/{scene}/{name}.jpg"
    save(file, np.full((*np.shape(classes), 3), 50, np.uint8))
    save(file.with_name(f"{name}_seg.png"), encode(np.array(classes), np.array(instances)))
    listed = [{"name_ndx": number, "name": text, "parts": {"part_level": level}} for number, text, level in objects]
    file.with_suffix(".json").write_text(json.dumps({"annotation": {"object": listed}}))
    return file


@pytest.fixture
def full(tmp_path) -> Path:
    bed, lamp, sky = (300, "bed", 0), (1400, "lamp, light", 0), (2420, "sky", 0)
    # The two beds, and a lamp that shares the blue of one of them, are three objects; the leg is a part of one.
    save_scene(
        tmp_path, "bedroom", "ADE_train_00000002", [bed, bed, lamp, (1500, "leg", 1)],
        [[300, 300, 1400, 0]] * 2, [[100, 200, 200, 0]] * 2,
    )  # fmt: skip
    save_scene(tmp_path, "bedroom", "ADE_train_00000001", [bed, sky], [[2420, 300, 300, 300]] * 2, [[1, 2, 2, 2]] * 2)
    save_scene(tmp_path, "kitchen", "ADE_val_00000001", [lamp], [[1400] * 4] * 2, [[255] * 4] * 2)
    save_scene(tmp_path, "casino__outdoor", "ADE_train_00000003", [sky], [[2420] * 4] * 2, [[255] * 4] * 2)
    return tmp_path


def test_full(full):
    prepared = prepare(full, settings("full", min_images=2))
    train, test = read_all(prepared)
    # The sky is in one room only, since a casino is none.
    assert prepared.names["segments"] == ["bed", "lamp"]
    assert prepared.notices[1] == "2 of 3 classes of objects are in at least 2 photographs"
    assert prepared.class_names == ["bedroom", "kitchen"]
    assert [sample.sample_id for sample in train + test] == [
        "ADE_train_00000001", "ADE_train_00000002", "ADE_val_00000001"
    ]  # fmt: skip
    assert train[1].source == "ADE20K_2021_17_01/images/ADE/training/home_or_hotel/bedroom/ADE_train_00000002.jpg"
    segments = [[(index, mask[3].nonzero()[0].tolist()) for index, mask in sample.segments] for sample in train + test]
    assert segments == [[(0, [1, 2, 3])], [(0, [0]), (0, [1]), (1, [2])], [(1, [0, 1, 2, 3])]]
    assert prepare(full, settings("full", min_images=1)).names["segments"] == ["bed", "lamp", "sky"]


def test_one_object_may_stand_without_its_list(tmp_path):
    file = tmp_path / "a.json"
    bed = {"name_ndx": 300, "name": "bed", "parts": {"part_level": 0}}
    # MATLAB writes a list of one without its brackets; free text may be in another encoding.
    file.write_bytes(json.dumps({"annotation": {"object": bed, "origin": "@"}}).encode().replace(b"@", b"caf\xe9"))
    assert read_object_names(file) == {300: "bed"}


def test_bad_samples_of_the_full_layout_are_named(full):
    place = full / "ADE20K_2021_17_01/images/ADE/training/home_or_hotel/bedroom"
    save(place / "ADE_train_00000001_seg.png", np.zeros((2, 4), np.uint8))
    for content in ("{", "[]", '{"annotation": {"object": [{"name_ndx": 3}]}}', '{"annotation": {"object": 3}}'):
        (place / "ADE_train_00000002.json").write_text(content)
        first, second = prepare(full, settings("full", min_images=1)).train
        with pytest.raises(BadSample, match=r"ADE_train_00000001_seg\.png: is no colour image"):
            first()
        with pytest.raises(BadSample, match=r"ADE_train_00000002\.json: no annotation of ADE20K \(.+\); replace it"):
            second()
    (place / "ADE_train_00000002.json").unlink()
    with pytest.raises(BadSample, match=r"ADE_train_00000002\.json: no such file"):
        prepare(full, settings("full")).train[1]()


@pytest.mark.parametrize("layout", ["scene_parsing", "full"])
def test_miniature(tmp_path, layout):
    wanted = settings(layout, size=32, min_images=1, miniature=Miniature(train=20, test=10, size=32, seed=5))
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (20, 10)
    assert prepared.class_names == list(ROOMS) == list(SUBJECTS["rooms"].class_names)
    names = prepared.names["segments"]
    for split, samples, word in (("train", train, "train"), ("test", test, "val")):
        found = {sample.sample_id: sample for sample in samples}
        for number, picture in enumerate(pictures("rooms", split, len(samples), size=32, seed=5), start=1):
            sample = found[f"ADE_{word}_{number:08d}"]
            assert sample.label == picture.label
            drawn: dict[str, np.ndarray] = {}
            for name, mask in picture.segments:
                drawn[name] = drawn.get(name, False) | mask
            read: dict[str, np.ndarray] = {}
            for index, mask in sample.segments:
                read[names[index]] = read.get(names[index], False) | mask
            assert read.keys() == drawn.keys() and all((read[name] == drawn[name]).all() for name in read)
            assert layout == "scene_parsing" or len(sample.segments) == len(picture.segments)


@pytest.mark.real_data
def test_real_bathroom(unpacked, tmp_path):
    """Of the three photographs of the benchmark at hand one is a room; the lists are whole."""
    source = unpacked("ade20k.tar") / "ADEChallengeData2016"
    prepared = prepare(source.parent, settings())
    assert prepared.class_names == list(ROOMS) and not prepared.notices
    assert {"train": len(prepared.train), "test": len(prepared.test)} == OFFICIAL
    names = prepared.names["segments"]
    assert (names[0], names[7], names[149], len(set(names))) == ("wall", "bed", "flag", 150)
    # Counted in the list apart from the reader.
    lines = (source / "sceneCategories.txt").read_text().splitlines()
    assert len(lines) == 22_210 and lines[35] == "ADE_train_00000036 bathroom"
    bathrooms = [line.split()[0] for line in lines if line.split()[1] == "bathroom"]
    assert len(bathrooms) == 738

    place = tmp_path / "ADEChallengeData2016"
    shutil.copytree(source, place)
    (place / "sceneCategories.txt").write_text(lines[35])
    ((bathroom,), ()) = read_all(prepare(tmp_path, settings(size=256)))
    found = {names[index]: mask for index, mask in bathroom.segments}
    assert {"wall", "floor", "sink", "mirror", "toilet"} <= found.keys()
    with Image.open(place / "annotations/training/ADE_train_00000036.png") as image:
        values = np.array(image)
    for name, mask in found.items():
        assert mask.mean() == pytest.approx((values == names.index(name) + 1).mean(), abs=0.01)


@pytest.mark.real_data
def test_real_scenes_of_the_full_release(unpacked, tmp_path):
    """Two streets: their images of classes and instances agree with their JSON files and with each instance's mask."""
    source = unpacked("ade20k.tar") / "ADE20K_2021_17_01/images/ADE/training/urban/street"
    for name, objects in (("ADE_train_00016869", 51), ("ADE_train_00016964", 24)):
        named = read_object_names(source / f"{name}.json")
        with Image.open(source / f"{name}_seg.png") as image:
            classes, instances = decode(np.array(image))
        assert set(np.unique(classes).tolist()) == {0, *named}
        assert len(np.unique(classes * 256 + instances)) == objects + 1
        listed = json.loads((source / f"{name}.json").read_text())["annotation"]["object"]
        whole = [item for item in listed if item["parts"]["part_level"] == 0]
        assert len(whole) == objects
        for item in whole[:6]:
            with Image.open(source / item["instance_mask"]) as image:
                visible = np.array(image) == 255
            assert np.unique(classes[visible]).tolist() == [item["name_ndx"]]
            assert len(np.unique(instances[visible])) == 1
    # Read as if the street were a room, at the size that is stored.
    room = tmp_path / "ADE20K_2021_17_01/images/ADE/training/home_or_hotel/kitchen"
    room.parent.mkdir(parents=True)
    room.symlink_to(source)
    prepared = prepare(tmp_path, settings("full", size=512, min_images=2))
    first, second = read_all(prepared)[0]
    shared = prepared.names["segments"]
    assert "car" in shared and "traffic light" in shared and "fountain" not in shared
    assert prepared.notices[1] == f"{len(shared)} of 18 classes of objects are in at least 2 photographs"
    cars = [mask for index, mask in first.segments if shared[index] == "car"]
    assert len(cars) == 11 and second.image.shape == (512, 512, 3)


@pytest.mark.real_data
def test_real_class_names(unpacked):
    names = read_class_names(unpacked("ade20k.tar") / "ADEChallengeData2016/objectInfo150.txt", "")
    assert {*SUBJECTS["rooms"].segment_names} & set(names) >= {"wall", "bed", "sofa", "mirror"}
