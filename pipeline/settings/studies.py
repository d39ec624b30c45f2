"""`studies`: which datasets, methods, explainers and evaluations a paper combines, and over how many seeds."""

from pydantic import Field, PositiveInt

from pipeline.settings.base import Name, Section


class Study(Section):
    title: str
    """Title of the paper, as the report shows it."""
    datasets: tuple[Name, ...] = Field(min_length=1)
    methods: tuple[Name, ...] = Field(min_length=1)
    """Method instances; the name of a grid means all of its instances."""
    explainers: tuple[Name, ...] = ()
    evaluations: tuple[Name, ...] = Field(min_length=1)
    figures: tuple[Name, ...] = ()
    seeds: PositiveInt = 3
    """Number of independent runs; their seeds are 0, 1, 2, …"""
