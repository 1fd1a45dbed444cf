"""Where points are in the cells of a mesh, of straight and curved cells alike."""

from dataclasses import dataclass

import numpy as np
from dolfinx import geometry as dgeometry
from mpi4py import MPI

from app.mesh.meshes import SAME_PLACE, TaggedMesh
from app.types import Untyped

MOST_STEPS = 25
"""Of Newton's method in a cell that its nodes do not map affinely."""

BULGE = 0.25
"""How far a curved cell may reach beyond the box of its nodes, in lengths of the largest such box."""


AT_ONCE = 65_536
"""Points whose cells are looked for together: each is in the boxes of some thirty cells in space."""


@dataclass(frozen=True)
class Located:
    """For each of some points the nearest point of this rank's cells."""

    cells: np.ndarray
    """Local indices, shape (points,), -1 where no cell is near."""
    reference: np.ndarray
    """Coordinates in the reference cell, shape (points, dimension)."""
    distance: np.ndarray
    """Shape (points,), infinite where no cell is near."""

    @staticmethod
    def nowhere(points: np.ndarray) -> "Located":
        """Points near no cell, as yet."""
        count = len(points)
        return Located(np.full(count, -1, dtype=np.int32), np.zeros_like(points), np.full(count, np.inf))

    def owned(self, comm: MPI.Comm) -> tuple[np.ndarray, np.ndarray]:
        """Of each point the first of the ranks that are nearest, and the least distance; collective, the
        same on all ranks, as the points have to be."""
        nearest = np.empty_like(self.distance)
        comm.Allreduce(self.distance, nearest, op=MPI.MIN)
        owner = np.where(self.distance <= nearest, comm.rank, comm.size)
        comm.Allreduce(MPI.IN_PLACE, owner, op=MPI.MIN)
        return owner, nearest


def locate(domain: TaggedMesh, points: np.ndarray, tolerance: float) -> Located:
    """The nearest points of the rank's own cells, looked for where a cell's box, larger by the `tolerance`,
    holds the point; serial. `points` has shape (n, dimension).

    The cells are those of DOLFINx's tree of boxes. Which of them holds a point is not asked of DOLFINx, whose
    distances between cells and points are told apart by absolute sizes only.
    """
    count, mesh = len(points), domain.mesh
    own = np.arange(mesh.topology.index_map(mesh.topology.dim).size_local, dtype=np.int32)
    found = Located.nowhere(points)
    if not len(own) or not count:
        return found
    padded = np.zeros((count, 3))
    padded[:, : domain.dimension] = points
    reach = tolerance + _bulge(domain)
    tree = dgeometry.bb_tree(mesh, mesh.topology.dim, padding=reach, entities=own)
    near = dgeometry.compute_collisions_points(tree, padded)
    of = np.repeat(np.arange(count), np.diff(near.offsets))
    reference, distance = nearest_in_cells(domain, points[of], near.array)
    order = np.lexsort((near.array, distance, of))
    first = order[np.r_[True, np.diff(of[order]) > 0]] if len(of) else order
    found.cells[of[first]] = near.array[first]
    found.reference[of[first]] = reference[first]
    found.distance[of[first]] = distance[first]
    return found


def holding(domain: TaggedMesh, points: np.ndarray) -> Located:
    """Those points that cells of this rank's own hold for sure; serial, of affine cells only and fast where
    points are many. `points` has shape (n, dimension)."""
    mesh, dimension, found = domain.mesh, domain.dimension, Located.nowhere(points)
    own = np.arange(mesh.topology.index_map(mesh.topology.dim).size_local, dtype=np.int32)
    if not is_affine(coordinate_element(domain)) or not len(own):
        return found
    nodes = mesh.geometry.x[mesh.geometry.dofmaps[0][own], :dimension]
    base = nodes[:, 0]
    inverse = np.linalg.inv((nodes[:, 1:] - base[:, None]).transpose(0, 2, 1))
    tree = dgeometry.bb_tree(mesh, mesh.topology.dim, padding=domain.tolerance, entities=own)
    for start in range(0, len(points), AT_ONCE):
        part = points[start : start + AT_ONCE]
        near = dgeometry.compute_collisions_points(tree, np.pad(part, ((0, 0), (0, 3 - dimension))))
        of = np.repeat(np.arange(len(part)), np.diff(near.offsets))
        X = np.einsum("pij,pj->pi", inverse[near.array], part[of] - base[near.array])
        held = np.flatnonzero(np.minimum(X.min(axis=1, initial=0.0), 1.0 - X.sum(axis=1)) >= -SAME_PLACE)
        last = held[::-1]  # of several the first remains
        at = start + of[last]
        found.cells[at], found.reference[at], found.distance[at] = near.array[last], X[last], 0.0
    return found


