"""Readings that stand twice: of one place, time and component."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.observe.operators import ObservationOperator
from app.types import Space

if TYPE_CHECKING:
    from app.mesh import TaggedMesh
    from app.observe.kinds import ObservedState

SAME = 1e-6
"""Readings are alike when what they are of smooth states, relative to the largest, differs by less: places
written with six digits are."""

SAME_TIME = 1e-9
"""The same for their times, as a share of the equation's."""

WAVES = 6
"""Smooth states that tell readings apart."""

STEEPEST = 3.0
"""Largest component of a wave's k, over the domain's diagonal."""


def signatures(
    state: ObservedState, operator: ObservationOperator, times: np.ndarray | None, logarithmic: np.ndarray
) -> np.ndarray:
    """What tells readings apart, shape (readings, signs): two that are alike within 1 are of one place, time
    and component; whole on every rank, collective.

    A reading is a row of B, W and C. It is told by what it is of a few states, residuals and unknowns, which
    are the same on any number of ranks.
    """
    from app.parallel import multiply
    from app.parallel.blocks import PETSc

    comm, waves, signs = state.domain.comm, _waves(state.domain, state.space), []
    read = [(matrix, waves) for matrix in filter(None, (operator.matrix, operator.weights))]
    spaces = [unknown.space for unknown in state.unknowns.values()]
    read += [(matrix, _waves(state.domain, spaces[index])) for index, matrix in operator.direct.items()]
    for matrix, waves in read:
        largest = matrix.norm(PETSc.NormType.INFINITY) or 1.0
        signs.append(np.concatenate(comm.allgather(multiply(matrix, waves))) / (SAME * largest))
    if times is not None and state.end is not None:
        signs.append(times[:, None] / (SAME_TIME * state.end))
    return np.hstack([*signs, 2.0 * logarithmic[:, None]])


def groups_of(signs: np.ndarray) -> np.ndarray:
    """The number of each reading's group, shape (readings,), in the order in which they first appear;
    `signs` as in `signatures`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    distinct, inverse = np.unique(np.round(signs, 3), axis=0, return_inverse=True)
    pairs = cKDTree(distinct).query_pairs(1.0, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(distinct),) * 2)
    found = connected_components(links, directed=False)[1][inverse.ravel()]
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), dtype=int)
    numbers[np.argsort(first)] = np.arange(len(first))
    result: np.ndarray = numbers[group]
    return result


def _waves(domain: TaggedMesh, space: Space) -> np.ndarray:
    """A block of this rank's dofs, shape (owned dofs, WAVES): cos(k·x + φ), each component with phases of its
    own."""
    dofs = space.dofmap
    owned, size = dofs.index_map.size_local, dofs.index_map_bs
    lower, _ = domain.bounding_box()
    points = space.tabulate_dof_coordinates()[:owned, : domain.dimension]
    rng = np.random.default_rng(0)
    directions = rng.uniform(-STEEPEST, STEEPEST, (domain.dimension, WAVES)) / domain.diagonal
    phases = rng.uniform(0.0, 2 * np.pi, (size, WAVES))
    along = (points - lower) @ directions
    return np.asfortranarray(np.cos(along[:, None, :] + phases).reshape(owned * size, WAVES))
