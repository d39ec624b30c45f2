"""What creatures look like: traits with their states, the attribute that each state shows, and twelve kinds.

Attributes are named like those of CUB-200-2011. The table of kinds was searched for these properties, which tests hold:
two kinds differ in at least ten attributes; no attribute, and no part with everything on it, belongs to one kind only;
most attributes belong to a quarter of the kinds.
"""

import numpy as np

#: Trait -> state -> attribute; the plain states have none.
TRAITS: dict[str, dict[str, str | None]] = {
    "head": {
        "plain": None,
        "crested": "has_head_pattern::crested",
        "horned": "has_head_pattern::horned",
        "eared": "has_head_pattern::eared",
        "masked": "has_head_pattern::masked",
    },
    "wing": {colour: f"has_wing_color::{colour}" for colour in ("blue", "red", "yellow", "green")},
    "wing pattern": {"plain": None, "barred": "has_wing_pattern::barred"},
    "body": {colour: f"has_upperparts_color::{colour}" for colour in ("brown", "grey", "white", "black")},
    "body pattern": {"plain": None, "striped": "has_back_pattern::striped"},
    "belly": {"plain": None, "yellow": "has_belly_color::yellow", "white": "has_belly_color::white"},
    "belly pattern": {"plain": None, "spotted": "has_belly_pattern::spotted"},
    "bill": {
        "cone": None,
        "curved": "has_bill_shape::curved",
        "long": "has_bill_shape::long",
        "snout": "has_bill_shape::snout",
    },
    "bill colour": {"dark": None, "orange": "has_bill_color::orange"},
    "tail": {
        "short": None,
        "long": "has_tail_shape::long",
        "forked": "has_tail_shape::forked",
        "fan": "has_tail_shape::fan",
    },
    "tail pattern": {"plain": None, "banded": "has_tail_pattern::banded"},
    "leg": {"short": None, "long": "has_leg_length::long"},
    "leg colour": {"dark": None, "red": "has_leg_color::red"},
    "eye": {"black": None, "yellow": "has_eye_color::yellow", "red": "has_eye_color::red"},
    "throat": {"plain": None, "red": "has_throat_color::red"},
}

ATTRIBUTES: tuple[str, ...] = tuple(name for states in TRAITS.values() for name in states.values() if name)

#: The region that shows a trait. Traits of one region together do not tell the kind either.
REGION_OF = {
    "head": "head", "wing": "wing", "wing pattern": "wing", "body": "body", "body pattern": "body", "belly": "belly",
    "belly pattern": "belly", "bill": "beak", "bill colour": "beak", "tail": "tail", "tail pattern": "tail",
    "leg": "leg", "leg colour": "leg", "eye": "eye", "throat": "throat",
}  # fmt: skip

#: A row a kind, in the order of TRAITS.
_TABLE = """
crested bluewing   | crested | blue   | barred | brown | plain   | plain  | plain   | long   | orange | fan    | plain  | long  | red  | yellow | plain
crested redwing    | crested | red    | plain  | white | plain   | plain  | plain   | curved | dark   | long   | banded | short | dark | black  | red
crested greenwing  | crested | green  | plain  | grey  | striped | white  | plain   | snout  | dark   | long   | banded | long  | red  | red    | plain
horned bluewing    | horned  | blue   | plain  | brown | striped | plain  | spotted | long   | dark   | forked | banded | short | dark | black  | plain
horned redwing     | horned  | red    | barred | grey  | plain   | plain  | plain   | curved | dark   | fan    | plain  | long  | dark | black  | plain
horned goldwing    | horned  | yellow | plain  | white | plain   | yellow | plain   | curved | orange | forked | plain  | short | dark | red    | plain
eared bluewing     | eared   | blue   | plain  | grey  | plain   | white  | plain   | long   | orange | short  | plain  | short | dark | black  | plain
eared redwing      | eared   | red    | barred | brown | striped | plain  | plain   | cone   | dark   | forked | plain  | short | dark | yellow | red
eared greenwing    | eared   | green  | plain  | black | plain   | plain  | spotted | curved | orange | long   | plain  | long  | dark | yellow | plain
masked bluewing    | masked  | blue   | barred | grey  | striped | yellow | plain   | cone   | dark   | short  | plain  | short | red  | black  | red
masked redwing     | masked  | red    | plain  | brown | plain   | yellow | plain   | snout  | dark   | forked | banded | short | red  | black  | plain
masked goldwing    | masked  | yellow | plain  | black | plain   | plain  | spotted | long   | dark   | long   | plain  | short | dark | red    | plain
"""  # noqa: E501

#: Class name -> trait -> state.
KINDS: dict[str, dict[str, str]] = {
    name.strip(): dict(zip(TRAITS, (word.strip() for word in words), strict=True))
    for name, *words in (line.split("|") for line in _TABLE.strip().splitlines())
}


def attributes_of(traits: dict[str, str]) -> np.ndarray:
    """0 or 1 for each of ATTRIBUTES, uint8: those that a creature of these traits shows."""
    shown = {TRAITS[trait][state] for trait, state in traits.items()}
    return np.array([name in shown for name in ATTRIBUTES], np.uint8)


def varied(traits: dict[str, str], rng: np.random.Generator, probability: float) -> dict[str, str]:
    """The traits of one animal of a kind: each differs from its kind's with so small a probability."""
    own = {}
    for trait, state in traits.items():
        others = [other for other in TRAITS[trait] if other != state]
        differs, which = rng.random(), rng.integers(len(others))
        own[trait] = others[which] if differs < probability else state
    return own
