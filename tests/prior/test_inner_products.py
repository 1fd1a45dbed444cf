"""Laws of inner products and regularisations as Gram matrices K."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from elliptic import COMM, WAVES, dot, gathered, random_rows
from products import LENGTH, MASS, ROUNDING, SOLVED, dense, product, volume

from app.mesh import CoefficientSpace
from app.parallel import LinearSolver
from app.prior import REGULARISATIONS
from app.prior.gram import InnerProduct
from app.prior.inner_products import INNER_PRODUCTS

FAMILIES = [
    *(f"inner product {name}" for name in INNER_PRODUCTS),
    *(f"regularisation {name}" for name in REGULARISATIONS),
]
"""All of the room's dictionaries; regularisations at a coefficient that varies."""


@pytest.fixture(params=FAMILIES)
def gram(request: pytest.FixtureRequest, space: CoefficientSpace) -> Iterator[InnerProduct]:
    """Each inner product and regularisation on each space."""
    kind, _, name = request.param.rpartition(" ")
    with product(name, space, space.interpolate(WAVES) if kind == "regularisation" else None) as made:
        yield made


@pytest.mark.serial
def test_symmetric(space: CoefficientSpace, gram: InnerProduct) -> None:
    """⟨x, Ky⟩ = ⟨Kx, y⟩."""
    x, y = random_rows(space, seed=1), random_rows(space, seed=2)
    scale = np.sqrt(dot(x, gram.apply(x)) * dot(y, gram.apply(y)))
    assert abs(dot(x, gram.apply(y)) - dot(gram.apply(x), y)) <= ROUNDING * scale


@pytest.mark.serial
def test_positive_definite(space: CoefficientSpace, gram: InnerProduct) -> None:
    """The least eigenvalue of the dense matrix is positive."""
    K = dense(space, gram)
    values = np.linalg.eigvalsh((K + K.T) / 2)
    assert values[0] > 0
    assert values[0] > ROUNDING * values[-1]


def test_riesz_undoes_apply(space: CoefficientSpace, gram: InnerProduct) -> None:
    """K⁻¹(Kx) = x and K(K⁻¹r) = r, for a vector and a block, up to rounding times the condition of K."""
    accuracy = ROUNDING + 1e-15 * np.linalg.cond(dense(space, gram))
    for x in (random_rows(space), random_rows(space, 3)):
        scale = COMM.allreduce(float(np.square(x).sum())) ** 0.5
        np.testing.assert_allclose(gram.riesz(gram.apply(x)), x, rtol=0, atol=accuracy * scale)
        np.testing.assert_allclose(gram.apply(gram.riesz(x)), x, rtol=0, atol=accuracy * scale)


@pytest.mark.serial
def test_blocks_are_their_columns(space: CoefficientSpace, gram: InnerProduct) -> None:
    """apply and riesz of a block are those of its columns; one column is a block too."""
    block = random_rows(space, 3)
    for operator in (gram.apply, gram.riesz):
        single = np.column_stack([operator(column) for column in block.T])
        scale = np.abs(single).max(initial=0.0)
        np.testing.assert_allclose(operator(block), single, rtol=0, atol=SOLVED * scale)
        first = operator(block[:, :1])
        assert first.shape == (space.owned, 1)
        np.testing.assert_allclose(first, single[:, :1], rtol=0, atol=SOLVED * scale)


def test_squares_are_gram_matrices(space: CoefficientSpace, gram: InnerProduct) -> None:
    """square(X) = XᵀKX for few columns and many, symmetric to the last bit and the same on all ranks."""
    for columns in (1, 3, 11):
        block = random_rows(space, columns)
        found = gram.square(block)
        expected = gathered(block).T @ gathered(gram.apply(block))
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
        np.testing.assert_array_equal(found, found.T)
        assert len({value.tobytes() for value in COMM.allgather(found)}) == 1


def test_dual_squares_are_those_of_riesz_solves(space: CoefficientSpace, gram: InnerProduct) -> None:
    """dual_square(X) = XᵀK⁻¹X to 1e-10, symmetric to the last bit and the same on all ranks."""
    for columns in (1, 3, 11):
        block = random_rows(space, columns)
        found = gram.dual_square(block, {})
        expected = gathered(block).T @ gathered(gram.riesz(block))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
        np.testing.assert_array_equal(found, found.T)
        assert len({value.tobytes() for value in COMM.allgather(found)}) == 1


@pytest.mark.parametrize("name", INNER_PRODUCTS)
def test_iterative_riesz_agrees_with_the_factorisation(space: CoefficientSpace, name: str) -> None:
    """Conjugate gradients and MUMPS give the same gradient."""
    r, found = random_rows(space), {}
    for kind in ("direct", "iterative"):
        with INNER_PRODUCTS[name](space, LENGTH, partial(LinearSolver, COMM, kind, "test_gram_")) as made:
            found[kind] = made.riesz(r)
    scale = np.abs(found["direct"]).max(initial=1.0)
    np.testing.assert_allclose(found["iterative"], found["direct"], rtol=0, atol=SOLVED * scale)


@pytest.mark.parametrize("name, expected", [("l2", (1.0, 0.0)), ("h1", (MASS, 1.0))])
def test_linear_fields_have_their_integrals(
    space: CoefficientSpace, name: str, expected: tuple[float, float]
) -> None:
    """xᵀKx = mass · ∫x² + ∫|∇x|² on [0, 2]^dimension, where ∫x² = 4/3 of the volume."""
    mass, stiffness = expected
    x = space.coordinates[:, 0].copy()
    with product(name, space) as gram:
        found = dot(x, gram.apply(x))
    assert found == pytest.approx((mass * 4 / 3 + stiffness) * volume(space), rel=ROUNDING)
