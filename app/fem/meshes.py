"""Meshes with named parts of their boundary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ufl
from dolfinx import mesh as dmesh
from mpi4py import MPI

from app.parallel import agreed, on_root

SIDES = ("left", "right", "bottom", "top", "front", "back")


class MeshError(ValueError):
    """A mesh file cannot be used; raised on all ranks alike."""


@dataclass(frozen=True)
class TaggedMesh:
    """A DOLFINx mesh and the facets (local indices on this rank) of each named part of its boundary."""

    mesh: Any
    facets: dict[str, np.ndarray]

    @property
    def comm(self) -> MPI.Comm:
        return self.mesh.comm

    @property
    def dimension(self) -> int:
        """Dimension of the space and of the cells."""
        return self.mesh.geometry.dim

    @property
    def coordinates(self) -> Any:
        """ufl.SpatialCoordinate."""
        return ufl.SpatialCoordinate(self.mesh)

    @property
    def diagonal(self) -> float:
        """Length of the bounding box's diagonal, over all ranks."""
        lower, upper = self.bounding_box()
        return float(np.linalg.norm(upper - lower))

    def bounding_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner, shape (dimension,), the same on all ranks."""
        x = self.mesh.geometry.x[:, : self.dimension]
        lower = x.min(axis=0, initial=np.inf)
        upper = x.max(axis=0, initial=-np.inf)
        self.comm.Allreduce(MPI.IN_PLACE, lower, op=MPI.MIN)
        self.comm.Allreduce(MPI.IN_PLACE, upper, op=MPI.MAX)
        return lower, upper

    def boundary(self, names: str | Sequence[str]) -> np.ndarray:
        """Local indices of the exterior facets of the named parts; `all` is the whole boundary."""
        names = [names] if isinstance(names, str) else names
        unknown = [name for name in names if name != "all" and name not in self.facets]
        if unknown:
            known = ", ".join(["all", *sorted(self.facets)])
            raise MeshError(f"the mesh has no boundary part {unknown[0]!r}; it has {known}")
        parts = [self._exterior if name == "all" else self.facets[name] for name in names]
        return np.unique(np.concatenate(parts)).astype(np.int32)

    @property
    def _exterior(self) -> np.ndarray:
        dim = self.mesh.topology.dim
        self.mesh.topology.create_connectivity(dim - 1, dim)
        return dmesh.exterior_facet_indices(self.mesh.topology)


def interval(comm: MPI.Comm, lower: float, upper: float, cells: int) -> TaggedMesh:
    """[lower, upper] in equal cells; parts `left` and `right`."""
    return _with_sides(dmesh.create_interval(comm, cells, [lower, upper]), [lower], [upper])


def rectangle(
    comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]
) -> TaggedMesh:
    """A rectangle in cells[0] × cells[1] × 2 triangles; parts left, right (x), bottom, top (y)."""
    corners = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_rectangle(comm, corners, list(cells)), lower, upper)


def box(comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]) -> TaggedMesh:
    """A box in tetrahedra; parts left, right (x), bottom, top (y), front, back (z)."""
    corners: Any = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_box(comm, corners, list(cells)), lower, upper)


def file(comm: MPI.Comm, file: Path) -> TaggedMesh:
    """A gmsh `.msh` file whose physical groups of facets name the parts of the boundary."""
    with agreed(comm):
        try:
            import gmsh
            from dolfinx.io import gmsh as dolfinx_gmsh
        except OSError as error:  # the wheel needs X11 and GLU libraries that a bare machine lacks
            raise MeshError(f"gmsh, which reads mesh files, does not load: {error}") from None

    dimension = on_root(comm, lambda: _open_msh(file))
    try:
        data = dolfinx_gmsh.model_to_mesh(gmsh.model, comm, 0, gdim=dimension)
    except RuntimeError as error:  # DOLFINx raises its own on all ranks alike
        raise MeshError(f"{file}: {error}") from None
    finally:
        if comm.rank == 0:
            gmsh.finalize()
    facet_dim = data.mesh.topology.dim - 1
    facets = {}
    for name, group in data.physical_groups.items():
        if group.dim == facet_dim and data.facet_tags is not None:
            facets[name] = data.facet_tags.find(group.tag)
    return TaggedMesh(data.mesh, facets)


MESHES: dict[str, Callable[..., TaggedMesh]] = {
    "interval": interval,
    "rectangle": rectangle,
    "box": box,
    "file": file,
}


def _with_sides(mesh: Any, lower: Sequence[float], upper: Sequence[float]) -> TaggedMesh:
    dim = mesh.topology.dim
    facets = {}
    for axis in range(dim):
        for name, plane in zip(SIDES[2 * axis :], (lower[axis], upper[axis]), strict=False):
            facets[name] = dmesh.locate_entities_boundary(
                mesh, dim - 1, lambda x, axis=axis, plane=plane: np.isclose(x[axis], plane)
            )
    return TaggedMesh(mesh, facets)


def _open_msh(path: Path) -> int:
    """Open the file in gmsh and return its dimension; says what is wrong where gmsh's own words would not."""
    import gmsh

    gmsh.initialize(interruptible=False)  # Ctrl-C stays Python's
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        try:
            gmsh.merge(str(path))
        except Exception as error:
            raise MeshError(f"{path}: gmsh cannot read it: {str(error).strip()}") from None
        dimension = gmsh.model.getDimension()
        if dimension not in (2, 3):
            raise MeshError(f"{path}: found a mesh of dimension {dimension}, expected 2 or 3")
        cells = {
            gmsh.model.mesh.getElementProperties(t)[0] for t in gmsh.model.mesh.getElementTypes(dimension)
        }
        strangers = sorted(c for c in cells if c.split()[0] not in ("Triangle", "Tetrahedron"))
        if strangers or not cells:
            found = " and ".join(strangers) or "no cells"
            raise MeshError(f"{path}: found {found}, expected triangles or tetrahedra")
        if dimension == 2 and np.ptp(gmsh.model.mesh.getNodes()[1][2::3]) > 0:
            raise MeshError(f"{path}: found a surface in space, expected a mesh in a plane z = constant")
        if not gmsh.model.getPhysicalGroups(dimension):
            raise MeshError(f"{path}: found no physical group of cells, expected at least one")
    except BaseException:
        gmsh.finalize()
        raise
    return dimension
