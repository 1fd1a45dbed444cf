"""Rectangular roots L of an inner product K = LLᵀ, which make of white noise derivatives of covariance K.

Of a sum of squares K = Σ ∫ ω|a(u)|² the quadrature gives one at once, GᵀW^½ with one number of white noise
for each quadrature point and component of a: K is not factorised (Villa, Petra and Ghattas 2021, hIPPYlib,
section 3.3).
"""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import la
from petsc4py import PETSc

from app.mesh import NodeOrder
from app.mesh.rows import sparse_matrix
from app.mesh.spaces import CoefficientSpace
from app.parallel import multiply
from app.parallel.blocks import first_row
from app.prior.terms import Term, Values, values_at_points
from app.types import Untyped


class Root:
    """L with LLᵀ = K, as a PETSc matrix of which it is the owner: rows as blocks have them, columns for the
    rank's share of the white noise."""

    def __init__(self, matrix: PETSc.Mat, own: np.ndarray, size: int) -> None:
        self._matrix, self._own = matrix, own
        self.size = size
        """Numbers of white noise, over all ranks."""

    def apply(self, noise: np.ndarray) -> np.ndarray:
        """L @ noise, a block, of white noise that is whole on every rank, shape (size, columns).
        Collective."""
        return multiply(self._matrix, np.asfortranarray(noise[self._own]))

    def close(self) -> None:
        """Destroy the matrix, collectively; a second time does nothing."""
        self._matrix.destroy()


@dataclass(frozen=True)
class _Part:
    """Columns of L that this rank brings."""

    rows: np.ndarray
    """Of each entry the number of its node in the rows of all blocks, −1 where m is known."""
    columns: np.ndarray
    """Of each entry, counted from 0 on each rank."""
    values: np.ndarray
    numbers: np.ndarray
    """Which of the part's white noise each column stands for, in an order that no partition changes."""
    size: int
    """Numbers of white noise over all ranks."""


def root_of(
    space: CoefficientSpace,
    form: ufl.Form,
    terms: Sequence[Term],
    matrix: PETSc.Mat,
    lumped: np.ndarray | None = None,
) -> Root:
    """Of the matrix K, over the free nodes, of a form that is the sum of these terms, with a diagonal matrix
    added to it whose owned entries are `lumped`; collective.

    Of degree 0 the form has jumps in place of gradients, and L is the incidence matrix of K's graph.
    """
    if space.degree == 0:
        return _rooted(space, _graph(space, matrix))
    parts = [_part(space, values_at_points(space, form, term)) for term in terms]
    return _rooted(space, parts if lumped is None else [*parts, _diagonal(space, lumped)])


def diagonal_root(space: CoefficientSpace, entries: np.ndarray) -> Root:
    """Of a diagonal matrix with these owned entries: one number of white noise a node; collective."""
    return _rooted(space, [_diagonal(space, entries)])


def _rooted(space: CoefficientSpace, parts: Sequence[_Part]) -> Root:
    """L whose columns are those of all parts."""
    widths, sizes = [len(part.numbers) for part in parts], [part.size for part in parts]
    first, width = first_row(space.comm, sum(widths)), sum(widths)
    begins, starts = np.cumsum([first, *widths[:-1]]), np.cumsum([0, *sizes[:-1]])
    rows = np.concatenate([part.rows for part in parts])
    columns = np.concatenate([begin + part.columns for begin, part in zip(begins, parts, strict=True)])
    values = np.concatenate([part.values for part in parts])
    own = np.concatenate([start + part.numbers for start, part in zip(starts, parts, strict=True)])
    height, all_columns = (space.owned, space.size), space.comm.allreduce(width)
    matrix = sparse_matrix(space.comm, height, (width, all_columns), rows, columns, values)
    return Root(matrix, own, sum(sizes))


def _part(space: CoefficientSpace, found: Values) -> _Part:
    """A column for each quadrature point and component."""
    cells, dofs, width = found.values.shape
    columns = np.arange(cells * width).reshape(cells, 1, width)
    rows = _free_numbers(space)[space.space.dofmap.list[found.cells]]
    shape = (cells, dofs, width)
    return _Part(
        np.broadcast_to(rows[:, :, None], shape).ravel(),
        np.broadcast_to(columns, shape).ravel(),
        found.values.ravel(),
        found.numbers.ravel(),
        found.size,
    )


def _free_numbers(space: CoefficientSpace) -> np.ndarray:
    """Of the rank's nodes, ghosts included, their numbers in the rows of all blocks; −1 where m is known."""
    index_map = space.space.dofmap.index_map
    numbers = la.vector(index_map, dtype=np.int64)
    numbers.array[:] = -1
    first = first_row(space.comm, space.owned)
    free = np.arange(index_map.size_local) if space.free is None else space.free
    numbers.array[free] = first + np.arange(space.owned)
    numbers.scatter_forward()
    own: np.ndarray = numbers.array.copy()
    return own


def _diagonal(space: CoefficientSpace, entries: np.ndarray) -> _Part:
    """A column √K_ii e_i for each node."""
    first, own = first_row(space.comm, space.owned), np.arange(space.owned)
    order = NodeOrder(space.comm, space.coordinates)
    return _Part(first + own, own, np.sqrt(entries), order.numbers(), order.size)


def _graph(space: CoefficientSpace, matrix: Untyped) -> list[_Part]:
    """Of K with K_ij ≤ 0: a column √(−K_ij)(e_i − e_j) for each pair, and what is left of the diagonal."""
    comm, order = space.comm, NodeOrder(space.comm, space.coordinates)
    place = np.concatenate(comm.allgather(order.numbers()))
    starts, j, values = matrix.getValuesCSR()
    first, last = matrix.getOwnershipRange()
    i = np.repeat(np.arange(first, last), np.diff(starts))
    left = np.bincount(i - first, values, minlength=last - first)
    once = (place[i] < place[j]) & (values < 0)  # each pair on the rank of its first node
    i, j, values = i[once], j[once].astype(np.int64), np.sqrt(-values[once])
    keys = place[i] * order.size + place[j]
    every, columns = np.sort(np.concatenate(comm.allgather(keys))), np.arange(len(keys))
    pairs = _Part(
        np.concatenate([i, j]),
        np.concatenate([columns, columns]),
        np.concatenate([values, -values]),
        np.searchsorted(every, keys),
        len(every),
    )
    return [pairs, _diagonal(space, np.maximum(left, 0.0))]
