"""`evaluations`: a class per `from:`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from pipeline.settings.base import Name, Section


class Evaluation(Section):
    splits: ClassVar[tuple[str, ...]] = ("test",)
    """Parts of the dataset that the evaluation reads."""
    needs_explainers: ClassVar[bool] = False

    methods: tuple[Name, ...] | None = None
    """Only these method instances of a study; null means all."""
    explainers: tuple[Name, ...] = ()
    """Explainer instances whose maps are measured; empty for evaluations of the network itself."""

    def slice(self) -> dict:
        """Without `methods`, which decides what jobs there are, not what one of them does."""
        return self.model_dump(mode="json", by_alias=True, exclude={"methods"})


class Accuracy(Evaluation):
    """Top-1 accuracy on the test images."""

    kind: Literal["accuracy"] = Field(alias="from")


class MutualInformation(Evaluation):
    """Mutual information score of the last stage's filters (csg.md E1)."""

    kind: Literal["mutual_information"] = Field(alias="from")
    neighbours: PositiveInt = 3
    """Neighbours of the k-NN estimator."""
    samples: PositiveInt | None = None
    """Use only the first so many test images; scores of different sizes do not compare."""


class GateDensity(Evaluation):
    """L1-density of the gate matrix and its theoretical interval (csg.md E1, appendix A)."""

    splits: ClassVar[tuple[str, ...]] = ()
    kind: Literal["gate_density"] = Field(alias="from")


class Sparsity(Evaluation):
    """Gini index of attribution maps (normat.md)."""

    splits: ClassVar[tuple[str, ...]] = ()
    needs_explainers: ClassVar[bool] = True
    kind: Literal["sparsity"] = Field(alias="from")


AnyEvaluation = Annotated[Accuracy | MutualInformation | GateDensity | Sparsity, Field(discriminator="kind")]
