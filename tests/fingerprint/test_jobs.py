"""Digests of the real jobs: new code reaches those that run it, and no others."""

from pathlib import Path

import pytest
from edited_package import changed, forget

from pipeline import workflow
from pipeline.registry import TABLES
from pipeline.settings import load

SETTINGS = load(Path(__file__).parents[2] / "params.yaml")

#: Verb of a job, and the section of its instances.
SECTIONS = {"prepare": "datasets", "train": "methods", "evaluate": "evaluations"}


def of_kind(verb: str, *kinds: str) -> set[str]:
    """Jobs of all instances that are `from` one of the kinds."""
    blocks = getattr(SETTINGS, SECTIONS[verb])
    return {f"{verb} {name}" for name, block in blocks.items() if block.kind in kinds}


#: Explainers that stand on the input gradient.
PIXELS = {
    f"explain {name}"
    for name in (
        "input_gradient", "input_x_gradient", "integrated_gradients", "smooth_grad", "sparsified_gradient",
        "sparsified_smooth_grad", "sparse_moreau_grad",
    )
}  # fmt: skip

#: Trainings that stand on Grad-CAM.
FOCUSED = of_kind("train", "reff", "map_error", "gain")


def jobs() -> dict[str, str]:
    """Digest of every job that the settings name."""
    network = SETTINGS.methods["std"].network
    codes = {
        **{f"prepare {name}": workflow.prepare_code(block) for name, block in SETTINGS.datasets.items()},
        **{f"train {name}": workflow.train_code(block) for name, block in SETTINGS.methods.items()},
        **{f"explain {name}": workflow.explain_code(block, network) for name, block in SETTINGS.explainers.items()},
        **{f"evaluate {name}": workflow.evaluate_code(block, network) for name, block in SETTINGS.evaluations.items()},
        **{f"figure {name}": workflow.figure_code(name) for name in TABLES["figure"]},
        "claims": workflow.claims_code(),
        "page": workflow.page_code(),
    }
    return {job: code.digest for job, code in codes.items()}


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """Those of the package as it is."""
    forget()
    return jobs()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("methods.csg", {"train csg", "train csg_fixed"}),
        ("methods.std", of_kind("train", "std")),
        ("metrics.sparsity", {"evaluate sparsity", "evaluate decomposition"}),
        ("evaluations.accuracy", of_kind("evaluate", "accuracy")),
        ("explainers.cam", {"explain cam", "explain grad_cam"} | FOCUSED),
        ("explainers.filter_gradient", {"explain filter_gradient"} | of_kind("evaluate", "localisation")),
        # Evaluations that run an explainer or an attack themselves depend on the one that their settings name.
        ("explainers.layers", {"explain grad_cam"} | FOCUSED),
        ("explainers.input_gradient", PIXELS | {"evaluate map_robustness", "evaluate randomisation"}),
        ("attacks.pgd", {"evaluate adversarial", "evaluate adversarial_detection"}),
        ("attacks.fgsm", {"evaluate adversarial_detection"}),
        ("attacks.one_pixel", {"evaluate black_box"}),
        ("attacks.mi_fgsm", set()),
        ("datasets.formats.idx", of_kind("prepare", "mnist", "fashion_mnist", "textured_digits")),
        ("datasets.toyworld.trees.cub", {"prepare cub_toy"}),
        ("training.session", {f"train {name}" for name in SETTINGS.methods}),
        ("settings.methods", set()),
        ("registry", set()),
        ("doctor", set()),
        ("workflow", set()),
    ],
)
def test_new_code_reaches_the_jobs_that_run_it(digests, copy, name, expected):
    copy.write(f"pipeline.{name}", copy.path(f"pipeline.{name}").read_text(encoding="utf-8") + "\nADDED = 1\n")
    assert changed(digests, jobs()) == expected


def test_shared_code_reaches_every_kind_of_job_that_uses_it(digests, copy):
    copy.write("pipeline.models.resnet_cifar", copy.path("pipeline.models.resnet_cifar").read_text() + "\nADDED = 1\n")
    # All that build the network; preparing data, reporting, and training another network do not.
    users = {job for job in digests if job.split()[0] in ("train", "explain", "evaluate")}
    builders = ("resnet_cifar", "abn")  # an attention branch network may have it as its trunk
    others = {f"train {name}" for name, method in SETTINGS.methods.items() if method.network.kind not in builders}
    assert others and changed(digests, jobs()) == users - others


def test_code_of_a_figure_reaches_that_figure(digests, copy):
    copy.write("pipeline.report.figures.metrics", "ADDED = 1\n")
    # Whether the page, which shows the figure's header, changes with it is another question.
    assert changed(digests, jobs()) - {"page"} == {"figure metrics"}


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [("page.css", "{", "{ "), ("figures/metrics.py", '"""Every metric', '"""Each metric')],
    ids=["style", "caption"],
)
def test_style_and_captions_count_for_the_page(copy, file, before, after):
    """The page shows the figures' headers as their captions."""
    path = copy.folder / "report" / file
    assert before in path.read_text()
    digest = workflow.page_code().digest
    path.write_text(path.read_text().replace(before, after))
    forget()
    assert workflow.page_code().digest != digest


def test_layout_counts_for_the_page(digests, copy):
    layout = copy.folder / "report" / "page.html.j2"
    layout.write_text(layout.read_text().replace("<h1>", "<h1 >"))
    assert changed(digests, jobs()) == {"page"}
