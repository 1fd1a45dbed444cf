"""Meshes with named parts of their boundary."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import ufl
from dolfinx import mesh as dmesh
from mpi4py import MPI

from app.mesh.half_space import HalfSpace, half_space
from app.mesh.outline import GROWTH, LayoutError, Outline, closed_outline
from app.parallel import agreed, on_root
from app.types import Mesh, Symbol, Untyped

SIDES = ("left", "right", "bottom", "top", "front", "back")


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

    @property
    def comm(self) -> MPI.Comm:
        return self.mesh.comm

    @property
    def dimension(self) -> int:
        """Dimension of the space and of the cells."""
        return self.mesh.geometry.dim

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
        names = [names] if isinstance(names, str) else names
        unknown = [name for name in names if name != "all" and name not in self.facets]
        if unknown:
            known = ", ".join(["all", *sorted(self.facets)])
            raise MeshError(f"the mesh has no boundary part {unknown[0]!r}; it has {known}")
        parts = [self._exterior if name == "all" else self.facets[name] for name in names]
        facets = np.unique(np.concatenate(parts)).astype(np.int32)
        return facets[facets < self.mesh.topology.index_map(self.dimension - 1).size_local]

    def facet_midpoints(self, names: str | Sequence[str]) -> np.ndarray:
        """Of the rank's own facets of these parts of the boundary, shape (facets, dimension)."""
        facets = self.boundary(names)
        return dmesh.compute_midpoints(self.mesh, self.dimension - 1, facets)[:, : self.dimension]

    def region(self, names: str | Sequence[str]) -> np.ndarray:
        """Local indices of the cells of the named regions, ghosts included."""
        names = [names] if isinstance(names, str) else names
        unknown = [name for name in names if name not in self.cells]
        if unknown:
            known = (
                f"it has {', '.join(sorted(self.cells))}" if self.cells else "only mesh files have regions"
            )
            raise MeshError(f"the mesh has no region {unknown[0]!r}; {known}")
        return np.unique(np.concatenate([self.cells[name] for name in names])).astype(np.int32)

    @property
    def _exterior(self) -> np.ndarray:
        dim = self.mesh.topology.dim
        self.mesh.topology.create_connectivity(dim - 1, dim)
        return dmesh.exterior_facet_indices(self.mesh.topology)


def interval(comm: MPI.Comm, lower: float, upper: float, cells: int) -> TaggedMesh:
    """[lower, upper] in equal cells; parts `left` and `right`."""
    return _with_sides(dmesh.create_interval(comm, cells, [lower, upper]), [lower], [upper], [cells])


def rectangle(
    comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]
) -> TaggedMesh:
    """A rectangle in cells[0] × cells[1] × 2 triangles; parts left, right (x), bottom, top (y)."""
    corners = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_rectangle(comm, corners, list(cells)), lower, upper, cells)


def box(comm: MPI.Comm, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]) -> TaggedMesh:
    """A box in tetrahedra; parts left, right (x), bottom, top (y), front, back (z)."""
    corners: Untyped = [np.asarray(lower, float), np.asarray(upper, float)]
    return _with_sides(dmesh.create_box(comm, corners, list(cells)), lower, upper, cells)


def file(comm: MPI.Comm, file: Path) -> TaggedMesh:
    """A gmsh `.msh` file whose physical groups name the parts of the boundary and regions of cells."""
    _require_gmsh(comm, "reads mesh files")
    dimension = on_root(comm, lambda: _open_msh(file))
    return _from_gmsh(comm, dimension, str(file))


def electrodes(
    comm: MPI.Comm,
    positions: np.ndarray,
    size: float | None = None,
    width: float | None = None,
    margin: float | None = None,
    depth: float | None = None,
) -> TaggedMesh:
    """A body with electrodes at vertices of its boundary, in cells that are small at them.

    `positions`, in metres, the same on all ranks, of shape (electrodes, 2): the section within a smooth
    closed outline through them in their order, its rim `outline`, where electrodes with a `width` end at
    vertices too. Of shape (electrodes, 3): the box below them (app.mesh.half_space), its top `surface`, the
    rest of its boundary `walls`; `margin` and `depth` say how large it is. `size` is that of cells far from
    electrodes. Generated by rank 0. Raises MeshError on all ranks.
    """
    _require_gmsh(comm, "generates meshes through electrodes")

    def generate() -> int:
        try:
            if positions.shape[1] == 3:
                return _fill(half_space(positions, size, width, margin, depth))
            return _triangulate(closed_outline(positions, size, width))
        except LayoutError as error:
            raise MeshError(str(error)) from None

    return _from_gmsh(comm, on_root(comm, generate), "the mesh through the electrodes")


def _require_gmsh(comm: MPI.Comm, purpose: str) -> None:
    with agreed(comm):
        try:
            import gmsh  # noqa: F401
        except OSError as error:  # the wheel needs X11 and GLU libraries that a bare machine lacks
            raise MeshError(f"gmsh, which {purpose}, does not load: {error}") from None


