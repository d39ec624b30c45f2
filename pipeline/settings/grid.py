"""`grid:` in a block: a sweep without code.

`reff: {from: reff, grid: {share: [1, 5]}}` stands for the instances `reff_share1` and `reff_share5`, each with its own
slice of settings. A mapping instead of a list gives the labels: `grid: {share: {"01": 1, "05": 5}}`. Several keys make
the product. A study or an evaluation that names `reff` means all of them.
"""

from itertools import product

from pipeline.errors import UserError


def expand(noun: str, blocks: dict, users: list[dict]) -> dict:
    """`blocks` with every grid replaced by its instances; lists under `noun` in `users` follow, in place."""
    expanded: dict = {}
    for name, block in blocks.items():
        instances = _instances(f"{noun}.{name}", name, block)
        for instance in instances:
            if instance in expanded:
                raise UserError(f"params.yaml: {noun}.{name}.grid: makes '{instance}' twice; rename one of the two")
        expanded |= instances
        for user in users:
            if isinstance(user.get(noun), list) and list(instances) != [name]:
                user[noun] = [item for entry in user[noun] for item in (instances if entry == name else [entry])]
    return expanded


def _instances(place: str, name: str, block: dict) -> dict:
    if not isinstance(block, dict) or "grid" not in block:
        return {name: block}
    grid = block["grid"]
    if not isinstance(grid, dict) or not all(isinstance(values, list | dict) and values for values in grid.values()):
        raise UserError(f"params.yaml: {place}.grid: give each key a list of values, or a mapping from label to value")
    rest = {key: value for key, value in block.items() if key != "grid"}
    axes = [
        [(f"{key}{label}", key, value) for label, value in _labelled(values)] for key, values in grid.items()
    ]
    return {
        "_".join([name, *(label for label, _, _ in point)]): rest | {key: value for _, key, value in point}
        for point in product(*axes)
    }


def _labelled(values: list | dict) -> list[tuple[str, object]]:
    if isinstance(values, dict):
        return [(str(label), value) for label, value in values.items()]
    return [(str(value).lower().replace(".", "p").replace("-", "m"), value) for value in values]
