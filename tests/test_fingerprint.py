"""Fingerprints on a copy of the package: what changes a job's digest, and that nothing else does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import fingerprint as module
from pipeline import workflow
from pipeline.fingerprint import closure, fingerprint
from pipeline.registry import TABLES
from pipeline.settings import load

ROOT = Path(__file__).parents[1]
SETTINGS = load(ROOT / "params.yaml")

#: Modules that the copy gets besides the real ones: a leaf, what depends on it in every way, and what does not.
EXTRA = {
    "leaf": '"""Leaf."""\n\n\ndef half(x: float) -> float:\n    """Half of it."""\n    return x / 2  # exact\n',
    "direct": "from pipeline.extra.leaf import half\n",
    "far": "from pipeline.extra import direct\n",
    "whole": "import pipeline.extra.leaf\n",
    "package": "from pipeline.extra import leaf\n",
    "late": "def call():\n    from pipeline.extra.leaf import half\n    return half(1)\n",
    "aliased": "from pipeline.extra import leaf as blade\nimport math as m\n",
    "guarded": "try:\n    from pipeline.extra.far import direct\nexcept ImportError:\n    direct = None\n",
    "hint": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline.extra.leaf import half\nx = 1\n",
    "stranger": "import json\nfrom pathlib import Path\n\nfrom pipeline.errors import UserError\n",
}
IMPORTERS = {"leaf", "direct", "far", "whole", "package", "late", "aliased", "guarded"}


class Copy:
    """A copy of the package whose files can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder.parent / Path(*name.split(".")).with_suffix(".py")

    def edit(self, name: str, before: str, after: str) -> None:
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} is there {text.count(before)} times"
        self.write(name, text.replace(before, after))

    def write(self, name: str, text: str) -> None:
        self.path(name).write_text(text, encoding="utf-8")
        forget()

    def extras(self) -> dict[str, str]:
        return {name: fingerprint(f"pipeline.extra.{name}") for name in EXTRA}


def forget() -> None:
    for function in (module._tree, module._normalised, module._imports):
        function.cache_clear()


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Copy:
    folder = tmp_path / "pipeline"
    shutil.copytree(module.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "extra").mkdir()
    (folder / "extra" / "__init__.py").touch()
    for name, text in EXTRA.items():
        (folder / "extra" / f"{name}.py").write_text(text)
    monkeypatch.setattr(module, "PACKAGE", folder)
    monkeypatch.setattr(workflow, "__file__", str(folder / "workflow.py"))
    forget()
    yield Copy(folder)
    forget()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