def _from_gmsh(comm: MPI.Comm, dimension: int, name: str) -> TaggedMesh:
    """Distribute the model that gmsh holds on rank 0, and end gmsh there."""
    import gmsh
    from dolfinx.io import gmsh as dolfinx_gmsh

    try:
        # With neighbours' cells, as generated meshes have them: jumps between cells need both.
        partitioner: Untyped = dmesh.create_cell_partitioner  # by singledispatch, unknown to type checkers
        ghosts = partitioner(dmesh.GhostMode.shared_facet, 2)
        data = dolfinx_gmsh.model_to_mesh(gmsh.model, comm, 0, gdim=dimension, partitioner=ghosts)
    except RuntimeError as error:  # DOLFINx raises its own on all ranks alike
        raise MeshError(f"{name}: {error}") from None
    finally:
        if comm.rank == 0:
            gmsh.finalize()
    facet_dim = data.mesh.topology.dim - 1
    facets, cells = {}, {}
    for name, group in data.physical_groups.items():
        if group.dim == facet_dim and data.facet_tags is not None:
            facets[name] = data.facet_tags.find(group.tag)
        if group.dim == facet_dim + 1 and data.cell_tags is not None:
            cells[name] = data.cell_tags.find(group.tag)
    return TaggedMesh(data.mesh, facets, cells)


MESHES: dict[str, Callable[..., TaggedMesh]] = {
    "interval": interval,
    "rectangle": rectangle,
    "box": box,
    "file": file,
    "electrodes": electrodes,
}


def _with_sides(
    mesh: Mesh, lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]
) -> TaggedMesh:
    """A side's facets are those whose corners are all nearer to its plane than half a cell, in any unit and
    whatever the rounding of the coordinates."""
    dim = mesh.topology.dim
    facets = {}
    for axis in range(dim):
        half = 0.5 * (upper[axis] - lower[axis]) / cells[axis]
        for name, plane in zip(SIDES[2 * axis :], (lower[axis], upper[axis]), strict=False):
            facets[name] = dmesh.locate_entities_boundary(
                mesh, dim - 1, lambda x, axis=axis, plane=plane, half=half: np.abs(x[axis] - plane) < half
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


@contextmanager
def _generating() -> Iterator[Untyped]:
    """gmsh with what makes the same mesh each time, of sizes that the caller says; it stays open if all went
    well."""
    import gmsh

    gmsh.initialize(interruptible=False)  # Ctrl-C stays Python's
    try:
        for option, value in {
            "General.Terminal": 0,
            "General.NumThreads": 1,
            "Mesh.Algorithm": 6,  # frontal Delaunay
            "Mesh.MeshSizeExtendFromBoundary": 0,
            "Mesh.MeshSizeFromPoints": 0,
            "Mesh.RandomSeed": 1,
        }.items():
            gmsh.option.setNumber(option, value)
        yield gmsh
    except BaseException:
        gmsh.finalize()
        raise


def _triangulate(outline: Outline) -> int:
    """Triangulate a section in gmsh, which stays open, and return the dimension, 2."""
    with _generating() as gmsh:
        geo = gmsh.model.geo
        corners = [geo.addPoint(x, y, 0.0) for x, y in outline.points]
        lines = [geo.addLine(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]
        for line in lines:
            geo.mesh.setTransfiniteCurve(line, 2)  # the outline is cut already
        surface = geo.addPlaneSurface([geo.addCurveLoop(lines)])
        geo.synchronize()
        gmsh.model.addPhysicalGroup(2, [surface], name="section")
        gmsh.model.addPhysicalGroup(1, lines, name="outline")
        gmsh.model.mesh.setSizeCallback(
            lambda dim, tag, x, y, z, size: float(outline.sizes.at(np.array([[x, y]]))[0])
        )
        gmsh.model.mesh.generate(2)
        gmsh.model.mesh.removeSizeCallback()
    return 2


def _fill(ground: HalfSpace) -> int:
    """Fill a box with tetrahedra in gmsh, which stays open, and return the dimension, 3."""
    with _generating() as gmsh:
        geo, sizes = gmsh.model.occ, ground.sizes
        box = geo.addBox(*ground.lower, *(ground.upper - ground.lower))
        points = [geo.addPoint(*position) for position in sizes.electrodes]
        geo.synchronize()
        sides = [tag for _, tag in gmsh.model.getBoundary([(3, box)], oriented=False)]
        heights = [gmsh.model.occ.getCenterOfMass(2, side)[2] for side in sides]
        top = sides.pop(int(np.argmax(heights)))
        gmsh.model.mesh.embed(0, points, 2, top)
        gmsh.model.addPhysicalGroup(3, [box], name="ground")
        gmsh.model.addPhysicalGroup(2, [top], name="surface")
        gmsh.model.addPhysicalGroup(2, sides, name="walls")
        field = gmsh.model.mesh.field  # in gmsh's own code: many more sizes are asked for than in a plane
        distance, size = field.add("Distance"), field.add("Threshold")
        field.setNumbers(distance, "PointsList", points)
        field.setNumber(size, "InField", distance)
        field.setNumber(size, "SizeMin", sizes.smallest)
        field.setNumber(size, "SizeMax", sizes.largest)
        field.setNumber(size, "DistMin", 0.0)
        field.setNumber(size, "DistMax", max((sizes.largest - sizes.smallest) / GROWTH, sizes.smallest))
        field.setAsBackgroundMesh(size)
        gmsh.model.mesh.generate(3)
    return 3
