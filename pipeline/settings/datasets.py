"""`datasets`: a class per `from:`. Shapes are height × width; pixel values are on the scale 0..1."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from pipeline.settings.base import PositiveShare, Section

Share = Annotated[float, Field(ge=0, le=1)]

#: Numbers of classes that are taken together.
Group = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class Augment(Section):
    """Random changes to each training image; the test images are never changed."""

    crop_padding: NonNegativeInt = 0
    """Pad by this many pixels on each side with zeros and crop back to the image's size at a random place."""
    resized_crop: tuple[PositiveShare, PositiveShare] | None = None
    """Crop a random rectangle, of a share of the area between these two and sides of 3:4 to 4:3, and enlarge it to the
    image's size, as is usual on ImageNet: [0.08, 1]. Null means no."""
    flip: bool = False
    """Mirror left and right with probability one half."""
    shift: NonNegativeInt = 0
    """Move by up to this many pixels along each axis, around the edge."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.resized_crop and self.resized_crop[0] > self.resized_crop[1]:
            raise ValueError(f"resized_crop {list(self.resized_crop)} must be the smaller share, then the larger")
        return self


class Dataset(Section):
    augment: Augment = Augment()
    limit_train: PositiveInt | None = None
    """Keep only the first so many training images."""
    limit_test: PositiveInt | None = None
    """Keep only the first so many test images."""
    hold_out: PositiveInt | None = None
    """The last so many training images stand in for the test images, and are not trained on: to choose settings by."""
    on_error: Literal["stop", "skip"] = "stop"
    """A sample that cannot be used (truncated image, wrong mask, no annotation): stop, or skip and count it."""

    @property
    def drawn(self) -> bool:
        """Whether its raw files are drawn in miniature."""
        return False


class Miniature(Section):
    """A small tree in a dataset's official layout, drawn by toyworld: for a look, a demo or a test, no download."""

    train: PositiveInt = 48
    """Training pictures."""
    test: PositiveInt = 24
    """Test pictures."""
    size: PositiveInt = 96
    """Side of each picture in pixels."""
    seed: NonNegativeInt = 0
    """Seed of the drawing."""
    spurious: Share = 0.0
    """Share of the training pictures whose background tells the class; in test pictures it never does."""


class Photos(Dataset):
    """Photographs of any size, stored at one size."""

    size: PositiveInt = 224
    """Side of the stored images in pixels."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """crop: the square in the middle; pad: the whole, with zeros around it; stretch: the whole, changing its aspect."""


class Layout(Photos):
    """Photographs with annotations, read from a tree of files in its official layout."""

    fit: Literal["crop", "pad", "stretch"] = "stretch"
    """As of other photographs; stretch, as the papers do, lets no annotated part leave the frame."""
    miniature: Miniature | None = None
    """Read a small tree in the same layout, drawn by toyworld, in place of the official files."""

    @property
    def drawn(self) -> bool:
        return self.miniature is not None


class TenClasses(Dataset):
    """Ten classes, of which coarser ones can be made."""

    group_classes: Annotated[tuple[Group, ...], Field(min_length=2)] | None = None
    """Sets of classes, by number, that become one label each: [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]] is even and odd. The
    ten classes become attributes, which training never sees. Null means ten labels and no attributes."""

    @model_validator(mode="after")
    def _in_one_group_each(self) -> Self:
        named = sorted(label for group in self.group_classes or (range(10),) for label in group)
        if named != list(range(10)):
            raise ValueError(f"group_classes must name each of the classes 0..9 once, not {named}")
        return self


class Digits(TenClasses):
    """Handwritten digits that ship with scikit-learn: 1797 real scans, 8×8, 10 classes (csg.md section 10.2)."""

    kind: Literal["digits"] = Field(alias="from")
    size: PositiveInt = 16
    """Side in pixels after bilinear enlargement."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of fixed Gaussian noise, on the scale 0..1."""
    train: PositiveInt = 1297
    """Training images; the rest of the 1797 are the test images."""


class Mnist(TenClasses):
    """MNIST: 60,000 + 10,000 handwritten digits, 28×28 grey."""

    kind: Literal["mnist"] = Field(alias="from")


class FashionMnist(TenClasses):
    """Fashion-MNIST: 60,000 + 10,000 articles of clothing, 28×28 grey."""

    kind: Literal["fashion_mnist"] = Field(alias="from")


class Kmnist(TenClasses):
    """Kuzushiji-MNIST: 60,000 + 10,000 cursive Japanese characters, 28×28 grey, 10 classes."""

    kind: Literal["kmnist"] = Field(alias="from")


