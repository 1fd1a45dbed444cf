"""Where points are in the cells of a mesh, of straight and curved cells alike."""

from dataclasses import dataclass

import numpy as np
from dolfinx import geometry as dgeometry

from app.mesh.meshes import TaggedMesh
from app.types import Untyped

MOST_STEPS = 25
"""Of Newton's method in a cell that its nodes do not map affinely."""

BULGE = 0.25
"""How far a curved cell may reach beyond the box of its nodes, in lengths of the largest such box."""


@dataclass(frozen=True)
class Located:
    """For each of some points the nearest point of this rank's cells."""

    cells: np.ndarray
    """Local indices, shape (points,), -1 where no cell is near."""
    reference: np.ndarray
    """Coordinates in the reference cell, shape (points, dimension)."""
    distance: np.ndarray
    """Shape (points,), infinite where no cell is near."""


def locate(domain: TaggedMesh, points: np.ndarray, tolerance: float) -> Located:
    """The nearest points of the rank's own cells, looked for where a cell's box, larger by the `tolerance`,
    holds the point; serial. `points` has shape (n, dimension).

    The cells are those of DOLFINx's tree of boxes. Which of them holds a point is not asked of DOLFINx, whose
    distances between cells and points are told apart by absolute sizes only.
    """
    count, mesh = len(points), domain.mesh
    own = np.arange(mesh.topology.index_map(mesh.topology.dim).size_local, dtype=np.int32)
    found = Located(np.full(count, -1, dtype=np.int32), np.zeros_like(points), np.full(count, np.inf))
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


def nearest_in_cells(
    domain: TaggedMesh, points: np.ndarray, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each point the nearest point of its own cell: reference coordinates and the distance.

    Newton's method for x(X) = point, each step brought back into the reference cell: of a point outside it is
    as near as rounding asks for.
    """
    geometry = domain.mesh.geometry
    element: Untyped = domain.mesh.ufl_domain().ufl_coordinate_element().basix_element
    nodes = geometry.x[geometry.dofmaps[0][cells], : domain.dimension]
    base = nodes[:, 0]  # relative to a corner, coordinates far from the origin lose nothing more
    nodes, target = nodes - base[:, None], points - base
    simplex = domain.mesh.topology.cell_name() in ("interval", "triangle", "tetrahedron")
    affine = simplex and element.degree == 1
    start = np.full(domain.dimension, 1.0 / (domain.dimension + 1) if simplex else 0.5)
    reference = np.tile(start, (len(points), 1))
    best, distance = reference.copy(), np.full(len(points), np.inf)
    for _ in range(1 if affine else MOST_STEPS):
        table = element.tabulate(1, reference)[:, :, :, 0]
        mapped = np.einsum("pn,pni->pi", table[0], nodes)
        jacobian = np.einsum("kpn,pni->pik", table[1:], nodes)
        step = _solved(jacobian, target - mapped)
        moved = _into_simplex(reference + step) if simplex else np.clip(reference + step, 0.0, 1.0)
        change = np.abs(moved - reference).max(initial=0.0)
        reference = moved
        far = np.linalg.norm(np.einsum("pn,pni->pi", _values(element, reference), nodes) - target, axis=1)
        nearer = far < distance
        best[nearer], distance[nearer] = reference[nearer], far[nearer]
        if change < np.finfo(float).eps:
            break
    return best, distance


def _values(element: Untyped, reference: np.ndarray) -> np.ndarray:
    table: np.ndarray = element.tabulate(0, reference)[0, :, :, 0]
    return table


def _solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Each matrix's solution, a small one where it is singular, as in a corner that is folded flat."""
    if not len(matrices):
        return right
    try:
        solution: np.ndarray = np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        solution = (np.linalg.pinv(matrices) @ right[:, :, None])[:, :, 0]
    return solution


def _into_simplex(X: np.ndarray) -> np.ndarray:
    """Each row itself if it is inside, else a point of the boundary as near as rounding asks for."""
    clipped = np.clip(X, 0.0, None)
    return clipped / np.maximum(1.0, clipped.sum(axis=1, keepdims=True))


def _bulge(domain: TaggedMesh) -> float:
    """How far cells may reach beyond the boxes of their nodes: straight ones do not."""
    geometry = domain.mesh.geometry
    if domain.mesh.ufl_domain().ufl_coordinate_element().basix_element.degree == 1:
        return 0.0
    nodes = geometry.x[geometry.dofmaps[0]]
    return BULGE * float(np.ptp(nodes, axis=1).max(initial=0.0))
