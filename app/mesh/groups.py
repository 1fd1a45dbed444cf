"""The cells of a mesh file and what its physical groups hold of them and of their facets."""

from dataclasses import dataclass

import basix
import numpy as np
from dolfinx import cpp

from app.mesh.msh import KINDS, Elements, Kind, MshFile
from app.mesh.sections import MshError
from app.types import Untyped

SERVED = ("triangle", "quadrilateral", "tetrahedron", "hexahedron")

FLAT = 1e-6
"""A plane mesh may leave its plane by this share of its extent: more than single precision is off, less than
a cell is long."""

STRAIGHT = 1e-9
"""Nodes of the second order are where the corners alone put them up to this share of the cell's length."""

EMPTY = 1e-12
"""A cell whose Jacobian is below this share of its length to the power of its dimension is flat."""


@dataclass(frozen=True)
class GroupedCells:
    """Cells of one kind and the groups, whole; serial."""

    cell: str
    degree: int
    """Of the cells' geometry: 1 also where a file's second-order cells are all straight."""
    points: np.ndarray
    """Of the cells' nodes, shape (nodes, dimension)."""
    cells: np.ndarray
    """Nodes of each cell in DOLFINx's order, shape (cells, nodes of a cell)."""
    facets: np.ndarray
    """Corners of the facets that are in a group, in DOLFINx's order, shape (facets, corners)."""
    regions: dict[str, np.ndarray]
    """Rows of the cells in each group."""
    parts: dict[str, np.ndarray]
    """Rows of the facets in each group."""
    refused: dict[str, str]
    """Groups that are neither, and why."""

    @property
    def vertices(self) -> int:
        """Number of nodes that are corners of cells."""
        corners = len(basix.geometry(basix.CellType[self.cell]))
        return len(np.unique(self.cells[:, :corners]))


def grouped_cells(file: MshFile) -> GroupedCells:
    """The cells, those without a group included, and their facets. Raises MshError."""
    elements = _cells(file)
    kind = KINDS[elements.kind]
    corners = _corners(kind)
    first, which = _once(elements.nodes[:, :corners])
    regions = _grouped(file, kind.dimension, elements.groups, which)
    nodes = elements.nodes[first][:, cpp.io.perm_gmsh(cpp.mesh.to_type(kind.cell), kind.nodes)]
    points, degree = _in_plane(file, nodes, kind.dimension), kind.degree
    if degree == 2 and _straight(kind, points, nodes):
        nodes, degree = nodes[:, :corners], 1
    _refuse_folded(file, lagrange(kind.cell, degree), points[nodes], elements.tags[first])
    used, cells = np.unique(nodes, return_inverse=True)
    cells = cells.reshape(nodes.shape)
    sides, counts = _sides(kind, cells)
    if counts.max() > 2:
        found = f"a facet of {counts.max()} cells ({np.sum(counts > 2)} such facets)"
        raise MshError(f"{file.path}: $Elements: found {found}, expected 2 at most: cells overlap")
    refused = _of_other_dimensions(file, kind.dimension)
    facets, parts, strays = _facets(file, kind.dimension, used, sides)
    for name, count in strays.items():
        expected = "expected a part that cells conform to"
        refused[name] = f"holds elements that are facets of no cell ({count}), {expected}"
    for (dimension, _), name in file.names.items():
        if name not in (regions, parts)[dimension < kind.dimension]:
            refused.setdefault(name, f"holds no elements (dimension {dimension}): they were not saved")
    _refuse_all(file, regions, parts, len(cells), facets, sides[counts == 1])
    return GroupedCells(kind.cell, degree, points[used], cells, facets, regions, parts, refused)


