"""Kinds of observation: readings of a state u and a coefficient m as y = B u + W A(u, m)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.mesh.meshes import TaggedMesh
from app.mesh.points import point_matrix
from app.mesh.rows import empty_rows
from app.observe.averages import ball_averages, region_averages
from app.observe.fluxes import flux_weights
from app.observe.traces import nearest_on
from app.parallel.blocks import PETSc


@dataclass(frozen=True)
class Observation:
    """Readings y = B u + W A(u, m), linear in the state's dofs and in the equation's residual.

    A(u, m) has the entries A(u, m; φ_i), without Dirichlet conditions: tested by a w that lives on the
    Dirichlet part alone it is the flux there, weighted by w. Both matrices have shape (readings, state dofs)
    and rows in equal contiguous parts, in the order of the readings.
    """

    matrix: Any
    """B."""
    weights: Any | None = None
    """W, None where it is zero."""


def points(domain: TaggedMesh, space: Any, *, points: np.ndarray, component: int = 0) -> Observation:
    """The state at points, shape (readings, dimension). Raises PointOutside on all ranks."""
    return Observation(point_matrix(domain, space, points, component))


def averages(
    domain: TaggedMesh,
    space: Any,
    *,
    names: Sequence[str] | None = None,
    points: np.ndarray | None = None,
    radii: np.ndarray | None = None,
    component: int = 0,
) -> Observation:
    """Means of the state over regions of the mesh by name, or over balls about points.

    Raises MeshError for a region that the mesh lacks, BallOutside for a ball that leaves it, on all ranks.
    """
    if names is not None:
        return Observation(region_averages(domain, space, names, component))
    assert points is not None and radii is not None
    return Observation(ball_averages(domain, space, points, radii, component))


def traces(
    domain: TaggedMesh, space: Any, *, points: np.ndarray, on: Sequence[str], component: int = 0
) -> Observation:
    """The state at the nearest points of named parts of the boundary.

    Raises MeshError for a part that the mesh lacks, PointOffPart for a point that is not on the parts, on all
    ranks.
    """
    return Observation(point_matrix(domain, space, nearest_on(domain, on, points), component))


def fluxes(domain: TaggedMesh, space: Any, *, names: Sequence[str], given: Sequence[str]) -> Observation:
    """Integrals of the flux into the domain through parts of the boundary, the state being given on `given`;
    of a state of one component.

    Raises MeshError for a part that the mesh lacks, StateNotGiven for one where the state is not given, on
    all ranks.
    """
    return Observation(empty_rows(space, len(names)), flux_weights(domain, space, names, given))


OBSERVATIONS: dict[str, Callable[..., Observation]] = {
    "points": points,
    "averages": averages,
    "traces": traces,
    "fluxes": fluxes,
    "field": points,
}
"""By the case's `kind`; a field is read at the nodes of its own mesh."""


def joined(space: Any, parts: Sequence[Observation]) -> Observation:
    """All readings, one observation after the other."""
    if len(parts) == 1:
        return parts[0]
    count = sum(part.matrix.getSize()[0] for part in parts)
    weights = None
    if any(part.weights is not None for part in parts):
        weights = _joined(space, count, parts, [part.weights for part in parts])
    return Observation(_joined(space, count, parts, [part.matrix for part in parts]), weights)


def _joined(space: Any, count: int, parts: Sequence[Observation], matrices: Sequence[Any]) -> Any:
    whole = empty_rows(space, count)
    begun = 0
    for part, matrix in zip(parts, matrices, strict=True):
        if matrix is not None:
            for row in range(*matrix.getOwnershipRange()):
                columns, values = matrix.getRow(row)
                whole.setValues([begun + row], columns.astype(PETSc.IntType), values)
        begun += part.matrix.getSize()[0]
    whole.assemble()
    return whole
