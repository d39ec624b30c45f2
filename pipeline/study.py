"""A study's files: from its slice of the settings to the paths of everything it combines. Imports nothing heavy.

The slice is plain values, as `pipeline.workflow.study_slice` makes it and `--settings` carries it:
{"study", "root", "title", "datasets", "annotators", "methods", "explainers", "evaluations", "figures", "seeds"}, where
the nouns are mappings from instance name to that instance's settings.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
            for method in self.methods_on(dataset):
                for seed in range(self.slice["seeds"]):
                    yield dataset, method, seed

    def methods_on(self, dataset: str) -> list[str]:
        """Methods by which networks are trained on that dataset."""
        methods = self.slice["methods"].items()
        return [name for name, settings in methods if dataset in (settings["datasets"] or (dataset,))]

    def networks_on(self, dataset: str) -> list[str]:
        """Those of `methods_on` that train a network: the others take images apart, and have bases to be measured."""
        methods = self.slice["methods"]
        return [name for name in self.methods_on(dataset) if methods[name]["network"]["from"] != "no_network"]

    def explained_on(self, dataset: str) -> list[tuple[str, str]]:
        """(method, explainer) of all networks on that dataset with the explainers that can explain their family."""
        return [
            (method, explainer)
            for method in self.networks_on(dataset)
            for explainer, settings in self.slice["explainers"].items()
            if not settings["families"] or self.slice["methods"][method]["network"]["from"] in settings["families"]
        ]

    def tables(self) -> list[str]:
        """Tables of the study's datasets, all splits."""
        return [layout.dataset(self.root, name, split) for name in self.slice["datasets"] for split in layout.SPLITS]

    def models(self) -> list[str]:
        return [layout.model(self.root, *run) for run in self.runs()]

    def histories(self) -> list[str]:
        return [layout.history(self.root, *run) for run in self.runs()]

    def annotations(self) -> Iterator[tuple[str, str, int]]:
        """(dataset, annotator, seed) of everything that the study has annotated."""
        for dataset in self.slice["datasets"]:
            for annotator, settings in self.slice["annotators"].items():
                if dataset in (settings["datasets"] or (dataset,)):
                    for seed in range(self.slice["seeds"]):
                        yield dataset, annotator, seed

    def annotators(self) -> list[str]:
        """Checkpoints of the annotators that draw anything."""
        blocks = self.slice["annotators"]
        return [layout.annotator(self.root, *one) for one in self.annotations() if blocks[one[1]]["share"] < 1]

    def masks(self) -> list[str]:
        return [layout.masks(self.root, *annotation) for annotation in self.annotations()]

    def mask_qualities(self) -> list[str]:
        return [layout.mask_quality(self.root, *annotation) for annotation in self.annotations()]

    def explanations(self) -> list[str]:
        return [
            layout.explanation(self.root, dataset, method, explainer, seed)
            for dataset in self.datasets
            for method, explainer in self.explained_on(dataset)
            for seed in range(self.slice["seeds"])
        ]

    def measurements(self) -> Iterator[tuple[str, str, str, int]]:
        """(evaluation, dataset, method, seed) of everything that the study measures."""
        for name, settings in self.slice["evaluations"].items():
            for dataset, method, seed in self.runs():
                methods = settings["methods"] or self.networks_on(dataset)
                if dataset in (settings["datasets"] or (dataset,)) and method in methods:
                    yield name, dataset, method, seed

    def evaluations(self) -> list[str]:
        return [layout.evaluation(self.root, *measurement) for measurement in self.measurements()]

    def figures(self) -> list[str]:
        return [layout.figure(self.root, self.name, figure) for figure in self.slice["figures"]]

    def recorded_scales(self) -> list[str]:
        """Scales of which results of the study are recorded in git."""
        return sorted(path.name for path in Path(layout.recorded(self.name, "", "")).glob("[!.]*"))

    def printed(self) -> list[str]:
        """Files in git with numbers in print and how ours relate to them; none without comparison.yaml."""
        paths = [layout.study_file(self.name, name) for name in ("comparison.yaml", "published.csv", "second_hand.csv")]
        return [path for path in paths if Path(path).is_file()] if Path(paths[0]).is_file() else []

    def compared(self) -> list[str]:
        """Files in git that the page lays beside the results; none without comparison.yaml."""
        recorded = [
            layout.recorded(self.name, scale, name)
            for scale in self.recorded_scales()
            for name in ("metrics.csv", "about.json")
        ]
        return [*self.printed(), *filter(os.path.isfile, recorded)] if self.printed() else []