def _cells(file: MshFile) -> Elements:
    """The elements of the highest dimension, of one kind that is served."""
    present = {number: each for number, each in file.elements.items() if len(each.tags)}
    if not present:
        raise MshError(f"{file.path}: $Elements: found no elements, expected cells")
    dimension = max(KINDS[number].dimension for number in present)
    if dimension < 2:
        raise MshError(f"{file.path}: found a mesh of dimension {dimension}, expected 2 or 3")
    cells = {number: each for number, each in present.items() if KINDS[number].dimension == dimension}
    if len(cells) > 1 or not all(_served(KINDS[number]) for number in cells):
        kinds = [f"{len(each.tags)} {KINDS[n].cell}s of {KINDS[n].nodes} nodes" for n, each in cells.items()]
        expected = "all triangles, all quadrilaterals, all tetrahedra or all hexahedra"
        raise MshError(f"{file.path}: found {' and '.join(kinds)}, expected {expected}")
    return next(iter(cells.values()))


def _served(kind: Kind) -> bool:
    """Whether DOLFINx has such cells; it has none with nodes on their edges only."""
    return kind.cell in SERVED and kind.nodes == lagrange(kind.cell, kind.degree).dim


def lagrange(cell: str, degree: int) -> Untyped:
    """The basix element of the cells' geometry."""
    equal = basix.LagrangeVariant.equispaced
    return basix.create_element(basix.ElementFamily.P, basix.CellType[cell], degree, equal)


def _corners(kind: Kind) -> int:
    """How many there are; they come first, in gmsh's order and in DOLFINx's."""
    return len(basix.geometry(basix.CellType[kind.cell]))


