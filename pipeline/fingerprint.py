"""Digest of the code a job runs: its modules and everything they import inside this package.

Snakemake does not notice edits in an imported package, DVC notices whole files only. Rules therefore carry this digest
among their `params`. It is taken over the source as Python understands it: comments, docstrings and formatting do not
count. Imports that exist for type checkers only (`if TYPE_CHECKING:`) do not count either.

`pipeline.settings` and `pipeline.registry` are left out on purpose: they say which values and which modules a job uses,
and both reach the job by name (the settings slice, the modules given here), so that a new method or key elsewhere
changes nobody's digest.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent
LEFT_OUT = ("pipeline.settings", "pipeline.registry")

#: Fields of syntax trees that hold statements, or parts of one that hold statements.
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

#: What may begin with a docstring.
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Code(NamedTuple):
    """What a job runs: dotted modules, with all they import inside the package, and files that count byte by byte."""

    modules: tuple[str, ...]
    files: tuple[Path, ...] = ()

    @property
    def digest(self) -> str:
        return fingerprint(*self.modules, files=self.files)

    def parts(self) -> dict[str, dict[str, str]]:
        """Path from the project's root -> function or class -> its digest; "" is the rest of the file."""
        sources = [_source(name) for name in sorted(closure(self.modules))]
        paths = [str(path.relative_to(PACKAGE.parent)) for path in (*sources, *self.files)]
        return {path: parts_of(path) for path in paths}


def parts_of(path: str) -> dict[str, str]:
    """Function or class -> digest of one file as it is now; empty if the file is gone."""
    file = PACKAGE.parent / path
    if not file.is_file():
        return {}
    if file.suffix != ".py":
        return {"": _short(file.read_bytes())}
    pieces: dict[str, str] = {"": ""}
    for node in _tree(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")).body:
        name = getattr(node, "name", "")
        pieces[name] = pieces.get(name, "") + _text(node)
    return {name: _short(text.encode()) for name, text in pieces.items()}


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def fingerprint(*modules: str, files: tuple[Path, ...] = ()) -> str:
    """Sixteen hexadecimal digits for dotted `modules` with their import closure, and for `files` byte by byte."""
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        digest.update(f"{name}\n{_normalised(name)}\n".encode())
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def closure(modules: tuple[str, ...]) -> set[str]:
    """Every module of the package that `modules` import, directly or not, themselves included."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or any(name == left or name.startswith(f"{left}.") for left in LEFT_OUT):
            continue
        found.add(name)
        waiting.extend(_imports(name))
        waiting.extend(name.rsplit(".", 1)[:1] if "." in name else [])
    return found


def _source(name: str) -> Path | None:
    """File of a module of this package, None where there is none."""
    stem = PACKAGE.parent.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _tree(name: str) -> ast.Module:
    path = _source(name)
    if path is None:
        raise ModuleNotFoundError(f"no module '{name}' in {PACKAGE}")
    tree = ast.parse(path.read_bytes(), filename=str(path))
    _drop_notes(tree)
    return tree


@cache
def _normalised(name: str) -> str:
    """The syntax tree as text: no comments, docstrings and layout, and the same under every Python version."""
    return _text(_tree(name))


def _text(node: object) -> str:
    # Neither ast.dump nor ast.unparse: what they write of one tree differs between Python versions.
    if isinstance(node, ast.AST):
        values = [(key, getattr(node, key, None)) for key in node._fields]
        fields = [f"{key}={_text(value)}" for key, value in values if value is not None and value != []]
        return f"{type(node).__name__}({','.join(fields)})"
    return f"[{','.join(map(_text, node))}]" if isinstance(node, list) else repr(node)


@cache
def _imports(name: str) -> tuple[str, ...]:
    found = []
    for node in _statements(_tree(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from package import name` may name a module or something inside one: take whichever is a file.
            package = _absolute(name, node)
            found += [package, *(f"{package}.{alias.name}" for alias in node.names)]
    return tuple(item for item in found if item.partition(".")[0] == PACKAGE.name and _source(item))


def _absolute(importer: str, node: ast.ImportFrom) -> str:
    """Dotted name of the package or module that a `from … import` statement in module `importer` imports from."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    is_package = _source(importer).name == "__init__.py"
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *filter(None, [node.module])])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement inside a node, at any depth."""
    for field in BLOCKS:
        for inner in _block(node, field):
            yield inner
            yield from _statements(inner)


def _block(node: ast.AST, field: str) -> list[ast.AST]:
    found = getattr(node, field, [])
    # A lambda's body is an expression.
    return found if isinstance(found, list) else []


def _drop_notes(node: ast.AST) -> None:
    """Drop docstrings inside a node, and blocks that only a type checker reads."""
    for field in BLOCKS:
        if block := _block(node, field):
            for inner in block:
                _drop_notes(inner)
            setattr(node, field, [kept for inner in block for kept in (inner.orelse if _is_guard(inner) else [inner])])
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
