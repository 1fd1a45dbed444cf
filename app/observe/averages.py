"""Means of a state over regions of the mesh and over balls."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.mesh.meshes import TaggedMesh
from app.mesh.points import PointOutside, point_matrix
from app.mesh.rows import empty_rows, integrals, over_cells
from app.parallel.blocks import PETSc

RADII, ANGLES, HEIGHTS = 4, 12, 4
"""Points of the rule along a radius, around the axis, and along the axis of a ball in space."""


class BallOutside(PointOutside):
    """A ball reaches outside the mesh; `index` counts the balls from 0, `point` is its centre."""

    def __str__(self) -> str:
        where = ", ".join(f"{x:.6g}" for x in self.point)
        return f"the ball {self.index + 1} about ({where}) reaches outside the mesh"


def region_averages(domain: TaggedMesh, space: Any, names: Sequence[str], component: int = 0) -> Any:
    """B with (Bu)_i = the mean of u over the region named i, `all` being the whole mesh.

    Raises MeshError on all ranks for a region that the mesh lacks.
    """
    comm, index_map = domain.comm, space.dofmap.index_map
    matrix = empty_rows(space, len(names))
    own = np.arange(*(end * space.dofmap.index_map_bs for end in index_map.local_range))
    means = {}
    for name in dict.fromkeys(names):
        cells = _every_cell(domain) if name == "all" else domain.region(name)
        values = integrals(space, over_cells(domain, cells), component)
        means[name] = values / comm.allreduce(float(values.sum()))  # the φ_i add up to 1
    for row, name in enumerate(names):
        here = np.flatnonzero(means[name])
        matrix.setValues([row], own[here].astype(PETSc.IntType), means[name][here])
    matrix.assemble()
    return matrix


def ball_averages(
    domain: TaggedMesh, space: Any, centres: np.ndarray, radii: np.ndarray, component: int = 0
) -> Any:
    """B with (Bu)_i = the mean of u over the ball (in the plane a disc, on a line an interval) i.

    By a rule that is exact for polynomials of degree 5, and for a state with kinks between cells as good as
    its points are many in a cell or cells are many in the ball. `centres` has shape (readings, dimension),
    `radii` (readings,), both the same on all ranks. Raises BallOutside on all ranks.
    """
    places, weights = ball_rule(domain.dimension)
    points = centres[:, None, :] + radii[:, None, None] * places
    try:
        at = point_matrix(domain, space, points.reshape(-1, domain.dimension), component)
    except PointOutside as outside:
        ball = outside.index // len(places)
        raise BallOutside(ball, centres[ball], outside.distance) from None
    sums = PETSc.Mat().createAIJ(
        ((PETSc.DECIDE, len(centres)), (at.getLocalSize()[0], at.getSize()[0])),
        nnz=len(places),
        comm=domain.comm,
    )
    for row in range(*sums.getOwnershipRange()):
        columns = np.arange(row * len(places), (row + 1) * len(places), dtype=PETSc.IntType)
        sums.setValues([row], columns, weights)
    sums.assemble()
    matrix = sums.matMult(at)
    sums.destroy(), at.destroy()
    return matrix


def ball_rule(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, dimension) in the unit ball and weights that add up to 1.

    Gauss's rule along the radius and the axis, equal angles around it. Points on the rim have the weight
    zero: they tell that the ball lies in the mesh.
    """
    if dimension == 1:
        nodes, weights = np.polynomial.legendre.leggauss(2 * RADII)
        return np.append(nodes, [-1.0, 1.0])[:, None], np.append(weights / 2, [0.0, 0.0])
    nodes, shares = np.polynomial.legendre.leggauss(RADII)
    radii = (1 + nodes) / 2
    shares = shares * radii ** (dimension - 1)  # Jacobian of polar coordinates
    angles = 2 * np.pi * np.arange(ANGLES) / ANGLES
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    parts = np.full(ANGLES, 1 / ANGLES)
    if dimension == 3:
        heights, slices = np.polynomial.legendre.leggauss(HEIGHTS)
        flat = np.sqrt(1 - heights**2)
        around = np.broadcast_to(heights[:, None, None], (HEIGHTS, ANGLES, 1))
        directions = np.concatenate([flat[:, None, None] * directions, around], axis=2).reshape(-1, 3)
        parts = np.outer(slices / 2, parts).ravel()
    inner = (radii[:, None, None] * directions).reshape(-1, dimension)
    weights = np.outer(shares / shares.sum(), parts).ravel()
    rim = np.vstack([directions, np.eye(dimension), -np.eye(dimension)])
    return np.vstack([inner, rim]), np.append(weights, np.zeros(len(rim)))


def _every_cell(domain: TaggedMesh) -> np.ndarray:
    return np.arange(domain.mesh.topology.index_map(domain.dimension).size_local, dtype=np.int32)