def _once(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each element stands first in the file, in its order, and which of these each element is: one in
    several groups may be repeated."""
    _, first, which = np.unique(numbered(np.sort(corners, axis=1)), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[which]


def numbered(rows: np.ndarray) -> np.ndarray:
    """The same number for equal rows, shape (rows,): 0, 1, … where they have two columns or more."""
    size, number = int(rows.max(initial=0)) + 1, rows[:, 0]
    for column in rows.T[1:]:
        number = np.unique(number * size + column, return_inverse=True)[1]
    return number


def _name(file: MshFile, dimension: int, number: int) -> str:
    """What a group is called by: its name, or its number where it has none."""
    return file.names.get((dimension, number)) or str(number)


def _grouped(file: MshFile, dimension: int, groups: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """By name, the rows of the elements in each group."""
    found: dict[str, np.ndarray] = {}
    present = [file.combinations[combination] for combination in np.unique(groups)]
    for number in sorted(frozenset().union(*present)):
        member = np.array([number in each for each in file.combinations])[groups]
        name = _name(file, dimension, number)
        found[name] = np.union1d(found.get(name, np.empty(0, dtype=np.int64)), rows[member])
    return found


def _in_plane(file: MshFile, nodes: np.ndarray, dimension: int) -> np.ndarray:
    """All points in as many coordinates as the cells have; only the cells' own may not leave their plane."""
    if dimension == 2:
        own = file.points[np.unique(nodes)]
        extent = np.ptp(own, axis=0)
        if extent[2] > FLAT * np.linalg.norm(extent):
            found = f"a surface in space, z from {own[:, 2].min():g} to {own[:, 2].max():g}"
            raise MshError(f"{file.path}: found {found}, expected a mesh in a plane z = constant")
    return np.ascontiguousarray(file.points[:, :dimension])


def _straight(kind: Kind, points: np.ndarray, nodes: np.ndarray) -> bool:
    """Whether every cell of the second order is where its corners alone put it."""
    cells = points[nodes]
    placed = lagrange(kind.cell, 1).tabulate(0, lagrange(kind.cell, 2).points)[0, :, :, 0]
    off = np.linalg.norm(placed @ cells[:, : _corners(kind)] - cells, axis=2).max(axis=1)
    lengths = np.linalg.norm(np.ptp(cells, axis=1), axis=1)
    return bool((off <= np.maximum(STRAIGHT * lengths, 4 * np.spacing(np.abs(cells).max()))).all())


def _refuse_folded(file: MshFile, element: Untyped, cells: np.ndarray, tags: np.ndarray) -> None:
    """Name the first of such cells."""
    bad = tags[folded(element, cells)]
    if len(bad):
        found = f"cells that are flat or turn over (element {bad[0]}, {len(bad)} in all)"
        raise MshError(f"{file.path}: $Elements: found {found}, expected none")


def folded(element: Untyped, cells: np.ndarray) -> np.ndarray:
    """Which cells, by their nodes of shape (cells, nodes, dimension), have no integrals: their map is flat or
    turns over from one node to the next."""
    affine = element.degree == 1 and element.cell_type.name in ("triangle", "tetrahedron")
    at = element.points[:1] if affine else element.points
    slopes = element.tabulate(1, at)[1:, :, :, 0]
    lengths = np.linalg.norm(np.ptp(cells, axis=1), axis=1)
    scaled = (cells - cells[:, :1]) / np.where(lengths > 0, lengths, 1.0)[:, None, None]
    determinants = np.linalg.det(np.einsum("dpn,cni->cpid", slopes, scaled))
    bad = (np.abs(determinants) < EMPTY) | (np.sign(determinants) != np.sign(determinants[:, :1]))
    return np.asarray(bad.any(axis=1))


def _sides(kind: Kind, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted corners of all facets, each once, and how many cells each belongs to."""
    topology = basix.topology(basix.CellType[kind.cell])[kind.dimension - 1]
    every = np.sort(np.concatenate([cells[:, corners] for corners in topology]), axis=1)
    _, first, counts = np.unique(numbered(every), return_index=True, return_counts=True)
    return every[first], counts


def _facets(
    file: MshFile, dimension: int, used: np.ndarray, sides: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, int]]:
    """Corners of the facets in a group, their rows by the group's name, and of each group that has elements
    which are no facets how many. `used` are the points of the cells, `sides` all facets."""
    grouped = np.array([bool(groups) for groups in file.combinations])
    rows, groups = [np.empty((0, sides.shape[1]), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    strays: dict[str, int] = {}
    for number, elements in file.elements.items():
        kind = KINDS[number]
        if kind.dimension != dimension - 1:
            continue
        mine = grouped[elements.groups]
        corners, own = elements.nodes[mine, : _corners(kind)], elements.groups[mine]
        place = np.minimum(np.searchsorted(used, corners), len(used) - 1)
        found = (used[place] == corners).all(axis=1)
        if corners.shape[1] == sides.shape[1]:
            both = numbered(np.concatenate([sides, np.sort(place, axis=1)]))
            found &= np.isin(both[len(sides) :], both[: len(sides)])
            rows, groups = [*rows, place[found]], [*groups, own[found]]
        else:
            found[:] = False
        for name, stray in _grouped(file, kind.dimension, own[~found], np.flatnonzero(~found)).items():
            strays[name] = strays.get(name, 0) + len(stray)
    corners, together = np.concatenate(rows), np.concatenate(groups)
    if not len(corners):
        return corners, {}, strays
    first, which = _once(corners)
    parts = _grouped(file, dimension - 1, together, which)
    facets = corners[first]
    if facets.shape[1] == 4:
        facets = facets[:, cpp.io.perm_gmsh(cpp.mesh.CellType.quadrilateral, 4)]
    return facets, {name: own for name, own in parts.items() if name not in strays}, strays


def _of_other_dimensions(file: MshFile, dimension: int) -> dict[str, str]:
    """Groups of points and, in space, of curves."""
    found = {}
    for number, elements in file.elements.items():
        own = KINDS[number].dimension
        if own < dimension - 1:
            for name in _grouped(file, own, elements.groups, np.arange(len(elements.tags))):
                found[name] = (
                    f"is of dimension {own}, expected {dimension - 1} of a part of the boundary or "
                    f"{dimension} of a region"
                )
    return found


def _refuse_all(
    file: MshFile,
    regions: dict[str, np.ndarray],
    parts: dict[str, np.ndarray],
    cells: int,
    facets: np.ndarray,
    boundary: np.ndarray,
) -> None:
    """`all` stands for all cells and for the whole boundary: a group of this name may hold nothing else."""
    if "all" in parts:
        own = np.sort(facets[parts["all"]], axis=1)
        both = numbered(np.concatenate([boundary, own]))
        whole = len(own) == len(boundary) == len(np.unique(both))
    else:
        whole = "all" not in regions or len(regions["all"]) == cells
    if not whole:
        found = "a physical group called all that holds a part only"
        raise MshError(f"{file.path}: found {found}, expected another name: all stands for the whole")
