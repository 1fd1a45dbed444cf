"""The mesh about the nodes of phases, and what phases do there with their parameters."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """The mesh about the owned nodes: their share of its measure, and the width of the cells there.

    In units of the level sets' length, shapes (owned,).
    """

    measure: np.ndarray
    width: np.ndarray
    typical: float
    """Width of a cell, the same on all ranks: that of the interface where no mesh is about a point."""
    uniform: bool = False
    """Whether all cells are that wide: phases then are the same at a node and at a point that is there."""


@dataclass(frozen=True)
class Rows:
    """Of one phase the rows of which half the squares are the cost of its perimeter, and their derivative."""

    places: np.ndarray
    """Their numbers in `Phases.perimeter_rows`; the others are negligible."""
    columns: np.ndarray
    """Numbers of the parameters that they depend on."""
    values: np.ndarray
    """Shape (places,)."""
    derivative: np.ndarray
    """By these parameters, a block (places, columns)."""


@dataclass(frozen=True)
class Tangent:
    """What phases do with their parameters."""

    D: np.ndarray
    """∂m/∂θ, shape (owned, size), column-major."""
    near: np.ndarray
    """Owned nodes near an interface: elsewhere D is negligible in the level sets' columns, ..."""
    geometry: slice
    """... which are these."""
    rows: list[Rows]
    """Of each phase; none where the perimeter has no weight."""