class Usps(TenClasses):
    """USPS: 7,291 + 2,007 handwritten digits from envelopes, 16×16 grey."""

    kind: Literal["usps"] = Field(alias="from")


class Cifar10(Dataset):
    """CIFAR-10: 50,000 + 10,000 photographs, 32×32 RGB, 10 classes."""

    kind: Literal["cifar10"] = Field(alias="from")


class Imagenette(Photos):
    """Imagenette: 9,469 + 3,925 photographs of ten ImageNet classes (normat.md section 5.2)."""

    kind: Literal["imagenette"] = Field(alias="from")


class ImageFolder(Photos):
    """Your own images: a folder a class, with masks where you have them."""

    kind: Literal["image_folder"] = Field(alias="from")
    path: str = Field(min_length=1)
    """Folder with a sub-folder a class, or with train/ and test/ that have those; relative to run.raw_dir."""
    masks: str | None = None
    """Folder with a mask an image, at the same relative path but .png, non-zero on the object."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of each class that becomes the test images, where there are no folders train/ and test/."""
    seed: NonNegativeInt = 0
    """Seed of that split."""


class TexturedDigits(Dataset):
    """Textured MNIST: a digit filled with one texture before another, RGB (reff.md section 2.1)."""

    kind: Literal["textured_digits"] = Field(alias="from")
    digits: Literal["digits", "mnist", "fashion_mnist", "kmnist", "usps"] = "digits"
    """Where the shapes come from; digits are the scans that ship with scikit-learn."""
    textures: Literal["bundled", "dtd"] = "bundled"
    """bundled: procedural ones and photographs that ship with scikit-image; dtd: Describable Textures."""
    size: PositiveInt = 32
    """Side of the images in pixels."""
    digit_size: PositiveInt = 32
    """Side of the digit in pixels; one smaller than the image is put at a random place."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Brightness of the enlarged digit above which a pixel belongs to its shape."""
    background_randomness: Share = 0.0
    """Probability that a training background is drawn from all background textures, not from those of its digit."""
    texture_randomness: Share = 0.0
    """Probability that a digit's texture is drawn from all digit textures, not its own one; of both splits."""
    test_background_randomness: Share = 1.0
    """The same as background_randomness, of the test images."""
    test_background_shift: NonNegativeInt = 0
    """Test backgrounds that are not random come from the textures of the digit so many further: 1 misleads."""
    texture_split: Literal["disjoint", "shared"] = "disjoint"
    """Whether training and test images draw from different pictures of a texture, or from the same ones."""
    digit_range: tuple[Share, Share] = (0.0, 1.0)
    """Intensities that the digit's texture is squeezed into."""
    background_range: tuple[Share, Share] = (0.0, 1.0)
    """Intensities that the background's texture is squeezed into."""
    seed: NonNegativeInt = 0
    """Seed of all draws; row i of a split is the same whatever the limits."""


class Cells(Dataset):
    """Synthesised cells: ten classes of three families before three backgrounds, RGB (normat.md section 5.1)."""

    kind: Literal["cells"] = Field(alias="from")
    size: PositiveInt = 512
    """Side in pixels; every length of the generator scales with it."""
    train: PositiveInt = 4096
    """Training images."""
    test: PositiveInt = 1024
    """Test images."""
    seed: NonNegativeInt = 0
    """Seed of all draws; image i of a split is the same whatever the number of images."""


class VocAnimals(Layout):
    """Animals of six classes cut out of PASCAL VOC, with their masks (csg.md section 4)."""

    kind: Literal["voc_animals"] = Field(alias="from")
    size: PositiveInt = 128
    layout: Literal["parts", "processed", "segmentation"] = "parts"
    """parts: VOC 2010 with PASCAL-Part; processed: the official release's cut-outs; segmentation: VOC's own masks."""
    year: Literal["2007", "2008", "2009", "2010", "2011", "2012"] = "2012"
    """Edition of VOC that the layout segmentation reads; the layout parts is about 2010."""


class PlacesRooms(Layout):
    """Rooms of ten categories from ADE20K, with a segment for every object (xnn.md section 11.2)."""

    kind: Literal["places_rooms"] = Field(alias="from")
    layout: Literal["scene_parsing", "full"] = "scene_parsing"
    """scene_parsing: ADEChallengeData2016, 150 object classes; full: ADE20K_2021_17_01, all of them."""
    min_images: PositiveInt = 10
    """Of the full layout, keep the object classes that occur in at least so many images."""


