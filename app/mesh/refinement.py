"""Uniform refinement of a mesh that rank 0 holds whole: each cell becomes 2^d cells of half its length.

The children of a cell lie where the cell's own geometry map has them. So the domain, curved or not, stays
what it was, a function on the coarse mesh's elements is one on the fine mesh's, and the nodes of the coarse
mesh are nodes of the fine one to the last bit.
"""

from dataclasses import dataclass, replace
from functools import cache

import basix
import numpy as np

from app.mesh.groups import GroupedCells, folded, lagrange, numbered
from app.types import Untyped

FACETS = {
    "triangle": "interval",
    "quadrilateral": "interval",
    "tetrahedron": "triangle",
    "hexahedron": "quadrilateral",
}
"""Of each cell."""

INNER = {
    "triangle": [[(0, 1), (0, 2), (1, 2)]],
    "tetrahedron": [
        [(0, 1), (0, 2), (0, 3), (1, 3)],
        [(0, 1), (0, 2), (1, 2), (1, 3)],
        [(0, 2), (0, 3), (1, 3), (2, 3)],
        [(0, 2), (1, 2), (1, 3), (2, 3)],
    ],
}
"""Children of a simplex that have none of its corners, by the edges whose midpoints are theirs. With the
corners in this order all descendants of a tetrahedron have three shapes at most (J. Bey, Tetrahedral grid
refinement, Computing 55, 1995)."""

ORDERS = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]]
"""Of a tetrahedron's corners: in each, another diagonal joins the midpoints of edges 02 and 13."""

TIE = 1e-9
"""Diagonals count as equally long up to this share."""

SHARES = 64
"""Corners have whole multiples of 1/64 in the nodes of the children of a cell of the second order."""

FRACTION = 512
"""Basis functions of the second order have whole multiples of 1/512 there."""

BLOCK = 10_000
"""Cells that are looked at together."""


class RefinementError(ValueError):
    """Cells cannot be refined."""


def refined(whole: GroupedCells, times: int) -> GroupedCells:
    """The mesh refined so many times, with its groups; serial. A facet becomes 2^(d-1) facets.

    Raises RefinementError where a curved cell turns over between its nodes.
    """
    if times and whole.cell == "tetrahedron":
        whole = _across_the_shortest(whole)
    for _ in range(times):
        whole = _halved(whole)
        _refuse_folded(whole)
    return whole


@dataclass(frozen=True)
class _Cut:
    """The nodes of the children of a cell: places in the cell, each once, those inside it last."""

    shares: np.ndarray
    """Of the cell's corners in each place, in units of 1/SHARES, shape (places, corners)."""
    values: np.ndarray
    """Of the cell's basis functions at each place, shape (places, nodes)."""
    children: np.ndarray
    """Place of each node of each child, shape (children, nodes)."""
    outer: int
    """Places that other cells may have too."""


@cache
def _cut(cell: str, degree: int) -> _Cut:
    """A child has the midpoints between a corner and all corners, inner children those that INNER says."""
    corners = basix.geometry(basix.CellType[cell])
    every = range(len(corners))
    pairs = np.array([[(i, j) for j in every] for i in every] + INNER.get(cell, []))
    element, straight = lagrange(cell, degree), lagrange(cell, 1)
    nodes = _values(straight, element.points) @ corners[pairs].mean(axis=2)
    quarters = np.round(4 * nodes).reshape(-1, corners.shape[1])
    places, children = np.unique(quarters, axis=0, return_inverse=True)
    shares = np.round(SHARES * _values(straight, places / 4)).astype(np.int64)
    values = np.round(FRACTION * _values(element, places / 4)) / FRACTION
    inside = (shares > 0).all(axis=1)
    order = np.argsort(inside, kind="stable")
    moved = np.argsort(order)[children].reshape(nodes.shape[:2])
    return _Cut(shares[order], values[order], moved, int(np.sum(~inside)))


def _values(element: Untyped, points: np.ndarray) -> np.ndarray:
    """Of the basis functions at points of the reference cell, shape (points, functions)."""
    return np.asarray(element.tabulate(0, points)[0, :, :, 0])


