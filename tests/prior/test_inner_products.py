"""Laws of inner products and regularisations as Gram matrices K."""

from collections.abc import Callable

import numpy as np
import pytest
from elliptic import COMM, WAVES, Formula, box_space, constant, dot, gathered, random_rows, variants

from app.mesh import CoefficientSpace
from app.parallel import LinearSolver
from app.prior import INNER_PRODUCTS, REGULARISATIONS, GramMatrix, effective_length
from app.prior.inner_products import EDGE_SHARE, INFINITE_LENGTH, Bilaplacian, Trilaplacian

CELLS = {1: 9, 2: 4, 3: 2}

MASS = 0.37
"""ℓ⁻² of these tests; of no meaning."""

LENGTH = MASS**-0.5

ROUNDING = 1e-12

SOLVED = 1e-9
"""Relative accuracy of a solve: 1e-16 times the condition, below 1e5, with room."""

FAMILIES: dict[str, Callable[[CoefficientSpace], GramMatrix]] = {
    **{
        f"inner product {name}": lambda space, make=make: make(space, LENGTH, solver())
        for name, make in INNER_PRODUCTS.items()
    },
    **{
        f"regularisation {name}": lambda space, make=make: make(space, LENGTH, solver()).at(
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


def dense(space: CoefficientSpace, gram: GramMatrix) -> np.ndarray:
    """K, whole on every rank."""
    first, last = space.space.dofmap.index_map.local_range
    return gathered(gram.apply(np.eye(space.size)[first:last]))


def test_symmetric(space: CoefficientSpace, gram: GramMatrix) -> None:
    """⟨x, Ky⟩ = ⟨Kx, y⟩."""
    x, y = random_rows(space, seed=1), random_rows(space, seed=2)
    scale = np.sqrt(dot(x, gram.apply(x)) * dot(y, gram.apply(y)))
    assert abs(dot(x, gram.apply(y)) - dot(gram.apply(x), y)) <= ROUNDING * scale


def test_positive_definite(space: CoefficientSpace, gram: GramMatrix) -> None:
    """The least eigenvalue of the dense matrix is positive."""
    K = dense(space, gram)
    values = np.linalg.eigvalsh((K + K.T) / 2)
    assert values[0] > 0
    assert values[0] > ROUNDING * values[-1]


def test_riesz_undoes_apply(space: CoefficientSpace, gram: GramMatrix) -> None:
    """K⁻¹(Kx) = x and K(K⁻¹r) = r, for a vector and a block, up to rounding times the condition of K."""
    accuracy = ROUNDING + 1e-15 * np.linalg.cond(dense(space, gram))
    for x in (random_rows(space), random_rows(space, 3)):
        scale = COMM.allreduce(float(np.square(x).sum())) ** 0.5
        np.testing.assert_allclose(gram.riesz(gram.apply(x)), x, rtol=0, atol=accuracy * scale)
        np.testing.assert_allclose(gram.apply(gram.riesz(x)), x, rtol=0, atol=accuracy * scale)


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
        direct, iterative = (make(space, LENGTH, solver(kind)).riesz(r) for kind in ("direct", "iterative"))
        np.testing.assert_allclose(iterative, direct, rtol=0, atol=SOLVED * np.abs(direct).max(initial=1.0))


CONSTANT_COST = {"h1": MASS, "edge_preserving": MASS, "bilaplacian": 1.0, "trilaplacian": 1.0}
"""1ᵀR1 by volume: ℓ⁻², or 1 where R1 = M1; a new regularisation has to say here what a constant costs."""


@pytest.mark.parametrize("name", REGULARISATIONS)
def test_constants_cost_only_their_mass(space: CoefficientSpace, name: str) -> None:
    """1ᵀR1 = ℓ⁻² · volume, or the volume: no gradient, whatever the coefficient R is taken at."""
    one = np.ones(space.owned)
    made = REGULARISATIONS[name](space, LENGTH, solver()).at(space.interpolate(WAVES))
    assert dot(one, made.apply(one)) == pytest.approx(CONSTANT_COST[name] * volume(space), rel=ROUNDING)


@pytest.mark.parametrize("name, expected", [("l2", (1.0, 0.0)), ("h1", (MASS, 1.0))])
def test_linear_fields_have_their_integrals(
    space: CoefficientSpace, name: str, expected: tuple[float, float]
) -> None:
    """xᵀKx = mass · ∫x² + ∫|∇x|² on [0, 2]^dimension, where ∫x² = 4/3 of the volume."""
    mass, stiffness = expected
    x = space.coordinates[:, 0].copy()
    gram = INNER_PRODUCTS[name](space, LENGTH, solver())
    assert dot(x, gram.apply(x)) == pytest.approx((mass * 4 / 3 + stiffness) * volume(space), rel=ROUNDING)


def test_the_h1_regularisation_is_the_h1_inner_product(space: CoefficientSpace) -> None:
    """One matrix under two names."""
    x = random_rows(space)
    product = INNER_PRODUCTS["h1"](space, LENGTH, solver()).apply(x)
    regularisation = REGULARISATIONS["h1"](space, LENGTH, solver()).at(np.zeros(space.owned)).apply(x)
    np.testing.assert_allclose(regularisation, product, rtol=ROUNDING)


def edge_preserving(space: CoefficientSpace, m: Formula, x: np.ndarray) -> np.ndarray:
    """R at m, times x."""
    made = REGULARISATIONS["edge_preserving"](space, LENGTH, solver())
    return made.at(space.interpolate(m)).apply(x)


@pytest.mark.parametrize("size, value", [(1.0, 0.0), (1.0, 1e3), (1e-3, -7.3), (1e3, 1.0)])
def test_edge_preserving_at_a_constant_is_h1(size: float, value: float) -> None:
    """Where m is constant, ρ = 1, whatever the constant and however large the domain."""
    space = box_space(2, 20, 2, upper=size)
    x = random_rows(space)
    plain = REGULARISATIONS["h1"](space, LENGTH, solver()).at(np.zeros(space.owned)).apply(x)
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
    upper = dot(x, INNER_PRODUCTS["h1"](space, LENGTH, solver()).apply(x))
    lower = MASS * dot(x, INNER_PRODUCTS["l2"](space, LENGTH, solver()).apply(x))
    assert lower < middle < upper


def test_edge_preserving_follows_the_coefficient() -> None:
    """`at` is a function of m alone: back at the first m it gives the first R."""
    space = box_space(2, 4, 1)
    made = REGULARISATIONS["edge_preserving"](space, LENGTH, solver())
    x, m = random_rows(space), space.interpolate(WAVES)
    first = made.at(m).apply(x)
    other = made.at(space.interpolate(Formula(lambda x, library: x[0] * x[1]))).apply(x)
    assert COMM.allreduce(float(np.abs(first - other).max(initial=0.0))) > 0.01
    again = made.at(m)
    np.testing.assert_array_equal(again.apply(x), first)
    np.testing.assert_allclose(again.riesz(first), x, rtol=0, atol=SOLVED * np.abs(x).max(initial=1.0))


ORDERS = {Bilaplacian: 2, Trilaplacian: 3}
"""Factors F in R = F M⁻¹ F … M⁻¹ F."""

powers = pytest.mark.parametrize("kind", ORDERS)


@powers
def test_powers_are_formed_from_stiffness_and_lumped_mass(
    space: CoefficientSpace, kind: type[Bilaplacian]
) -> None:
    """R = F(M⁻¹F)^(order − 1) with F = ℓ²A + M formed densely: A = H1 − ℓ⁻² L2, and M the diagonal of L2
    times the factor that gives it the volume, which for linear elements are the row sums; R1 = M1."""
    mass = dense(space, INNER_PRODUCTS["l2"](space, LENGTH, solver()))
    stiffness = dense(space, INNER_PRODUCTS["h1"](space, LENGTH, solver())) - MASS * mass
    lumped = np.diag(mass) * volume(space) / np.trace(mass)
    if space.space.element.basix_element.degree == 1:
        lumped = mass.sum(axis=1)
    assert lumped.min() > 0 and lumped.sum() == pytest.approx(volume(space), rel=ROUNDING)
    F = stiffness / MASS + np.diag(lumped)
    expected = F @ np.linalg.matrix_power(F / lumped[:, None], ORDERS[kind] - 1)
    made = kind(space, LENGTH, solver()).at(np.empty(0))
    found = dense(space, made)
    # To 1e-10, since A here is a difference.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    one = gathered(made.apply(np.ones(space.owned)))
    np.testing.assert_allclose(one, lumped, rtol=0, atol=1e-10 * np.abs(expected).max())


@powers
def test_powers_smooth_what_is_shorter_than_their_length(kind: type[Bilaplacian]) -> None:
    """On cosines of wave number k, which have no slope at the ends, xᵀRx / ∫x² is (1 + ℓ²k²)^order up to
    the discretisation, of second order in kh."""
    cells = 200
    space = box_space(1, cells, 1, upper=2.0)
    made = kind(space, LENGTH, solver()).at(np.empty(0))
    for k in np.pi / 2 * np.arange(4):
        x = np.cos(k * space.coordinates[:, 0])
        square = 2.0 if k == 0 else 1.0  # of the integral of cos² over [0, 2]
        # (kh)²/12 of the discrete Laplacian's eigenvalue, h = 0.01, three times: below 1e-3.
        expected = (1 + LENGTH**2 * k**2) ** ORDERS[kind]
        assert dot(x, made.apply(x)) / square == pytest.approx(expected, rel=1e-3)


def test_squares_are_gram_matrices(space: CoefficientSpace, gram: GramMatrix) -> None:
    """square(X) = XᵀKX for few columns and many, symmetric to the last bit and the same on all ranks."""
    for columns in (1, 3, 11):
        block = random_rows(space, columns)
        found = gram.square(block)
        expected = gathered(block).T @ gathered(gram.apply(block))
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
        np.testing.assert_array_equal(found, found.T)
        assert len({value.tobytes() for value in COMM.allgather(found)}) == 1


@powers
def test_iterative_powers_agree_with_the_factorisation(
    space: CoefficientSpace, kind: type[Bilaplacian]
) -> None:
    """Several solves by conjugate gradients, one after the other, give what MUMPS gives, to 1e-7."""
    x = random_rows(space)
    direct, iterative = (kind(space, LENGTH, solver(each)).at(x).riesz(x) for each in ("direct", "iterative"))
    scale = COMM.allreduce(float(np.abs(direct).max(initial=0.0)))
    np.testing.assert_allclose(iterative, direct, rtol=0, atol=1e-7 * scale)


@pytest.mark.parametrize("name", REGULARISATIONS)
def test_only_a_fixed_regularisation_knows_no_coefficient(space: CoefficientSpace, name: str) -> None:
    """`fixed` says whether R is the same at every coefficient."""
    made = REGULARISATIONS[name](space, LENGTH, solver())
    x = random_rows(space)
    first = made.at(space.interpolate(WAVES)).apply(x)
    other = made.at(space.interpolate(Formula(lambda x, library: x[0] ** 2))).apply(x)
    same = COMM.allreduce(float(np.abs(first - other).max(initial=0.0))) == 0.0
    assert same == made.fixed


def test_lengths_are_given_or_shares_of_the_diagonal() -> None:
    """By default ℓ is twice the diagonal, for another regularisation its share; an infinite ℓ has ℓ⁻² =
    1e-6, which keeps R positive definite."""
    assert effective_length(3.0, None) == 6.0
    assert effective_length(3.0, None, 0.2) == pytest.approx(0.6)
    for kind in REGULARISATIONS.values():
        assert effective_length(3.0, None, kind.share) == pytest.approx(3.0 * kind.share)
    for share in (0.2, 2.0):
        assert effective_length(3.0, 0.5, share) == 0.5
        assert effective_length(3.0, float("inf"), share) == INFINITE_LENGTH
    assert pytest.approx(1e-6) == 1 / INFINITE_LENGTH**2
