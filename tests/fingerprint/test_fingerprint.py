"""Fingerprints on a copy of the package: what counts, and for whom; the same under every Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edited_package import EXTRA, IMPORTERS, changed, forget

from pipeline.fingerprint import closure, fingerprint

ROOT = Path(__file__).parents[2]


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
