"""Observation operators: readings of a state u and a coefficient m as y = B u + W A(u, m)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.types import Matrix


@dataclass(frozen=True)
class ObservationOperator:
    """Readings y = B u + W A(u, m), linear in the state's dofs and in the equation's residual.

    A(u, m) has the entries A(u, m; φ_i), without Dirichlet conditions: tested by a w that lives on the
    Dirichlet part alone it is the flux there, weighted by w. Both are PETSc matrices of shape (readings,
    state dofs) with rows in equal contiguous parts, in the order of the readings; `close` destroys them.
    """

    matrix: Matrix
    """B."""
    weights: Matrix | None = None
    """W, None where it is zero."""

    def close(self) -> None:
        """Destroy both matrices; collective, and nothing where it was done."""
        self.matrix.destroy()
        if self.weights is not None:
            self.weights.destroy()


def joined(parts: Sequence[ObservationOperator]) -> ObservationOperator:
    """All readings of at least one operator, one operator's after the other's; collective.

    The matrices are new ones: closing the parts leaves them as they are.
    """
    weights = None
    if any(part.weights is not None for part in parts):
        weights = _stacked(parts, [part.weights for part in parts])
    return ObservationOperator(_stacked(parts, [part.matrix for part in parts]), weights)


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
    own = parts[0].matrix
    return sparse_matrix(own.comm.tompi4py(), begun, own.getSizes()[1], rows, columns, values)
