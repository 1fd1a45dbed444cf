"""What makes the regularisations that they are: edges, and powers of an elliptic operator."""

from functools import partial

import numpy as np
import pytest
from elliptic import COMM, WAVES, Formula, box_space, constant, dot, gathered, random_rows
from products import (
    LENGTH,
    MASS,
    ROUNDING,
    SOLVED,
    dense,
    product,
    regularisation,
    solver,
    volume,
)

from app.mesh import CoefficientSpace
from app.parallel import LinearSolver, Tally
from app.prior.bilaplacian import Bilaplacian
from app.prior.edge_preserving import EDGE_SHARE
from app.prior.gram import Solutions
from app.prior.trilaplacian import Trilaplacian

CONSTANT_COST = {"h1": MASS, "edge_preserving": MASS, "bilaplacian": 1.0, "trilaplacian": 1.0}
"""1ᵀR1 by volume: ℓ⁻², or 1 where R1 = M1."""


@pytest.mark.serial
@pytest.mark.parametrize("name", CONSTANT_COST)
def test_constants_cost_only_their_mass(space: CoefficientSpace, name: str) -> None:
    """1ᵀR1 = ℓ⁻² · volume, or the volume: no gradient, whatever the coefficient R is taken at."""
    one = np.ones(space.owned)
    with product(name, space, space.interpolate(WAVES)) as R:
        cost = dot(one, R.apply(one))
    assert cost == pytest.approx(CONSTANT_COST[name] * volume(space), rel=ROUNDING)


@pytest.mark.serial
def test_the_h1_regularisation_is_the_h1_inner_product(space: CoefficientSpace) -> None:
    """One matrix under two names."""
    x = random_rows(space)
    with product("h1", space) as inner, product("h1", space, np.zeros(space.owned)) as R:
        np.testing.assert_allclose(R.apply(x), inner.apply(x), rtol=ROUNDING)


def edge_preserving(space: CoefficientSpace, m: Formula, x: np.ndarray) -> np.ndarray:
    """R at m, times x."""
    with product("edge_preserving", space, space.interpolate(m)) as R:
        return R.apply(x)


@pytest.mark.serial
@pytest.mark.parametrize("size, value", [(1.0, 0.0), (1.0, 1e3), (1e-3, -7.3), (1e3, 1.0)])
def test_edge_preserving_at_a_constant_is_h1(size: float, value: float) -> None:
    """Where m is constant, ρ = 1, whatever the constant and however large the domain."""
    space = box_space(2, 20, 2, upper=size)
    x = random_rows(space)
    with product("h1", space) as inner:
        plain = inner.apply(x)
    np.testing.assert_allclose(
        edge_preserving(space, constant(value), x), plain, rtol=0, atol=1e-9 * np.abs(plain).max(initial=0.0)
    )


@pytest.mark.serial
def test_edge_preserving_damps_a_linear_coefficient_evenly(space: CoefficientSpace) -> None:
    """|∇m| is its own root mean square there: ρ = β/√(|∇m|² + β²) = 0.3/√(1 + 0.3²) everywhere."""
    x = space.coordinates[:, 0].copy()
    rho = EDGE_SHARE.default / np.sqrt(1 + EDGE_SHARE.default**2)
    applied = edge_preserving(space, Formula(lambda x, library: 5 * x[0] + 1), x)
    assert dot(x, applied) == pytest.approx((MASS * 4 / 3 + rho) * volume(space), rel=ROUNDING)


@pytest.mark.serial
def test_edge_preserving_knows_no_offset_of_the_coefficient(space: CoefficientSpace) -> None:
    """R at m and at c m + d are the same: β follows the root mean square of |∇m|."""
    x = random_rows(space)
    scaled = Formula(lambda x, library: 40 * (0.8 * library.sin(3 * x[0])) - 2)
    plain = Formula(lambda x, library: 0.8 * library.sin(3 * x[0]))
    first, second = edge_preserving(space, plain, x), edge_preserving(space, scaled, x)
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-10 * np.abs(first).max(initial=0.0))


@pytest.mark.serial
def test_edge_preserving_is_at_most_h1(space: CoefficientSpace) -> None:
    """0 < ρ ≤ 1: xᵀRx lies between ℓ⁻²‖x‖² and that of H1."""
    x = random_rows(space)
    middle = dot(x, edge_preserving(space, WAVES, x))
    with product("h1", space) as h1, product("l2", space) as l2:
        upper, lower = dot(x, h1.apply(x)), MASS * dot(x, l2.apply(x))
    assert lower < middle < upper


