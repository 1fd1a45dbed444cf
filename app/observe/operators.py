"""Observation operators: readings of a state u and coefficients m as y = B u + W A(u, m) + C m."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.types import Matrix


@dataclass(frozen=True)
class ObservationOperator:
    """Readings y = B u + W A(u, m) + C m, linear in the dofs of the state and of the unknowns and in the
    equation's residual.

    A(u, m) has the entries A(u, m; φ_i), without Dirichlet conditions: tested by a w that lives on the
    Dirichlet part alone it is the flux there, weighted by w. B and W are PETSc matrices of shape (readings,
    state dofs), C has one of shape (readings, nodes) for each unknown that is read itself, all with rows in
    equal contiguous parts, in the order of the readings; `close` destroys them.
    """

    matrix: Matrix
    """B."""
    weights: Matrix | None = None
    """W, None where it is zero."""
    direct: Mapping[int, Matrix] = field(default_factory=dict)
    """C by the number of the unknown, without those where it is zero."""

    def close(self) -> None:
        """Destroy the matrices; collective, and nothing where it was done."""
        self.matrix.destroy()
        for matrix in self.direct.values():
            matrix.destroy()
        if self.weights is not None:
            self.weights.destroy()


def joined(parts: Sequence[ObservationOperator]) -> ObservationOperator:
    """All readings of at least one operator, one operator's after the other's; collective.

    The matrices are new ones: closing the parts leaves them as they are.
    """
    weights = None
    if any(part.weights is not None for part in parts):
        weights = _stacked(parts, [part.weights for part in parts])
    direct = {
        index: _stacked(parts, [part.direct.get(index) for part in parts])
        for index in sorted({index for part in parts for index in part.direct})
    }
    return ObservationOperator(_stacked(parts, [part.matrix for part in parts]), weights, direct)


def _stacked(parts: Sequence[ObservationOperator], matrices: Sequence[Matrix]) -> Matrix:
    """The matrices below one another, None being zero rows as many as the part's readings."""
    from app.mesh.rows import sparse_matrix

    begun, entries = 0, []
    for part, matrix in zip(parts, matrices, strict=True):
        if matrix is not None:
            starts, columns, values = matrix.getValuesCSR()
            first = begun + matrix.getOwnershipRange()[0]
            rows = np.repeat(np.arange(first, first + len(starts) - 1), np.diff(starts))
            entries.append((rows, columns, values))
        begun += part.matrix.getSize()[0]
    rows, columns, values = (np.concatenate([entry[i] for entry in entries]) for i in range(3))
    own = next(matrix for matrix in matrices if matrix is not None)
    return sparse_matrix(own.comm.tompi4py(), begun, own.getSizes()[1], rows, columns, values)