class Places365(Layout):
    """Photographs of ten room categories of Places365, and of all others as negatives (xnn.md section 5)."""

    kind: Literal["places365"] = Field(alias="from")
    positives_train: PositiveInt = 4000
    """Training images of each room category."""
    positives_test: PositiveInt = 1000
    """Test images of each room category."""
    negatives_train: NonNegativeInt = 20000
    """Training images of other categories."""
    negatives_test: NonNegativeInt = 4000
    """Test images of other categories."""
    seed: NonNegativeInt = 0
    """Seed of the choice of images."""


class Cub(Layout):
    """CUB-200-2011: 11,788 photographs of birds with boxes, 15 parts and 312 attributes; gaze from CUB-GHA."""

    kind: Literal["cub"] = Field(alias="from")
    attributes: Literal["image", "class", "none"] = "image"
    """image: as seen in each photograph; class: those that most people see in the class; none: do not read them."""
    invisible: Literal["as_marked", "absent"] = "as_marked"
    """What to make of an attribute that was marked without being visible (certainty 1)."""
    gaze: bool = False
    """Read where people looked: finished heat maps, or else the text of fixations."""
    grey: bool = True
    """Keep the eight grey photographs, which the paper with gaze leaves out (normat.md section 5.3)."""


class OxfordPets(Layout):
    """Oxford-IIIT Pet: 3,680 + 3,669 photographs of cats and dogs with trimaps (reff.md section 2.3)."""

    kind: Literal["oxford_pets"] = Field(alias="from")
    labels: Literal["breed", "species"] = "breed"
    """breed: 37 classes; species: cat or dog."""


class Isic2017(Layout):
    """ISIC 2017: 2,000 + 600 photographs of skin lesions with masks (reff.md section 2.2)."""

    kind: Literal["isic2017"] = Field(alias="from")
    labels: Literal["diagnosis", "melanoma"] = "diagnosis"
    """diagnosis: melanoma, seborrheic keratosis or nevus; melanoma: yes or no."""
    masks: bool = True
    """Read the lesions' masks (Part 1)."""
    test_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Take so large a share of the training images as test images, where the official test images are not at hand."""


class Awa2(Layout):
    """Animals with Attributes 2: 37,322 photographs, 50 classes with 85 attributes each (intersection.md section 8)."""

    kind: Literal["awa2"] = Field(alias="from")
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the photographs that are test images."""
    seed: NonNegativeInt = 0
    """Seed of that split."""


class Apascal(Layout):
    """aPascal: objects of 20 classes in VOC 2008 with 64 attributes (intersection.md section 8)."""

    kind: Literal["apascal"] = Field(alias="from")
    unit: Literal["image", "object"] = "image"
    """image: one sample a photograph, labelled by its largest box; object: one sample a box, cut out."""


class Ayahoo(Layout):
    """aYahoo: objects of 12 classes with 64 attributes, cut out (intersection.md section 8)."""

    kind: Literal["ayahoo"] = Field(alias="from")
    split: Literal["object", "image"] = "object"
    """object: at random, as published; image: objects of one photograph stay together."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the objects that are test images."""
    seed: NonNegativeInt = 0
    """Seed of that split."""


class Lfwa(Layout):
    """LFWA: 13,233 faces with 40 attributes (admm.md section 4.3). The label is an attribute, or the person."""

    kind: Literal["lfwa"] = Field(alias="from")
    size: PositiveInt = 160
    label: str = "Male"
    """Attribute that serves as class; person for who it is, whom the official test images do not show again."""


class Toyworld(Dataset):
    """Drawn pictures of which everything is known: creatures, rooms, faces or lesions."""

    kind: Literal["toyworld"] = Field(alias="from")
    subject: Literal["creatures", "rooms", "faces", "lesions"] = "creatures"
    """What the pictures show."""
    size: PositiveInt = 64
    """Side in pixels."""
    train: PositiveInt = 1000
    """Training pictures."""
    test: PositiveInt = 500
    """Test pictures."""
    seed: NonNegativeInt = 0
    """Seed of the drawing; picture i of a split is the same whatever their number."""
    spurious: Share = 0.0
    """Share of the training pictures whose background tells the class; in test pictures it never does."""


AnyDataset = Annotated[
    Digits
    | Mnist
    | FashionMnist
    | Kmnist
    | Usps
    | Cifar10
    | Imagenette
    | ImageFolder
    | TexturedDigits
    | Cells
    | VocAnimals
    | PlacesRooms
    | Places365
    | Cub
    | OxfordPets
    | Isic2017
    | Awa2
    | Apascal
    | Ayahoo
    | Lfwa
    | Toyworld,
    Field(discriminator="kind"),
]
