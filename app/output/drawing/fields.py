"""The mesh of a space's nodes and fields at them, whole on rank 0, in the simplices that are drawn."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx.plot import vtk_mesh
from mpi4py import MPI

from app.types import Space

QUADRILATERALS, HEXAHEDRA = (9, 70), (12, 72)
"""VTK's numbers of these cells, of first and of higher degree."""

SPLIT = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
"""A hexahedron as tetrahedra about a diagonal, by VTK's order of its corners."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The mesh of a space's nodes and fields at them: what rank 0 draws."""

    cells: np.ndarray
    """Nodes of each cell, shape (cells, nodes)."""
    types: np.ndarray
    """VTK's cell types."""
    nodes: np.ndarray
    """Coordinates, shape (nodes, 3)."""
    rows: list[dict[str, np.ndarray]]

    @property
    def x(self) -> np.ndarray:
        """First coordinates."""
        return self.nodes[:, 0]

    @property
    def y(self) -> np.ndarray:
        """Second coordinates."""
        return self.nodes[:, 1]

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner, shape (3,)."""
        return self.nodes.min(axis=0), self.nodes.max(axis=0)

    @cached_property
    def triangles(self) -> np.ndarray:
        """The cells of a plane by their corners, which VTK has first: quadrilaterals as two each."""
        first = self.cells[:, [0, 1, 2]]
        split = self.types[0] in QUADRILATERALS
        return np.vstack([first, self.cells[:, [0, 2, 3]]]) if split else first

    @cached_property
    def tetrahedra(self) -> np.ndarray:
        """The cells of a space by their corners: hexahedra as six each."""
        if self.types[0] in HEXAHEDRA:
            return self.cells[:, SPLIT].reshape(-1, 4)
        return self.cells[:, :4]

    @cached_property
    def outline(self) -> list[np.ndarray]:
        """The boundary of a plane, edges of one triangle only, as polygons of shape (corners, 2)."""
        places = np.unique(self.nodes.round(12), axis=0, return_inverse=True)[1].ravel()
        corners = self.triangles
        edges = np.vstack([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
        same = np.sort(places[edges], axis=1)
        _, first, counts = np.unique(same, axis=0, return_index=True, return_counts=True)
        return polygons(self.nodes[edges[first[counts == 1]], :2])


def polygons(ends: np.ndarray) -> list[np.ndarray]:
    """Edges of a plane, shape (edges, 2, 2), put together where they share ends: lines of shape (points, 2),
    closed ones with their first point again at the end."""
    points, places = np.unique(ends.reshape(-1, 2).round(12), axis=0, return_inverse=True)
    beside = defaultdict[int, list[int]](list)
    for a, b in places.reshape(-1, 2).tolist():
        beside[a].append(b)
        beside[b].append(a)
    lines = []
    for start in sorted(beside, key=lambda point: len(beside[point])):  # open ones from an end of theirs
        while beside[start]:
            line = [start]
            while following := beside[line[-1]]:
                point = following.pop()
                beside[point].remove(line[-1])
                line.append(point)
            lines.append(points[line])
    return lines


def gathered(space: Space, rows: Sequence[Mapping[str, np.ndarray]]) -> Drawing | None:
    """On rank 0, of owned nodal values of a Lagrange space; None elsewhere. Collective."""
    comm: MPI.Comm = space.mesh.comm
    index_map = space.dofmap.index_map
    cells, types, x = vtk_mesh(space)
    width = space.dofmap.list.shape[1]
    local = cells.reshape(-1, width + 1)[:, 1:]
    connectivity = index_map.local_to_global(local.ravel().astype(np.int32)).reshape(local.shape)
    fields = [dict(row) for row in rows]
    part = (connectivity, types, x[: index_map.size_local], fields)
    parts = comm.gather(part, root=0)
    if parts is None:
        return None
    merged = [np.concatenate([part[i] for part in parts]) for i in range(3)]
    whole = [
        {name: np.concatenate([part[3][i][name] for part in parts]) for name in row}
        for i, row in enumerate(fields)
    ]
    return Drawing(merged[0], merged[1], merged[2], whole)
