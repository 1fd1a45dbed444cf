"""Planes and level sets through linear functions on tetrahedra, as triangles."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Cut:
    """Triangles where a function is zero; each has three points of its own, on edges of the mesh."""

    ends: np.ndarray
    """The nodes of each point's edge, shape (points, 2)."""
    share: np.ndarray
    """How far each point is from the first of them, shape (points,)."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Nodal values at the points, shape (points, ...)."""
        share = self.share.reshape(-1, *[1] * (values.ndim - 1))
        found: np.ndarray = (1 - share) * values[self.ends[:, 0]] + share * values[self.ends[:, 1]]
        return found

    @property
    def triangles(self) -> np.ndarray:
        """Numbers of their points, shape (triangles, 3)."""
        return np.arange(len(self.share)).reshape(-1, 3)


def cut(tetrahedra: np.ndarray, values: np.ndarray) -> Cut:
    """Where a function is zero that has these nodal values and is linear on each cell, shape (cells, 4).

    A tetrahedron with one node on its own side is cut in a triangle, one with two in a quadrilateral.
    """
    inside = values > 0
    count = inside[tetrahedra].sum(axis=1)
    edges = []
    for alone, chosen in ((True, count == 1), (False, count == 3)):
        cells = _sorted(tetrahedra[chosen], inside, first=alone)
        edges.append(cells[:, [[0, 1], [0, 2], [0, 3]]].reshape(-1, 2))
    cells = _sorted(tetrahedra[count == 2], inside, first=True)
    corners = [[0, 2], [0, 3], [1, 3], [0, 2], [1, 3], [1, 2]]
    ends = np.vstack([*edges, cells[:, corners].reshape(-1, 2)])
    at = values[ends]
    return Cut(ends, at[:, 0] / (at[:, 0] - at[:, 1]) if len(ends) else np.empty(0))


def _sorted(cells: np.ndarray, inside: np.ndarray, *, first: bool) -> np.ndarray:
    """The nodes of each cell, first those that are inside, or first those that are not."""
    own = inside[cells] != first
    return np.take_along_axis(cells, np.argsort(own, axis=1, kind="stable"), axis=1)
