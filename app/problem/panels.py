"""The finite-element space in which fields of several degrees are written and drawn together."""

from collections.abc import Sequence

import numpy as np

from app.mesh import CoefficientSpace, discontinuous, interpolated
from app.types import Space, Summary


def finest_of(spaces: Sequence[CoefficientSpace], others: Sequence[Space] = ()) -> Space:
    """The space of the highest degree of these, discontinuous if one of the coefficients is."""
    finest = max([*(part.space for part in spaces), *others], key=_degree)
    if any(part.degree == 0 for part in spaces):
        return discontinuous(spaces[0].domain, max(1, _degree(finest)))
    return finest


def panels_of(
    spaces: Sequence[CoefficientSpace], rows: Sequence[Summary]
) -> tuple[Space, list[dict[str, np.ndarray]]]:
    """A space that is good enough for the picture, and owned nodal values in it of rows of functions."""
    drawn_on = max((part.space for part in spaces), key=_degree)
    if any(part.degree == 0 for part in spaces):
        drawn_on = discontinuous(spaces[0].domain, 1)
    owned = drawn_on.dofmap.index_map.size_local
    return drawn_on, [
        {name: interpolated(function, drawn_on).x.array[:owned] for name, function in row.items()}
        for row in rows
    ]


def _degree(space: Space) -> int:
    degree: int = space.element.basix_element.degree
    return degree
