"""Meshes with named parts of their boundary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import ufl
from dolfinx import mesh as dmesh
from mpi4py import MPI

from app.types import Mesh, Symbol, Untyped

SIDES = {
    1: (("left", "right"),),
    2: (("left", "right"), ("bottom", "top")),
    3: (("left", "right"), ("front", "back"), ("bottom", "top")),
}
"""Sides of a generated mesh by its dimension, for each axis that of the lowest coordinate and that of the
highest; the last axis points upwards. They are also called x_min, x_max, y_min and so on."""

SAME_PLACE = 1e-10
"""Points nearer to one another than this share of the bounding box's diagonal count as one."""

ROUNDINGS = 8
"""Far from the origin, where coordinates are rounded coarsely, points count as one by this many roundings."""


class MeshError(ValueError):
    """A mesh file cannot be used; raised on all ranks alike."""


@dataclass(frozen=True)
class TaggedMesh:
    """A DOLFINx mesh, and as local indices on this rank the facets of each named part of its boundary and the
    cells of each named region."""

    mesh: Mesh
    facets: dict[str, np.ndarray]
    cells: dict[str, np.ndarray] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Groups of a file that are neither, and why."""
    by_axis: Mapping[str, str] = field(default_factory=dict)
    """Parts by a second name: `x_min` is `left`."""

    @property
    def comm(self) -> MPI.Comm:
        comm: MPI.Comm = self.mesh.comm
        return comm

    @property
    def dimension(self) -> int:
        """Dimension of the space and of the cells."""
        dimension: int = self.mesh.geometry.dim
        return dimension

    @property
    def coordinates(self) -> Symbol:
        """ufl.SpatialCoordinate."""
        return ufl.SpatialCoordinate(self.mesh)

    @property
    def diagonal(self) -> float:
        """Length of the bounding box's diagonal, over all ranks."""
        lower, upper = self.bounding_box()
        return float(np.linalg.norm(upper - lower))

    @property
    def tolerance(self) -> float:
        """The distance up to which points count as one, by the size of the mesh and by the rounding of its
        coordinates; collective."""
        lower, upper = self.bounding_box()
        size = SAME_PLACE * float(np.linalg.norm(upper - lower))
        return max(size, ROUNDINGS * float(np.spacing(np.abs([lower, upper]).max())))

    def bounding_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner, shape (dimension,), the same on all ranks."""
        x = self.mesh.geometry.x[:, : self.dimension]
        lower = x.min(axis=0, initial=np.inf)
        upper = x.max(axis=0, initial=-np.inf)
        self.comm.Allreduce(MPI.IN_PLACE, lower, op=MPI.MIN)
        self.comm.Allreduce(MPI.IN_PLACE, upper, op=MPI.MAX)
        return lower, upper

    def boundary(self, names: str | Sequence[str]) -> np.ndarray:
        """Local indices of the rank's own exterior facets of the named parts; `all` is the whole boundary."""
        names = [self.by_axis.get(name, name) for name in ([names] if isinstance(names, str) else names)]
        unknown = [name for name in names if name != "all" and name not in self.facets]
        if unknown:
            self._refuse_group(unknown[0])
            known = ", ".join(["all", *map(self.called, sorted(self.facets))])
            raise MeshError(f"the mesh has no boundary part {unknown[0]!r}; it has {known}")
        parts = [self._exterior if name == "all" else self.facets[name] for name in names]
        facets = np.unique(np.concatenate(parts)).astype(np.int32)
        own: np.ndarray = facets[facets < self.mesh.topology.index_map(self.dimension - 1).size_local]
        return own

    def called(self, name: str) -> str:
        """A part with its second name in brackets, if it has one: `left (x_min)`."""
        second = next((other for other, part in self.by_axis.items() if part == name), None)
        return f"{name} ({second})" if second else name

    def facet_midpoints(self, names: str | Sequence[str]) -> np.ndarray:
        """Of the rank's own facets of these parts of the boundary, shape (facets, dimension)."""
        facets = self.boundary(names)
        midpoints: np.ndarray = dmesh.compute_midpoints(self.mesh, self.dimension - 1, facets)[
            :, : self.dimension
        ]
        return midpoints

    def region(self, names: str | Sequence[str]) -> np.ndarray:
        """Local indices of the cells of the named regions, ghosts included."""
        names = [names] if isinstance(names, str) else names
        unknown = [name for name in names if name not in self.cells]
        if unknown:
            self._refuse_group(unknown[0])
            known = (
                f"it has {', '.join(sorted(self.cells))}" if self.cells else "only mesh files have regions"
            )
            raise MeshError(f"the mesh has no region {unknown[0]!r}; {known}")
        return np.unique(np.concatenate([self.cells[name] for name in names])).astype(np.int32)

    def contents(self) -> list[str]:
        """What each name holds, over all ranks, a line each; collective."""
        topology, dimension = self.mesh.topology, self.dimension
        cells = topology.index_map(dimension)
        lines = [f"{cells.size_global} cells ({topology.cell_name()}) in {dimension} dimensions"]
        exterior = self.boundary("all")
        for name in sorted(self.facets):
            own = self.boundary(name)
            inside = self.comm.allreduce(len(np.setdiff1d(own, exterior)))
            told = f", {inside} of them inside the domain" if inside else ""
            lines.append(
                f"part {self.called(name)}: {self.comm.allreduce(len(own))} facets{self._size(own)}{told}"
            )
        for name in sorted(self.cells):
            lines.append(f"region {name}: {self._count(self.cells[name] < cells.size_local)} cells")
        if self.cells:
            nowhere = np.ones(cells.size_local + cells.num_ghosts, dtype=bool)
            nowhere[np.concatenate(list(self.cells.values()))] = False
            if left := self._count(nowhere[: cells.size_local]):
                lines.append(f"in no region: {left} cells")
        return [*lines, *(f"group {name} {why}" for name, why in sorted(self.refused.items()))]

    def corners(self, facets: np.ndarray) -> np.ndarray:
        """Vertices of these facets of the rank, shape (facets, vertices, dimension)."""
        self.mesh.topology.create_connectivity(self.dimension - 1, self.dimension)
        nodes = dmesh.entities_to_geometry(self.mesh, self.dimension - 1, facets)
        points: np.ndarray = self.mesh.geometry.x[nodes, : self.dimension]
        return points

    def _size(self, facets: np.ndarray) -> str:
        """Length or area of the rank's own facets over all ranks, taken as straight; collective."""
        if self.dimension == 1:
            return ""
        points = self.corners(facets)
        sides = points[:, 1:] - points[:, :1]
        if self.dimension == 2:
            sizes = np.linalg.norm(sides[:, 0], axis=1)
        else:  # a quadrilateral has its last vertex opposite to the first
            halves = [(0, 1)] if sides.shape[1] == 2 else [(0, 2), (1, 2)]
            normals = [np.cross(sides[:, one], sides[:, other]) / 2 for one, other in halves]
            sizes = np.linalg.norm(normals, axis=2)
        whole = self.comm.allreduce(float(sizes.sum()))
        return f" of {'length' if self.dimension == 2 else 'area'} {whole:.4g}"

    def _count(self, marks: np.ndarray) -> int:
        count: int = self.comm.allreduce(int(np.count_nonzero(marks)))
        return count

    def _refuse_group(self, name: str) -> None:
        if name in self.refused:
            raise MeshError(f"the mesh's group {name!r} {self.refused[name]}")

    @property
    def _exterior(self) -> np.ndarray:
        dim = self.mesh.topology.dim
        self.mesh.topology.create_connectivity(dim - 1, dim)
        return dmesh.exterior_facet_indices(self.mesh.topology)


