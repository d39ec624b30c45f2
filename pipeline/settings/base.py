"""What all settings sections share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

#: Name of an instance. It becomes part of paths and of Snakemake wildcards.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]

#: A part of a whole.
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A block of params.yaml: unknown keys are errors, values do not change once read."""

    # Each job reads a block or two of a hundred kinds: what checks a kind is built when it is first used.
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True, defer_build=True
    )

    def slice(self) -> dict:
        """The block as plain values, defaults filled in: what a job is given and what decides whether it runs again."""
        return self.model_dump(mode="json", by_alias=True)


class PerDataset(Section):
    """A block of which a study makes jobs for each of its datasets, or for those that make sense."""

    datasets: tuple[Name, ...] | None = None
    """Only these datasets of a study, such as those with masks; null means all."""

    def slice(self) -> dict:
        """Without what decides which jobs there are, not what one of them does."""
        return self.model_dump(mode="json", by_alias=True, exclude={"datasets", "methods"})
