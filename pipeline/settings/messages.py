"""From a pydantic error to one line that names the key, its place and the nearest right key."""

from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError


def one_line(error: ValidationError, model: Any, file: str = "params.yaml") -> str:
    """First problem in words, beginning with the file; says how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    place = [str(part) for part in first["loc"]]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{file}: {_explain(first, place, model)}{more}"


def _explain(problem: dict, place: list[str], model: Any) -> str:
    shown = ".".join(_walk(place, model)[1]) or "top level"
    match problem["type"]:
        case "extra_forbidden":
            keys = _keys_at(place[:-1], model)
            near = get_close_matches(place[-1], keys, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(keys))}"
            return f"{shown}: unknown key; {hint}"
        case "missing":
            return f"{shown}: is missing; add it"
        case "union_tag_invalid":
            tags = [tag.strip(" '") for tag in problem["ctx"]["expected_tags"].split(",")]
            near = get_close_matches(problem["ctx"]["tag"], tags, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(tags)}"
            return f"{shown}.from: unknown name '{problem['ctx']['tag']}'; {hint}"
        case "union_tag_not_found":
            return f"{shown}: `from:` is missing; it names the module behind the block"
        case "value_error":
            return f"{shown}: {problem['ctx']['error']}"
        case _:
            return f"{shown}: {problem['msg'].lower()}, not {problem['input']!r}"


def _keys_at(place: list[str], model: Any) -> list[str]:
    """Keys (aliases) that the model allows at a place of the error's path."""
    current, _ = _walk(place, model)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _walk(place: list[str], model: Any) -> tuple[Any, list[str]]:
    """What the model has at a place of the error's path, None if unknown, and the path as it stands in the file.

    Pydantic adds the chosen `from` of a tagged union as a step of its own.
    """
    shown = []
    for part in place:
        model = _variants(model)
        if isinstance(model, dict) and part in model:
            model = model[part]
            continue
        shown.append(part)
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {field.alias or name: field for name, field in model.model_fields.items()} | model.model_fields
            model = fields[part].annotation if part in fields else None
        elif get_origin(model) in (dict, list):
            model = get_args(model)[-1]
        else:
            model = None
    return _variants(model), shown


def _variants(model: Any) -> Any:
    """The tag -> class table of a union tagged by `from`; the class of an optional block; anything else as it is."""
    while get_origin(model) is Annotated:
        model = get_args(model)[0]
    classes = [item for item in get_args(model) if isinstance(item, type) and issubclass(item, BaseModel)]
    if len(classes) > 1:
        return {get_args(item.model_fields["kind"].annotation)[0]: item for item in classes}
    return classes[0] if classes and get_origin(model) not in (dict, list) else model
