"""Lists and annotations in text files, as most image datasets publish them. Errors name the file and the line."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UserError


def read_rows(file: Path, fields: int, remedy: str, *, separator: str | None = None) -> Iterator[list[str]]:
    """The first `fields` fields of every line that is not blank; the last one keeps the rest of its line.

    Fields are separated by white space, or by `separator`. Raises `UserError` with the `remedy` if the file is missing,
    is no text, or a line has fewer fields.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; {remedy}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is no text ({error}); {remedy}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        values = line.strip().split(separator, fields - 1)
        if len(values) < fields:
            raise UserError(f"{file}:{number}: {len(values)} fields, expected {fields}; {remedy}")
        yield values


def read_map(file: Path, remedy: str) -> dict[str, str]:
    """Lines "key value" as a mapping; raises `UserError` as `read_rows`, and for a key that comes twice."""
    found: dict[str, str] = {}
    for key, value in read_rows(file, 2, remedy):
        if key in found:
            raise UserError(f"{file}: '{key}' is listed twice; {remedy}")
        found[key] = value
    return found