def _halved(whole: GroupedCells) -> GroupedCells:
    """Each cell cut once."""
    cut, side = _cut(whole.cell, whole.degree), _cut(FACETS[whole.cell], 1)
    of_cells, of_facets = _nodes(whole, cut, side)
    _, first = np.unique(of_cells, return_index=True)
    cells, facets = of_cells[:, cut.children], of_facets[:, side.children]
    return replace(
        whole,
        points=_placed(whole, cut.values, *np.divmod(first, len(cut.values))),
        cells=cells.reshape(-1, cells.shape[2]),
        facets=facets.reshape(-1, facets.shape[2]),
        regions={name: _children(rows, len(cut.children)) for name, rows in whole.regions.items()},
        parts={name: _children(rows, len(side.children)) for name, rows in whole.parts.items()},
    )


def _nodes(whole: GroupedCells, cut: _Cut, side: _Cut) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the nodes at the places of cells and of facets, shapes (cells, places), (facets, places).

    A node that cells may share is known by the shares of their corners in it.
    """
    corners, inner = whole.cells[:, : cut.shares.shape[1]], len(cut.shares) - cut.outer
    known = _known(corners, cut.shares[: cut.outer]), _known(whole.facets, side.shares)
    width = max(rows.shape[1] for rows in known)
    alike = [np.pad(rows, ((0, 0), (width - rows.shape[1], 0))) for rows in known]
    numbers = numbered(np.concatenate(alike))
    outer, of_facets = np.split(numbers, [len(known[0])])
    own = outer.max() + 1 + np.arange(len(corners) * inner)
    of_cells = np.hstack([outer.reshape(len(corners), -1), own.reshape(len(corners), -1)])
    return of_cells, of_facets.reshape(-1, len(side.shares))


def _known(corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What places in cells or facets are known by: the corners that have shares in them, with the shares, in
    order, shape (entities * places, corners of a place at most)."""
    marked = np.where(shares > 0, corners[:, None] * (SHARES + 1) + shares, 0)
    marked.sort(axis=2)
    most = np.count_nonzero(shares, axis=1).max()
    return marked[:, :, -most:].reshape(-1, most)


def _placed(whole: GroupedCells, values: np.ndarray, cells: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Coordinates of nodes that are in these cells, one for each, at these of the places."""
    points = np.empty((len(cells), whole.points.shape[1]))
    for place, weights in enumerate(values):
        here, nodes = np.flatnonzero(places == place), np.flatnonzero(weights)
        parents = whole.points[whole.cells[cells[here]][:, nodes]]
        points[here] = np.einsum("n,cnd->cd", weights[nodes], parents)
    return points


def _children(rows: np.ndarray, count: int) -> np.ndarray:
    """Rows of the children of cells or facets in these rows."""
    return (rows[:, None] * count + np.arange(count)).ravel()


def _across_the_shortest(whole: GroupedCells) -> GroupedCells:
    """The same tetrahedra with their corners in the order in which the inner children share the shortest
    diagonal: they are then nearest to equilateral."""
    corners = whole.points[whole.cells[:, :4]]
    ends = [corners[:, order].reshape(-1, 2, 2, 3) for order in np.array(ORDERS)[:, [0, 2, 1, 3]]]
    lengths = np.array([np.linalg.norm(np.diff(end.sum(axis=2), axis=1)[:, 0], axis=1) for end in ends])
    lengths[0] *= 1.0 - TIE
    element = lagrange(whole.cell, whole.degree)
    geometry, nodes = basix.geometry(basix.CellType.tetrahedron), element.points
    moved = [_values(lagrange(whole.cell, 1), nodes) @ geometry[order] for order in ORDERS]
    same = np.linalg.norm(np.array(moved)[:, :, None] - nodes, axis=3).argmin(axis=2)
    return replace(whole, cells=np.take_along_axis(whole.cells, same[lengths.argmin(axis=0)], axis=1))


def _refuse_folded(whole: GroupedCells) -> None:
    """Cells that were in order at their own nodes may not be at those of their children."""
    if whole.degree == 1 and whole.cell != "hexahedron":
        return
    element, blocks = lagrange(whole.cell, whole.degree), range(0, len(whole.cells), BLOCK)
    bad = sum(int(folded(element, whole.points[whole.cells[at : at + BLOCK]]).sum()) for at in blocks)
    if bad:
        found = f"{bad} of {len(whole.cells)} refined cells that are flat or turn over"
        raise RefinementError(f"found {found}, expected none: the file's turn over between their nodes")
