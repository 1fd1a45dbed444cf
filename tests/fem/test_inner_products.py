"""Laws of inner products and regularisations as Gram matrices K."""

from collections.abc import Callable

import numpy as np
import pytest
from elliptic import COMM, WAVES, Formula, box_space, constant, dot, gathered, random_rows, variants

from app.fem import INNER_PRODUCTS, REGULARISATIONS, CoefficientSpace, GramMatrix, mass_coefficient
from app.fem.inner_products import EDGE_SHARE, INFINITE_LENGTH_MASS
from app.parallel import LinearSolver

CELLS = {1: 9, 2: 4, 3: 2}

MASS = 0.37
"""ℓ⁻² of these tests; of no meaning."""

ROUNDING = 1e-12

SOLVED = 1e-9
"""Relative accuracy of a solve: 1e-16 times the condition, below 1e5, with room."""

FAMILIES: dict[str, Callable[[CoefficientSpace], GramMatrix]] = {
    **{
        f"inner product {name}": lambda space, make=make: make(space, MASS, solver())
        for name, make in INNER_PRODUCTS.items()
    },
    **{
        f"regularisation {name}": lambda space, make=make: make(space, MASS, solver()).at(
            space.interpolate(WAVES)
        )
        for name, make in REGULARISATIONS.items()
    },
}
"""All of the rooms' dictionaries; regularisations at a coefficient that varies."""


def solver(kind: str = "direct") -> LinearSolver:
    return LinearSolver(COMM, kind, "test_gram_")


@pytest.fixture(
    scope="module",
    params=variants([(d, p) for d in (1, 2, 3) for p in (1, 2)], in_parallel=[(2, 1), (3, 2)]),
    ids=lambda p: f"{p[0]}D-P{p[1]}",
)
def space(request: pytest.FixtureRequest) -> CoefficientSpace:
    dimension, degree = request.param
    return box_space(dimension, CELLS[dimension], degree, upper=2.0)


@pytest.fixture(params=FAMILIES)
def gram(request: pytest.FixtureRequest, space: CoefficientSpace) -> GramMatrix:
    """Each inner product and regularisation on each space."""
    return FAMILIES[request.param](space)


def volume(space: CoefficientSpace) -> float:
    return 2.0**space.domain.dimension


def test_symmetric(space: CoefficientSpace, gram: GramMatrix) -> None:
    """⟨x, Ky⟩ = ⟨Kx, y⟩."""
    x, y = random_rows(space, seed=1), random_rows(space, seed=2)
    scale = np.sqrt(dot(x, gram.apply(x)) * dot(y, gram.apply(y)))
    assert abs(dot(x, gram.apply(y)) - dot(gram.apply(x), y)) <= ROUNDING * scale


def test_positive_definite(space: CoefficientSpace, gram: GramMatrix) -> None:
    """The least eigenvalue of the dense matrix is positive."""
    first, last = space.space.dofmap.index_map.local_range
    dense = gathered(gram.apply(np.eye(space.size)[first:last]))
    values = np.linalg.eigvalsh((dense + dense.T) / 2)
    assert values[0] > 0
    assert values[0] > ROUNDING * values[-1]


def test_riesz_undoes_apply(space: CoefficientSpace, gram: GramMatrix) -> None:
    """K⁻¹(Kx) = x and K(K⁻¹r) = r, for a vector and a block."""
    for x in (random_rows(space), random_rows(space, 3)):
        scale = COMM.allreduce(float(np.square(x).sum())) ** 0.5
        np.testing.assert_allclose(gram.riesz(gram.apply(x)), x, rtol=0, atol=SOLVED * scale)
        np.testing.assert_allclose(gram.apply(gram.riesz(x)), x, rtol=0, atol=SOLVED * scale)


def test_blocks_are_their_columns(space: CoefficientSpace, gram: GramMatrix) -> None:
    """apply and riesz of a block are those of its columns; one column is a block too."""
    block = random_rows(space, 3)
    for operator in (gram.apply, gram.riesz):
        single = np.column_stack([operator(column) for column in block.T])
        scale = np.abs(single).max(initial=0.0)
        np.testing.assert_allclose(operator(block), single, rtol=0, atol=SOLVED * scale)
        first = operator(block[:, :1])
        assert first.shape == (space.owned, 1)
        np.testing.assert_allclose(first, single[:, :1], rtol=0, atol=SOLVED * scale)


def test_iterative_riesz_agrees_with_the_factorisation(space: CoefficientSpace) -> None:
    """Conjugate gradients and MUMPS give the same gradient."""
    r = random_rows(space)
    for make in INNER_PRODUCTS.values():
        direct, iterative = (make(space, MASS, solver(kind)).riesz(r) for kind in ("direct", "iterative"))
        np.testing.assert_allclose(iterative, direct, rtol=0, atol=SOLVED * np.abs(direct).max(initial=1.0))


CONSTANT_COST = {"h1": MASS, "edge_preserving": MASS}
"""1ᵀR1 by volume, ℓ⁻²; a new regularisation has to say here what a constant costs."""


@pytest.mark.parametrize("name", REGULARISATIONS)
def test_constants_cost_only_their_mass(space: CoefficientSpace, name: str) -> None:
    """1ᵀR1 = ℓ⁻² · volume: no gradient, whatever the coefficient R is taken at."""
    one = np.ones(space.owned)
    made = REGULARISATIONS[name](space, MASS, solver()).at(space.interpolate(WAVES))
    assert dot(one, made.apply(one)) == pytest.approx(CONSTANT_COST[name] * volume(space), rel=ROUNDING)