def interval(comm: MPI.Comm, lower: float, upper: float, cells: int) -> TaggedMesh:
    """[lower, upper] in equal cells; parts left and right."""
    return _with_sides(dmesh.create_interval(comm, cells, [lower, upper]), [lower], [upper], [cells])


def rectangle(
    comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]
) -> TaggedMesh:
    """A rectangle in cells[0] × cells[1] × 2 triangles; parts left, right (x), bottom, top (y)."""
    corners = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_rectangle(comm, corners, list(cells)), lower, upper, cells)


def box(comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]) -> TaggedMesh:
    """A box in tetrahedra; parts left, right (x), front, back (y), bottom, top (z)."""
    corners: Untyped = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_box(comm, corners, list(cells)), lower, upper, cells)


def _with_sides(
    mesh: Mesh, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]
) -> TaggedMesh:
    """A side's facets are those whose corners are all nearer to its plane than half a cell, in any unit and
    whatever the rounding of the coordinates."""
    dim = mesh.topology.dim
    facets, by_axis = {}, {}
    for axis, (sides, letter) in enumerate(zip(SIDES[dim], "xyz", strict=False)):
        half = 0.5 * (upper[axis] - lower[axis]) / cells[axis]
        for name, end, plane in zip(sides, ("min", "max"), (lower[axis], upper[axis]), strict=True):
            by_axis[f"{letter}_{end}"] = name
            facets[name] = dmesh.locate_entities_boundary(
                mesh, dim - 1, lambda x, axis=axis, plane=plane, half=half: np.abs(x[axis] - plane) < half
            )
    return TaggedMesh(mesh, facets, by_axis=by_axis)
