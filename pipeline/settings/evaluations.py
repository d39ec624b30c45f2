"""`evaluations`: a class per `from:`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.attacks import AnyAttack
from pipeline.settings.base import Name, PerDataset, PositiveShare
from pipeline.settings.explainers import AnyExplainer

#: At least one attack, each under a name.
Attacks = Annotated[dict[Name, AnyAttack], Field(min_length=1)]


class Evaluation(PerDataset):
    splits: ClassVar[tuple[str, ...]] = ("test",)
    """Parts of the dataset that the evaluation reads."""
    needs_explainers: ClassVar[bool] = False

    methods: tuple[Name, ...] | None = None
    """Only these method instances of a study; null means all that train a network."""
    explainers: tuple[Name, ...] = ()
    """Explainer instances whose maps are measured; empty for evaluations of the network itself."""
    measured_on: Name | None = None
    """Dataset with the same classes whose images are measured, in place of the one that the network was trained on;
    the results carry it as subset "images=<dataset>"."""

    @model_validator(mode="after")
    def _maps_are_of_the_images(self) -> "Evaluation":
        if self.measured_on is not None and self.explainers:
            raise ValueError("maps are of the images of the dataset trained on; leave out measured_on or explainers")
        return self


class Accuracy(Evaluation):
    """Top-1 accuracy on the test images."""

    kind: Literal["accuracy"] = Field(alias="from")


class Adversarial(Evaluation):
    """How often attacks on images succeed, and how far they go (csg.md E10, E11)."""

    kind: Literal["adversarial"] = Field(alias="from")
    attacks: Attacks
    """By the names that they have in the results."""
    targeted: bool = False
    """Towards a random other class, not just away from the right one."""
    samples: PositiveInt = 100
    """Attack the first so many test images that the network classifies correctly."""


class AdversarialDetection(Evaluation):
    """Whether random forests tell adversarial images from clean ones by their features (csg.md E10)."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["adversarial_detection"] = Field(alias="from")
    attacks: Attacks
    """On the network itself, by the names that they have in the results; each has detectors of its own."""
    targeted: bool = True
    """Towards a random other class, not just away from the right one."""
    sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (25, 50, 100)
    """Training images of each class that a detector learns from; one detector a size."""
    test_size: PositiveInt = 50
    """Test images of each class that it is tested on."""
    trees: PositiveInt = 100
    """Trees of a forest."""
    forests: PositiveInt = 5
    """Forests, with seeds of their own, over which errors are averaged."""


class AttributeFidelity(Evaluation):
    """How well single quantised features match attributes that training never saw: d_D (intersection.md section 5)."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["attribute_fidelity"] = Field(alias="from")
    bits: Annotated[int, Field(ge=1, le=8)] = 4
    """Features are quantised to 2^bits codes."""


class Backgrounds(Evaluation):
    """Accuracy with other backgrounds behind the objects of the test images (reff.md section 2.4)."""

    kind: Literal["backgrounds"] = Field(alias="from")
    margin: Annotated[float, Field(ge=0, lt=1)] = 15 / 224
    """Width of the rim around an object that is filled along with it before its image lends its background, as a share
    of the image's shorter side."""


class Decomposition(Evaluation):
    """How sparse bases and coefficients of decomposed images are, and what is lost (admm.md E8)."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["decomposition"] = Field(alias="from")


class FeatureClusters(Evaluation):
    """Whether k-means on the features finds the classes, and centres that look like the gates (csg.md E8)."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["feature_clusters"] = Field(alias="from")


class Fidelity(Evaluation):
    """How fast the prediction falls as the most relevant regions go: AOPC, MoRF (Samek et al. 2017)."""

    needs_explainers: ClassVar[bool] = True
    kind: Literal["fidelity"] = Field(alias="from")
    patch: PositiveInt = 9
    """Side of a region in pixels."""
    steps: tuple[PositiveInt, ...] = (20, 50, 100)
    """Numbers of removed regions L at which the curve is read."""
    draws: PositiveInt = 5
    """Repetitions with other random replacements."""


class FilterCorrelation(Evaluation):
    """Absolute cosines between filters, within and between the groups of the gates (csg.md E6)."""

    splits: ClassVar[tuple[str, ...]] = ()
    kind: Literal["filter_correlation"] = Field(alias="from")


class FilterMasking(Evaluation):
    """What is predicted when the filters of some classes are closed, or only they are open (csg.md E7)."""

    kind: Literal["filter_masking"] = Field(alias="from")
    closed: Annotated[tuple[Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)], ...], Field(min_length=1)] = (
        (0,),
        (0, 5),
    )
    """Sets of classes, by number, whose filters are closed together and shown in detail; besides, every class is closed
    by itself."""
    filters: PositiveInt | None = None
    """Filters of a class for a method without gates; null means all filters over classes, rounded down."""


class Gates(Evaluation):
    """How dense the gates are, and how the classifier follows them (csg.md E1, E4, appendices A and E)."""

    splits: ClassVar[tuple[str, ...]] = ()
    kind: Literal["gates"] = Field(alias="from")


class GateSimilarity(Evaluation):
    """Cosines of mean features and gates on true positives and false negatives (csg.md E5)."""

    kind: Literal["gate_similarity"] = Field(alias="from")


class LearningCurve(Evaluation):
    """Best and last accuracy on watched images, and how soon it is reached (admm.md E1, E2, E4, E5)."""

    splits: ClassVar[tuple[str, ...]] = ()
    kind: Literal["learning_curve"] = Field(alias="from")
    levels: tuple[PositiveShare, ...] = (0.9, 0.95, 0.97)
    """Accuracies whose first epoch, and second where the method's `clock` is on, are measured."""


