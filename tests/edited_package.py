"""A copy of the package whose files can be edited, and what that does to digests."""

from pathlib import Path

from pipeline import fingerprint as module
from pipeline.fingerprint import fingerprint

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


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}
