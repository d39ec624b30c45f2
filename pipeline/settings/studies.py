"""`studies`: which datasets, annotators, methods, explainers and evaluations a paper combines, over how many seeds."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator

from pipeline.settings.base import Name, Section


class Study(Section):
    title: str
    """Title of the paper, as the report shows it."""
    datasets: tuple[Name, ...] = Field(min_length=1)
    annotators: tuple[Name, ...] = ()
    """Annotator instances whose masks the study shows; those that its methods name come along by themselves."""
    methods: tuple[Name, ...] = ()
    """Method instances; the name of a grid means all of its instances. Without any, the study shows its datasets."""
    explainers: tuple[Name, ...] = ()
    evaluations: tuple[Name, ...] = ()
    figures: tuple[Name, ...] = ()
    seeds: PositiveInt = 3
    """Number of independent runs; their seeds are 0, 1, 2, …"""

    @model_validator(mode="after")
    def _methods_are_evaluated(self) -> Self:
        if bool(self.methods) != bool(self.evaluations):
            raise ValueError("methods and evaluations go together: name at least one of both, or none of either")
        return self
