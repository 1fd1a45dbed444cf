"""Functions of the unknowns as fields and pictures show them."""

from collections.abc import Sequence

import numpy as np

from app.mesh import discontinuous, interpolated
from app.problem.inversion import Inversion
from app.types import Space, Summary


def ending_of(given: Inversion, name: str) -> str:
    """What a field of an unknown that is not its own is called by, behind its name: of several unknowns."""
    return f"_{name}" if len(given.spaces) > 1 else ""


def drawn_rows(given: Inversion, rows: Sequence[Summary]) -> tuple[Space, list[dict[str, np.ndarray]]]:
    """A space that is good enough for the picture, and owned nodal values in it, a row an unknown."""
    spaces = list(given.spaces.values())
    drawn_on = max((space.space for space in spaces), key=degree_of)
    if any(space.degree == 0 for space in spaces):
        drawn_on = discontinuous(given.domain, 1)
    owned = drawn_on.dofmap.index_map.size_local
    return drawn_on, [
        {name: interpolated(function, drawn_on).x.array[:owned] for name, function in row.items()}
        for row in rows
    ]


def degree_of(space: Space) -> int:
    """Of its polynomials."""
    return space.element.basix_element.degree
