"""Inner products and regularisations as the laws of this folder take them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
from elliptic import COMM, gathered

from app.mesh import CoefficientSpace
from app.parallel import LinearSolver
from app.prior import REGULARISATIONS, Value
from app.prior.gram import InnerProduct, Regularisation
from app.prior.inner_products import INNER_PRODUCTS

MASS = 0.37
"""ℓ⁻² of these tests; of no meaning."""

LENGTH = MASS**-0.5

ROUNDING = 1e-12

SOLVED = 1e-9
"""Relative accuracy of a solve: 1e-16 times the condition, below 1e5, with room."""

solver = partial(LinearSolver, COMM, "direct", "test_gram_")


@contextmanager
def regularisation(
    name: str, space: CoefficientSpace, length: float = LENGTH, **parameters: Value
) -> Iterator[Regularisation]:
    """One of the dictionary, closed at the end."""
    made = REGULARISATIONS[name](space, length, solver, **parameters)
    yield made
    made.close()


@contextmanager
def product(
    name: str, space: CoefficientSpace, values: np.ndarray | None = None, length: float = LENGTH
) -> Iterator[InnerProduct]:
    """An inner product, or, of a name with values or without an inner product, the regularisation there."""
    if values is None and name in INNER_PRODUCTS:
        with INNER_PRODUCTS[name](space, length, solver) as made:
            yield made
        return
    with regularisation(name, space, length) as made:
        R = made.at(np.zeros(space.owned) if values is None else values)
        yield R
        R.close()


def volume(space: CoefficientSpace) -> float:
    return 2.0**space.domain.dimension


def dense(space: CoefficientSpace, gram: InnerProduct) -> np.ndarray:
    """K, whole on every rank."""
    first, last = space.space.dofmap.index_map.local_range
    return gathered(gram.apply(np.eye(space.size)[first:last]))