def nearest_in_cells(
    domain: TaggedMesh, points: np.ndarray, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each point the nearest point of its own cell: reference coordinates and the distance."""
    geometry = domain.mesh.geometry
    nodes = geometry.x[geometry.dofmaps[0][cells], : domain.dimension]
    reference, _, distance = nearest_of_maps(coordinate_element(domain), nodes, points)
    return reference, distance


def coordinate_element(domain: TaggedMesh) -> Untyped:
    """Basix's element that the nodes of a cell map it with."""
    return domain.mesh.ufl_domain().ufl_coordinate_element().basix_element


def is_affine(element: Untyped) -> bool:
    """Whether an element's nodes map the reference cell affinely."""
    return element.degree == 1 and _is_simplex(element)


def nearest_of_maps(
    element: Untyped, nodes: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each point the nearest point of its own entity, a cell or a facet, with these nodes, shape (points,
    nodes of the entity, dimension): reference coordinates, the place itself, and the distance.

    The Gauss-Newton method for x(X) = point, each step brought back into the reference entity: of a point
    outside it is as near as rounding asks for.
    """
    base = nodes[:, 0]  # relative to a corner, coordinates far from the origin lose nothing more
    nodes, target = nodes - base[:, None], points - base
    simplex, dimension = _is_simplex(element), len(element.points[0])
    reference = np.tile(element.points.mean(axis=0), (len(points), 1))
    best, place, distance = reference.copy(), np.zeros_like(target), np.full(len(points), np.inf)
    for _ in range(1 if is_affine(element) and dimension == nodes.shape[2] else MOST_STEPS):
        table = element.tabulate(1, reference)[:, :, :, 0]
        mapped = np.einsum("pn,pni->pi", table[0], nodes)
        jacobian = np.einsum("kpn,pni->pik", table[1:], nodes)
        wanted = reference + _solved(jacobian, target - mapped)
        moved = _into_simplex(wanted) if simplex else np.clip(wanted, 0.0, 1.0)
        change = np.abs(moved - reference).max(initial=0.0)
        reference = moved
        here = np.einsum("pn,pni->pi", element.tabulate(0, reference)[0, :, :, 0], nodes)
        far = np.linalg.norm(here - target, axis=1)
        nearer = far < distance
        best[nearer], place[nearer], distance[nearer] = reference[nearer], here[nearer], far[nearer]
        if change < np.finfo(float).eps:
            break
    return best, base + place, distance


def _is_simplex(element: Untyped) -> bool:
    return element.cell_type.name in ("point", "interval", "triangle", "tetrahedron")


def _solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Each matrix's solution, the one of least squares where it is tall or, as in a flat corner, singular."""
    if not len(matrices):
        return np.empty((0, matrices.shape[2]))
    try:
        if matrices.shape[1] == matrices.shape[2]:
            solution: np.ndarray = np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
            return solution
    except np.linalg.LinAlgError:
        pass
    least: np.ndarray = (np.linalg.pinv(matrices) @ right[:, :, None])[:, :, 0]
    return least


def _into_simplex(X: np.ndarray) -> np.ndarray:
    """Each row itself if it is inside, else a point of the boundary as near as rounding asks for."""
    clipped = np.clip(X, 0.0, None)
    inside: np.ndarray = clipped / np.maximum(1.0, clipped.sum(axis=1, keepdims=True))
    return inside


def _bulge(domain: TaggedMesh) -> float:
    """How far cells may reach beyond the boxes of their nodes: straight ones do not."""
    geometry = domain.mesh.geometry
    if coordinate_element(domain).degree == 1:
        return 0.0
    nodes = geometry.x[geometry.dofmaps[0]]
    return BULGE * float(np.ptp(nodes, axis=1).max(initial=0.0))
