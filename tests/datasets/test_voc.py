"""VOC's boxes and label images: by hand, at random, and the official masks beside boxes reckoned from them."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.formats.voc import CLASSES, EDITIONS, VocObject, palette, read_instances, read_objects
from pipeline.datasets.samples import BadSample

DOG = """<object><name>dog</name>{flags}<bndbox><xmin>3</xmin><ymin>1</ymin><xmax>10</xmax><ymax>4.5</ymax></bndbox>
<part><name>head</name><bndbox><xmin>3</xmin><ymin>1</ymin><xmax>4</xmax><ymax>2</ymax></bndbox></part></object>"""


def written(folder: Path, content: str) -> Path:
    file = folder / "2008_000001.xml"
    file.write_text(f"<annotation><filename>2008_000001.jpg</filename>{content}</annotation>")
    return file


def test_boxes_count_from_zero(tmp_path):
    flags = "<truncated>1</truncated><difficult>0</difficult>"
    objects = read_objects(written(tmp_path, DOG.format(flags=flags) + DOG.format(flags="")))
    # Columns 3 to 10 of VOC are the eight columns from 2; parts of an object are none.
    assert objects == [
        VocObject(name="dog", bbox=(2, 0, 8, 4.5), difficult=False, truncated=True),
        VocObject(name="dog", bbox=(2, 0, 8, 4.5), difficult=False, truncated=False),
    ]
    assert read_objects(written(tmp_path, "")) == []


ENDS = st.tuples(st.integers(1, 500), st.integers(1, 500)).map(sorted)


@given(st.lists(st.tuples(st.sampled_from(CLASSES), ENDS, ENDS, st.booleans(), st.booleans()), max_size=5))
def test_random_boxes_come_back(tmp_path_factory, objects):
    root = ElementTree.Element("annotation")
    for name, (xmin, xmax), (ymin, ymax), difficult, truncated in objects:
        element = ElementTree.SubElement(root, "object")
        for tag, value in {"name": name, "difficult": int(difficult), "truncated": int(truncated)}.items():
            ElementTree.SubElement(element, tag).text = f" {value} "
        box = ElementTree.SubElement(element, "bndbox")
        for tag, value in {"ymax": ymax, "xmin": xmin, "xmax": xmax, "ymin": ymin}.items():
            ElementTree.SubElement(box, tag).text = str(value)
    file = tmp_path_factory.mktemp("voc") / "a.xml"
    ElementTree.ElementTree(root).write(file)
    columns = [[column for column in range(1000) if xmin <= column + 1 <= xmax] for _, (xmin, xmax), *_ in objects]
    rows = [[row for row in range(1000) if ymin <= row + 1 <= ymax] for _, _, (ymin, ymax), *_ in objects]
    assert read_objects(file) == [
        VocObject(name, (x[0], y[0], len(x), len(y)), difficult, truncated)
        for (name, _, _, difficult, truncated), x, y in zip(objects, columns, rows, strict=True)
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<object><bndbox/></object>", "an object has no <name>"),
        ("<object><name>cat</name></object>", "'cat' has no <bndbox>"),
        (DOG.format(flags="").replace("<xmax>10</xmax>", "", 1), "<xmax> of 'dog' is missing"),
        (DOG.format(flags="").replace("10", "ten", 1), "<xmax> of 'dog' is 'ten'; give a number"),
        (DOG.format(flags="").replace("10", "nan", 1), "<xmax> of 'dog' is 'nan'; give a number"),
        (DOG.format(flags="").replace("10", "2", 1), "the box of 'dog' is inverted, 3, 1 to 2, 4.5"),
        (DOG.format(flags="<difficult>maybe</difficult>"), "<difficult> of 'dog' is 'maybe'; give 0 or 1"),
        ("<object>", "not an XML file"),
        ("<!-- --><!DOCTYPE a [<!ENTITY b 'c'>]>", "declares a document type or entities"),
    ],
)
def test_bad_annotations_are_named(tmp_path, content, reason):
    with pytest.raises(BadSample) as caught:
        read_objects(written(tmp_path, content))
    assert "2008_000001.xml: " in str(caught.value) and reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_annotations_are_named(tmp_path):
    with pytest.raises(BadSample, match=r"absent\.xml: no such file"):
        read_objects(tmp_path / "absent.xml")
    # In another encoding a document type could hide.
    (tmp_path / "wide.xml").write_bytes("<!DOCTYPE a><annotation/>".encode("utf-16"))
    with pytest.raises(BadSample, match=r"wide\.xml: no readable annotation"):
        read_objects(tmp_path / "wide.xml")


def save_labels(folder: Path, objects: list[list[int]], classes: list[list[int]]) -> None:
    for kind, values in {"Object": objects, "Class": classes}.items():
        (folder / f"Segmentation{kind}").mkdir(exist_ok=True)
        image = Image.fromarray(np.array(values, np.uint8))
        image.putpalette(palette())
        image.save(folder / f"Segmentation{kind}" / "a.png")


def test_instances_have_the_class_of_most_of_their_pixels(tmp_path):
    save_labels(
        tmp_path,
        [[1, 1, 255, 0], [1, 1, 255, 3], [255, 255, 255, 3]],
        [[12, 12, 255, 0], [8, 12, 255, 255], [255, 255, 255, 20]],
    )
    dog, screen = read_instances(tmp_path, "a", (3, 4))
    assert (dog.number, CLASSES[dog.label], dog.mask.nonzero()[0].tolist()) == (1, "dog", [0, 0, 1, 1])
    assert (screen.number, CLASSES[screen.label], screen.mask.nonzero()[1].tolist()) == (3, "tvmonitor", [3, 3])


def test_bad_label_images_are_named(tmp_path):
    save_labels(tmp_path, [[1, 2]], [[3, 255]])
    with pytest.raises(BadSample, match=r"SegmentationClass/a\.png: gives object 2 no class"):
        list(read_instances(tmp_path, "a"))
    with pytest.raises(BadSample, match=r"SegmentationObject/a\.png: is 2×1 pixels, its photograph is 3×2 pixels"):
        list(read_instances(tmp_path, "a", (2, 3)))
    with pytest.raises(BadSample, match=r"SegmentationObject/b\.png: no such file"):
        list(read_instances(tmp_path, "b"))
    save_labels(tmp_path, [[1, 2, 0]], [[3, 3, 0]])
    Image.new("RGB", (3, 1)).save(tmp_path / "SegmentationClass/a.png")
    with pytest.raises(BadSample, match=r"SegmentationClass/a\.png: is in colour"):
        list(read_instances(tmp_path, "a"))
    Image.new("L", (2, 1)).save(tmp_path / "SegmentationClass/a.png")
    with pytest.raises(BadSample, match=r"SegmentationClass/a\.png: is 2×1 pixels"):
        list(read_instances(tmp_path, "a"))


def test_palette_is_the_published_one():
    colours = np.array(palette()).reshape(256, 3)
    # Background, aeroplane, bicycle, bird, tvmonitor and void as the development kit shows them.
    expected = {
        0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 20: (0, 64, 128), 255: (224, 224, 192)
    }  # fmt: skip
    assert {value: tuple(colours[value].tolist()) for value in expected} == expected


def test_editions_lie_where_their_archives_unpack(tmp_path):
    assert EDITIONS["2011"].place(tmp_path) == tmp_path / "TrainVal/VOCdevkit/VOC2011"
    assert EDITIONS["2012"].place(tmp_path) == tmp_path / "VOCdevkit/VOC2012"
    assert EDITIONS["2008"].urls[0].endswith("/voc2008/VOCtrainval_14-Jul-2008.tar")


@pytest.mark.real_data
def test_real_masks_agree_with_boxes_reckoned_from_them(unpacked):
    folder = unpacked("voc2012.tar") / "VOCdevkit/VOC2012"
    files = sorted((folder / "Annotations_derived").glob("*.xml"))
    assert len(files) == 245
    count = 0
    for file in files:
        found = []
        for instance in read_instances(folder, file.stem):
            rows, columns = instance.mask.nonzero()
            size = np.ptp(columns) + 1, np.ptp(rows) + 1
            found.append((CLASSES[instance.label], (columns.min(), rows.min(), *size)))
        assert found == [(item.name, item.bbox) for item in read_objects(file)]
        count += len(found)
    assert count == 489
    with Image.open(folder / "SegmentationClass" / f"{file.stem}.png") as image:
        assert image.getpalette() == palette()
