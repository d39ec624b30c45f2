"""The one exception that a user is meant to see, and how to tell the one that any code may meet."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input: a setting, a file or a combination that cannot work.

    Its text is one line that names the file or key, says what was expected and what to do. The command line prints it
    and exits with code 2; nothing else in the package catches it.
    """


def unknown(place: str, kind: str, name: str, known: Iterable[str]) -> UserError:
    """A `UserError` for a name that is not among the known ones, with the nearest right one."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "known: " + (", ".join(known) or "none")
    return UserError(f"{place}: unknown {kind} '{name}'; {hint}")


def out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy, Arrow or torch, on a CPU or a GPU, did not get the memory that they asked for."""
    said = isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error))
    return said or isinstance(error, MemoryError)