class LinearProbe(Evaluation):
    """Accuracy of linear classifiers of each attribute on frozen features."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["linear_probe"] = Field(alias="from")
    features: Literal["maps", "scores", "nmf", "pca"] = "maps"
    """What a position of the last maps has: its channels as they are; the scores of a deepfacto method; or scores of a
    non-negative factorisation, or principal components, that are fitted to the training images' maps here."""
    rank: PositiveInt | None = None
    """r, the factors of nmf and the components of pca."""
    pooling: Literal["none", "mean", "max"] = "mean"
    """What is read of an image: all positions, or the mean or the largest of them."""
    positions: PositiveInt = 50000
    """Most positions, drawn from all training images, to which nmf and pca are fitted."""
    regularisation: PositiveFloat | Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] = (
        0.001, 0.01, 0.1, 1.0, 10.0,
    )  # fmt: skip
    """C of the support vector machine, smaller is smoother; of several each attribute gets the one that is most often
    right on training images that are held out."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts that are held out in turn; images of one group, where the dataset has groups, are in one part."""

    @model_validator(mode="after")
    def _has_a_rank_where_it_fits(self) -> "LinearProbe":
        if (self.rank is not None) != (self.features in ("nmf", "pca")):
            raise ValueError(f"features: nmf and pca need a rank, others have none of their own; found {self.rank}")
        return self


class Localisation(Evaluation):
    """Whether maps, and single filters, find the object (csg.md E9, reff.md)."""

    kind: Literal["localisation"] = Field(alias="from")
    filters: bool = True
    """Measure single filters besides the maps of explainers; without them the settings below that speak of filters or
    gradient maps have no effect."""
    samples: PositiveInt | None = None
    """Use only the first so many test images for the filters; null means all."""
    share: PositiveShare = 0.3
    """Share of the largest values that become the predicted mask."""
    overlap: Annotated[int, Field(ge=1, le=100)] = 30
    """n of APn for maps and for activations of single filters, in percent."""
    gradient_filters: PositiveInt = 30
    """Most active filters of a class whose gradient maps are measured."""
    gradient_samples: PositiveInt = 100
    """Test images on which gradient maps are measured."""
    gradient_overlap: Annotated[int, Field(ge=1, le=100)] = 20
    """n of APn for gradient maps, in percent."""
    gradient_blur: PositiveFloat = 5.0
    """Standard deviation of their blur in pixels of an image of 128 × 128; the released code has 30."""
    gradient_truncate: PositiveFloat = 3.0
    """Standard deviations at which the kernel of the blur ends; the released code has 1."""
    gradient_drawn: PositiveInt | None = None
    """Filters, drawn at random, whose gradient maps are also measured filter by filter (appendix H.1); null means none,
    since each costs a backward pass for every image."""


class MapRobustness(Evaluation):
    """How much maps change under a small change of the image that keeps the prediction (normat.md section 8.3)."""

    kind: Literal["map_robustness"] = Field(alias="from")
    explainer: AnyExplainer
    """Explainer that is attacked; it must be one of gradients."""
    radii: tuple[PositiveFloat, ...] = (0.25, 0.5, 1.0)
    """Euclidean radii of the attack, for images in 0..1."""
    steps: PositiveInt = 10
    step: PositiveFloat = 0.01
    """Length of a step as a share of the radius."""
    softplus: PositiveFloat | None = 30.0
    """β of the softplus that stands for ReLU when steps are chosen; null takes the network as it is."""
    top: PositiveShare = 0.4
    """Share of the entries with non-zero attribution that count as top."""
    samples: PositiveInt = 100


class MutualInformation(Evaluation):
    """Mutual information score of the last stage's filters (csg.md E1)."""

    kind: Literal["mutual_information"] = Field(alias="from")
    neighbours: PositiveInt = 3
    """Neighbours of the k-NN estimator."""
    samples: PositiveInt | None = None
    """Use only the first so many test images; scores of different sizes do not compare."""


class Randomisation(Evaluation):
    """How maps change as layers are re-initialised one after another (Adebayo et al. 2018; normat.md section 8.6)."""

    kind: Literal["randomisation"] = Field(alias="from")
    explainer: AnyExplainer
    samples: PositiveInt = 64


class ScoreMaps(Evaluation):
    """Where the scores of a factorisation are: how concentrated each is, and heat maps of some (admm.md E7)."""

    kind: Literal["score_maps"] = Field(alias="from")
    dimensions: PositiveInt = 3
    """Scores whose heat maps are kept: those most concentrated in space."""
    images: PositiveInt = 8
    """First so many test images whose heat maps are kept."""


class Sparsity(Evaluation):
    """Gini index of attribution maps (normat.md section 8.1)."""

    splits: ClassVar[tuple[str, ...]] = ()
    needs_explainers: ClassVar[bool] = True
    kind: Literal["sparsity"] = Field(alias="from")


AnyEvaluation = Annotated[
    Accuracy
    | Adversarial
    | AdversarialDetection
    | AttributeFidelity
    | Backgrounds
    | Decomposition
    | FeatureClusters
    | Fidelity
    | FilterCorrelation
    | FilterMasking
    | Gates
    | GateSimilarity
    | LearningCurve
    | LinearProbe
    | Localisation
    | MapRobustness
    | MutualInformation
    | Randomisation
    | ScoreMaps
    | Sparsity,
    Field(discriminator="kind"),
]