def test_edge_preserving_follows_the_coefficient() -> None:
    """`at` is a function of m alone: back at the first m it gives the first R."""
    space = box_space(2, 4, 1)
    x, m = random_rows(space), space.interpolate(WAVES)
    other = space.interpolate(Formula(lambda x, library: x[0] * x[1]))
    with regularisation("edge_preserving", space) as made:
        first, elsewhere, again = (made.at(values) for values in (m, other, m))
    image = first.apply(x)
    assert COMM.allreduce(float(np.abs(image - elsewhere.apply(x)).max(initial=0.0))) > 0.01
    np.testing.assert_array_equal(again.apply(x), image)
    np.testing.assert_allclose(again.riesz(image), x, rtol=0, atol=SOLVED * np.abs(x).max(initial=1.0))
    for R in (first, elsewhere, again):
        R.close()


ORDERS = {Bilaplacian: 2, Trilaplacian: 3}
"""Factors F in R = F M⁻¹ F … M⁻¹ F."""

powers = pytest.mark.parametrize("kind", ORDERS)


@pytest.mark.serial
@powers
def test_powers_are_formed_from_stiffness_and_lumped_mass(
    space: CoefficientSpace, kind: type[Bilaplacian]
) -> None:
    """R = F(M⁻¹F)^(order − 1) with F = ℓ²A + M formed densely: A = H1 − ℓ⁻² L2, and M the diagonal of L2
    times the factor that gives it the volume, which for linear elements are the row sums; R1 = M1."""
    with product("l2", space) as l2, product("h1", space) as h1:
        mass = dense(space, l2)
        stiffness = dense(space, h1) - MASS * mass
    lumped = np.diag(mass) * volume(space) / np.trace(mass)
    if space.space.element.basix_element.degree == 1:
        lumped = mass.sum(axis=1)
    assert lumped.min() > 0 and lumped.sum() == pytest.approx(volume(space), rel=ROUNDING)
    F = stiffness / MASS + np.diag(lumped)
    expected = F @ np.linalg.matrix_power(F / lumped[:, None], ORDERS[kind] - 1)
    made = kind(space, LENGTH, solver)
    found = dense(space, made.at(np.empty(0)))
    one = gathered(made.at(np.empty(0)).apply(np.ones(space.owned)))
    made.close()
    # To 1e-10, since A here is a difference.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(one, lumped, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.serial
@powers
def test_powers_smooth_what_is_shorter_than_their_length(kind: type[Bilaplacian]) -> None:
    """On cosines of wave number k, which have no slope at the ends, xᵀRx / ∫x² is (1 + ℓ²k²)^order up to
    the discretisation, of second order in kh."""
    cells = 200
    space = box_space(1, cells, 1, upper=2.0)
    made = kind(space, LENGTH, solver)
    R = made.at(np.empty(0))
    for k in np.pi / 2 * np.arange(4):
        x = np.cos(k * space.coordinates[:, 0])
        square = 2.0 if k == 0 else 1.0  # of the integral of cos² over [0, 2]
        # (kh)²/12 of the discrete Laplacian's eigenvalue, h = 0.01, three times: below 1e-3.
        expected = (1 + LENGTH**2 * k**2) ** ORDERS[kind]
        assert dot(x, R.apply(x)) / square == pytest.approx(expected, rel=1e-3)
    made.close()


@pytest.mark.parametrize(
    "kinds", [[Bilaplacian, Trilaplacian], [Trilaplacian, Bilaplacian]], ids=["up", "down"]
)
def test_powers_of_one_length_share_their_solves(
    space: CoefficientSpace, kinds: list[type[Bilaplacian]]
) -> None:
    """XᵀR⁻¹X of both takes two solves a column, in either order, and is that of each alone to 1e-10; those of
    another length have solves of their own."""
    solutions: Solutions = {}
    block, tally = random_rows(space, 5), Tally()
    counted = partial(LinearSolver, COMM, "direct", "test_gram_", tally=tally)
    made = [kind(space, LENGTH, counted) for kind in kinds]
    found = [each.at(np.empty(0)).dual_square(block, solutions) for each in made]
    assert tally.solves == 2 * 5
    for one, each in zip(found, made, strict=True):
        alone = gathered(block).T @ gathered(each.at(np.empty(0)).riesz(block))
        np.testing.assert_allclose(one, alone, rtol=0, atol=1e-10 * np.abs(alone).max())
        each.close()
    before, other = tally.solves, Bilaplacian(space, 2 * LENGTH, counted)
    other.at(np.empty(0)).dual_square(block, solutions)
    other.close()
    assert tally.solves == before + 5


@powers
def test_iterative_powers_agree_with_the_factorisation(
    space: CoefficientSpace, kind: type[Bilaplacian]
) -> None:
    """Several solves by conjugate gradients, one after the other, give what MUMPS gives, to 1e-7."""
    x, found = random_rows(space), {}
    for how in ("direct", "iterative"):
        made = kind(space, LENGTH, partial(LinearSolver, COMM, how, "test_gram_"))
        found[how] = made.at(x).riesz(x)
        made.close()
    scale = COMM.allreduce(float(np.abs(found["direct"]).max(initial=0.0)))
    np.testing.assert_allclose(found["iterative"], found["direct"], rtol=0, atol=1e-7 * scale)
