"""A study's files: from its slice of the settings to the paths of everything it combines. Imports nothing heavy.

The slice is plain values, as `pipeline.workflow.study_slice` makes it and `--settings` carries it:
{"study", "root", "title", "datasets", "methods", "explainers", "evaluations", "figures", "seeds"}, where the nouns are
mappings from instance name to that instance's settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import layout


@dataclass(frozen=True)
class Study:
    slice: dict

    @property
    def name(self) -> str:
        return self.slice["study"]

    @property
    def root(self) -> str:
        return self.slice["root"]

    @property
    def datasets(self) -> list[str]:
        return list(self.slice["datasets"])

    @property
    def methods(self) -> list[str]:
        return list(self.slice["methods"])

    def verdicts(self) -> list[str]:
        """The table of verdicts, if the study has methods to judge."""
        return [layout.claims(self.root, self.name)] if self.methods else []

    def runs(self) -> Iterator[tuple[str, str, int]]:
        """(dataset, method, seed) of every network that the study trains."""
        for dataset in self.slice["datasets"]:
            for method in self.slice["methods"]:
                for seed in range(self.slice["seeds"]):
                    yield dataset, method, seed

    def tables(self) -> list[str]:
        """Tables of the study's datasets, all splits."""
        return [layout.dataset(self.root, name, split) for name in self.slice["datasets"] for split in layout.SPLITS]

    def models(self) -> list[str]:
        return [layout.model(self.root, *run) for run in self.runs()]

    def histories(self) -> list[str]:
        return [layout.history(self.root, *run) for run in self.runs()]

    def explanations(self) -> list[str]:
        return [
            layout.explanation(self.root, dataset, method, explainer, seed)
            for dataset, method, seed in self.runs()
            for explainer in self.slice["explainers"]
        ]

    def evaluations(self) -> list[str]:
        return [
            layout.evaluation(self.root, name, dataset, method, seed)
            for name, settings in self.slice["evaluations"].items()
            for dataset, method, seed in self.runs()
            if dataset in (settings["datasets"] or (dataset,)) and method in (settings["methods"] or (method,))
        ]

    def figures(self) -> list[str]:
        return [layout.figure(self.root, self.name, figure) for figure in self.slice["figures"]]