@pytest.mark.parametrize("name, expected", [("l2", (1.0, 0.0)), ("h1", (MASS, 1.0))])
def test_linear_fields_have_their_integrals(
    space: CoefficientSpace, name: str, expected: tuple[float, float]
) -> None:
    """xᵀKx = mass · ∫x² + ∫|∇x|² on [0, 2]^dimension, where ∫x² = 4/3 of the volume."""
    mass, stiffness = expected
    x = space.coordinates[:, 0].copy()
    gram = INNER_PRODUCTS[name](space, MASS, solver())
    assert dot(x, gram.apply(x)) == pytest.approx((mass * 4 / 3 + stiffness) * volume(space), rel=ROUNDING)


def test_the_h1_regularisation_is_the_h1_inner_product(space: CoefficientSpace) -> None:
    """One matrix under two names."""
    x = random_rows(space)
    product = INNER_PRODUCTS["h1"](space, MASS, solver()).apply(x)
    regularisation = REGULARISATIONS["h1"](space, MASS, solver()).at(np.zeros(space.owned)).apply(x)
    np.testing.assert_allclose(regularisation, product, rtol=ROUNDING)


def edge_preserving(space: CoefficientSpace, m: Formula, x: np.ndarray) -> np.ndarray:
    """R at m, times x."""
    made = REGULARISATIONS["edge_preserving"](space, MASS, solver())
    return made.at(space.interpolate(m)).apply(x)


@pytest.mark.parametrize("size, value", [(1.0, 0.0), (1.0, 1e3), (1e-3, -7.3), (1e3, 1.0)])
def test_edge_preserving_at_a_constant_is_h1(size: float, value: float) -> None:
    """Where m is constant, ρ = 1, whatever the constant and however large the domain."""
    space = box_space(2, 20, 2, upper=size)
    x = random_rows(space)
    plain = REGULARISATIONS["h1"](space, MASS, solver()).at(np.zeros(space.owned)).apply(x)
    np.testing.assert_allclose(
        edge_preserving(space, constant(value), x), plain, rtol=0, atol=1e-9 * np.abs(plain).max(initial=0.0)
    )


def test_edge_preserving_damps_a_linear_coefficient_evenly(space: CoefficientSpace) -> None:
    """|∇m| is its own root mean square there: ρ = β/√(|∇m|² + β²) = 0.3/√(1 + 0.3²) everywhere."""
    x = space.coordinates[:, 0].copy()
    rho = EDGE_SHARE / np.sqrt(1 + EDGE_SHARE**2)
    applied = edge_preserving(space, Formula(lambda x, library: 5 * x[0] + 1), x)
    assert dot(x, applied) == pytest.approx((MASS * 4 / 3 + rho) * volume(space), rel=ROUNDING)


def test_edge_preserving_knows_no_scale_of_the_coefficient(space: CoefficientSpace) -> None:
    """R at m and at c m + d are the same: β follows the root mean square of |∇m|."""
    x = random_rows(space)
    scaled = Formula(lambda x, library: 40 * (0.8 * library.sin(3 * x[0])) - 2)
    plain = Formula(lambda x, library: 0.8 * library.sin(3 * x[0]))
    first, second = edge_preserving(space, plain, x), edge_preserving(space, scaled, x)
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-10 * np.abs(first).max(initial=0.0))


def test_edge_preserving_is_at_most_h1(space: CoefficientSpace) -> None:
    """0 < ρ ≤ 1: xᵀRx lies between ℓ⁻²‖x‖² and that of H1."""
    x = random_rows(space)
    middle = dot(x, edge_preserving(space, WAVES, x))
    upper = dot(x, INNER_PRODUCTS["h1"](space, MASS, solver()).apply(x))
    lower = MASS * dot(x, INNER_PRODUCTS["l2"](space, MASS, solver()).apply(x))
    assert lower < middle < upper


def test_edge_preserving_follows_the_coefficient() -> None:
    """`at` is a function of m alone: back at the first m it gives the first R."""
    space = box_space(2, 4, 1)
    made = REGULARISATIONS["edge_preserving"](space, MASS, solver())
    x, m = random_rows(space), space.interpolate(WAVES)
    first = made.at(m).apply(x)
    other = made.at(space.interpolate(Formula(lambda x, library: x[0] * x[1]))).apply(x)
    assert COMM.allreduce(float(np.abs(first - other).max(initial=0.0))) > 0.01
    again = made.at(m)
    np.testing.assert_array_equal(again.apply(x), first)
    np.testing.assert_allclose(again.riesz(first), x, rtol=0, atol=SOLVED * np.abs(x).max(initial=1.0))


def test_length_scales_become_masses() -> None:
    """ℓ⁻²: by default ℓ is twice the diagonal; infinite, 1e-6 keeps R positive definite."""
    assert mass_coefficient(3.0, None) == pytest.approx(1 / 36)
    assert mass_coefficient(3.0, 0.5) == pytest.approx(4.0)
    assert mass_coefficient(3.0, float("inf")) == INFINITE_LENGTH_MASS == 1e-6
