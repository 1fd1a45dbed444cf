"""What is wrong with the user's input, and how it is said: found beside expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

OTHER_WORDS = {
    "transmissivity": "diffusivity",
    "conductivity": "diffusivity",
    "permeability": "diffusivity",
    "permittivity": "diffusivity",
    "recharge": "source",
    "load": "body_force",
    "force": "body_force",
    "storativity": "capacity",
    "stiffness": "youngs_modulus",
    "modulus": "youngs_modulus",
    "elasticity": "youngs_modulus",
    "slowness": "squared_slowness",
    "convection": "advection",
    "groundwater": "diffusion",
    "poisson": "diffusion",
    "laplace": "diffusion",
    "wave": "helmholtz",
    "acoustics": "helmholtz",
    "ert": "electrical_tomography",
    "eit": "electrical_tomography",
    "velocity": "speed",
    "measurements": "observations",
    "readings": "observations",
    "prior": "regularisation",
    "boreholes": "points",
    "wells": "points",
    "essential": "dirichlet",
    "fixed": "dirichlet",
    "natural": "neumann",
    "flux": "neumann",
    "cauchy": "robin",
    "tikhonov": "h1",
    "tv": "edge_preserving",
    "total_variation": "edge_preserving",
    "gaussian": "matern",
}
"""What other fields call what is accepted here; each counts where the word here is accepted in that place."""

LONGEST_SHOWN = 60
"""Characters of a found value that a message repeats."""


class InputError(Exception):
    """Bad input, one line of `problems` each. It pickles, so that rank 0 can share it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(list(problems))
        self.problems: list[str] = list(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class CaseError(InputError):
    """A case file, or a `--set`, that does not describe a case."""


class DataError(InputError):
    """A data file that does not hold what its kind of observation needs."""


def shown(value: object, longest: int = LONGEST_SHOWN) -> str:
    """A value from YAML or a table as a message repeats it, cut when long."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Mapping():
            keys = ", ".join(map(str, value))
            return _cut(f"a mapping of {keys}", longest) if value else "an empty mapping"
        case list() | tuple():
            return _cut("[" + ", ".join(shown(item) for item in value[:LONGEST_SHOWN]) + "]", longest)
        case str() | int() | float():
            return _cut(repr(value), longest)
        case _:
            return _cut(f"{value} (a {type(value).__name__})", longest)


def named(key: object) -> str:
    """The name of a key as messages show it: one line, cut when long."""
    text = str(key)
    return _cut(text if text.isprintable() else repr(text))


def nearest(name: object, known: Iterable[object]) -> str:
    """` (did you mean 'x'?)` with the known name that means the same or is nearest, if one is."""
    by_lower = {str(candidate).lower(): str(candidate) for candidate in known}
    close = [word for word in _other_words(str(name).lower()) if word in by_lower]
    close += difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def _other_words(name: str) -> Iterable[str]:
    """What else the name may be called, of a logarithm too."""
    bare = name.removeprefix("log_").removeprefix("ln_")
    prefix = "log_" if bare != name else ""
    return [prefix + OTHER_WORDS[bare]] if bare in OTHER_WORDS else []


def _cut(text: str, longest: int = LONGEST_SHOWN) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def first_few(told: Sequence[object], most: int = 3) -> str:
    """`3, 4, 5 and 7 more`."""
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(str(each) for each in told[:most]) + more