# What does not count.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  # exact", "  # not always exact"),
        ("  # exact", ""),
        ("Half of it.", "One half of it."),
        ('    """Half of it."""\n', ""),
        ('"""Leaf."""', '"""Another\n\nheader."""'),
        ('"""Leaf."""\n', ""),
        ("\n\n\ndef", "\n\n\n\n\n# A note.\n\n\ndef"),
        ("return x / 2", "return (x\n            /  2)"),
        ("(x: float)", "(\n    x: float,\n)"),
        ('"""Half of it."""', "'''Half of it.'''"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(copy, before, after):
    digests = copy.extras()
    copy.edit("pipeline.extra.leaf", before, after)
    assert changed(digests, copy.extras()) == set()


def test_other_quotes_and_line_ends_do_not_count(copy):
    copy.write("pipeline.extra.leaf", "NAME = 'leaf'\nOTHER = 1_000\n")
    digests = copy.extras()
    copy.path("pipeline.extra.leaf").write_bytes(b'NAME = "leaf"\r\nOTHER = 1000\r\n')
    forget()
    assert copy.extras() == digests


# What counts, and for whom.


@pytest.mark.parametrize(
    ("before", "after"),
    [("x / 2", "x / 3"), ("x: float", "x: int"), ("def half", "def halves"), ("    return", "    x += 0\n    return")],
)
def test_code_counts_for_importers_and_for_nobody_else(copy, before, after):
    digests = copy.extras()
    copy.edit("pipeline.extra.leaf", before, after)
    assert changed(digests, copy.extras()) == IMPORTERS


def test_new_definition_default_and_string_count(copy):
    seen = set()
    for text in ("", "A = 1\n", "A = '1'\n", "def f(a=1): ...\n", "def f(a=2): ...\n", "def f(a=2):\n    return ''\n"):
        copy.write("pipeline.extra.leaf", text)
        seen.add(fingerprint("pipeline.extra.leaf"))
    assert len(seen) == 6


def test_strings_that_are_no_docstring_count(copy):
    copy.write("pipeline.extra.leaf", 'def text():\n    """Text."""\n    return """a"""\n')
    digest = fingerprint("pipeline.extra.leaf")
    copy.edit("pipeline.extra.leaf", '"""a"""', '"""b"""')
    assert fingerprint("pipeline.extra.leaf") != digest


def test_packages_on_the_way_count(copy):
    digests = copy.extras()
    copy.write("pipeline.extra.__init__", "LIMIT = 1\n")
    assert changed(digests, copy.extras()) == set(EXTRA)
    digests = copy.extras()
    copy.edit("pipeline.errors", "class UserError(Exception):", "class UserError(RuntimeError):")
    assert changed(digests, copy.extras()) == {"stranger"}


def test_circular_imports_have_a_digest(copy):
    copy.write("pipeline.extra.leaf", "def late():\n    from pipeline.extra import far\n    return far\n")
    assert {"pipeline.extra.leaf", "pipeline.extra.direct", "pipeline.extra.far"} <= closure(("pipeline.extra.leaf",))


def test_imports_for_type_checkers_do_not_count(copy):
    assert closure(("pipeline.extra.hint",)) == {"pipeline", "pipeline.extra", "pipeline.extra.hint"}
    digest = fingerprint("pipeline.extra.hint")
    copy.edit("pipeline.extra.hint", "import half", "import half as another")
    assert fingerprint("pipeline.extra.hint") == digest
    copy.edit("pipeline.extra.hint", "x = 1", "x = 2")
    assert fingerprint("pipeline.extra.hint") != digest


def test_what_runs_when_no_type_checker_does_counts(copy):
    copy.edit("pipeline.extra.hint", "x = 1", "else:\n    from pipeline.extra import leaf")
    assert "pipeline.extra.leaf" in closure(("pipeline.extra.hint",))


@pytest.mark.parametrize("statement", ["from .leaf import half", "from . import leaf", "from ..extra import leaf"])
def test_relative_imports_count_or_are_refused(copy, statement):
    copy.write("pipeline.extra.direct", f"{statement}\n")
    assert "pipeline.extra.leaf" in closure(("pipeline.extra.direct",))


def test_names_that_begin_like_settings_count(copy):
    copy.write("pipeline.settings_reader", "x = 1\n")
    copy.write("pipeline.extra.leaf", "from pipeline.settings_reader import x\n")
    assert "pipeline.settings_reader" in closure(("pipeline.extra.leaf",))


def test_unknown_module_is_an_error(copy):
    with pytest.raises(ModuleNotFoundError, match=r"no module 'pipeline\.extra\.nowhere'"):
        fingerprint("pipeline.extra.nowhere")


def test_order_of_modules_does_not_matter_and_none_is_lost(copy):
    one, other = "pipeline.extra.direct", "pipeline.extra.stranger"
    assert fingerprint(one, other) == fingerprint(other, one) == fingerprint(one, other, one)
    assert len({fingerprint(one, other), fingerprint(one), fingerprint(other)}) == 3


def test_digest_is_sixteen_hexadecimal_digits(copy):
    digest = fingerprint("pipeline.extra.leaf")
    assert len(digest) == 16 and int(digest, base=16) >= 0


# Files.


def test_files_count_by_their_bytes(copy, tmp_path):
    style, layout = tmp_path / "page.css", tmp_path / "page.html"
    style.write_text("a {}\n")
    layout.write_text("<p>\n")
    digests = [fingerprint("pipeline.extra.leaf", files=files) for files in ((), (style,), (style, layout))]
    assert len(set(digests)) == 3
    style.write_text("a  {}\n")
    assert fingerprint("pipeline.extra.leaf", files=(style, layout)) not in digests
    style.write_text("a {}\n")
    assert fingerprint("pipeline.extra.leaf", files=(style, layout)) == digests[2]


# The real jobs.

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


# Other Pythons.


def digests_under(python: str, modules: list[str]) -> dict[str, str]:
    """Digests as another interpreter computes them; {} where it does not run or is of the version that runs this."""
    code = (
        "import json, sys; from pipeline.fingerprint import fingerprint;"
        "print(json.dumps([sys.version_info[:2], {name: fingerprint(name) for name in sys.argv[1:]}]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, "-c", code, *modules], env=environment, capture_output=True, text=True)
    version, found = json.loads(done.stdout) if done.returncode == 0 else (None, {})
    return {} if version == list(sys.version_info[:2]) else found


def test_digests_are_the_same_under_another_python():
    files = [path for path in (ROOT / "pipeline").rglob("*.py") if not path.name.startswith("__")]
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    ours = {name: fingerprint(name) for name in modules}
    pythons = [python for minor in range(11, 15) if (python := shutil.which(f"python3.{minor}"))]
    others = [found for python in pythons if (found := digests_under(python, modules))]
    if not others:
        pytest.skip("no other Python from 3.11 on that runs")
    for found in others:
        assert changed(ours, found) == set()
