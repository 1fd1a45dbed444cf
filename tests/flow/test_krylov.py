"""The Krylov basis, its projected problem and the weight by discrepancy against dense linear algebra."""

from collections.abc import Callable

import numpy as np
import pytest
from flow_toys import Dense, Misfit, Readings, rank_deficient, spd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flow.krylov import Basis, ProjectedProblem, build_basis, build_basis_by_discrepancy
from app.method import Krylov

SIZE, READINGS = 20, 12

RULE = Krylov()

Setting = tuple[Dense, Misfit, np.ndarray]
"""R, what is known at a coefficient, and m − m_ref there."""


def setting(seed: int, departed: bool, rank: int = READINGS) -> Setting:
    """A nonlinear least-squares toy at a coefficient that is, or is not, the reference."""
    rng = np.random.default_rng(seed)
    energy = Readings(rank_deficient(rng, READINGS, SIZE, rank), 3.0 * rng.standard_normal(READINGS))
    reference = 0.1 * rng.standard_normal(SIZE)
    coefficient = reference + (0.3 * rng.standard_normal(SIZE) if departed else 0.0)
    return Dense(spd(rng, SIZE)), energy.at(coefficient), coefficient - reference


def by_weight(R: Dense, at: Misfit, departure: np.ndarray) -> Basis:
    return build_basis(at, R, departure, 0.25 * at.value, 1e-3)


def by_discrepancy(R: Dense, at: Misfit, departure: np.ndarray) -> Basis:
    return build_basis_by_discrepancy(at, R, departure, reachable(at), np.inf)


def reachable(at: Misfit) -> float:
    """A level of the linearised misfit, three tenths of the way from the least that J allows to φ."""
    J = at.jacobian()
    left = at.residual - J @ np.linalg.lstsq(J, at.residual, rcond=1e-10)[0]
    return 0.7 * 0.5 * float(left @ left) + 0.3 * at.value


BUILDS = {"given": by_weight, "discrepancy": by_discrepancy}

all_bases = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())
at_and_off_reference = pytest.mark.parametrize("departed", [False, True], ids=["at_reference", "departed"])
all_ranks = pytest.mark.parametrize("rank", [READINGS, 3], ids=["full_rank", "rank_3"])
Build = Callable[[Dense, Misfit, np.ndarray], Basis]


def tikhonov(J: np.ndarray, R: np.ndarray, at: Misfit, departure: np.ndarray, weight: float) -> np.ndarray:
    """δ of min ½‖e + Jδ‖² + ½w‖departure + δ‖²_R by its dense normal equations."""
    right = J.T @ at.residual + weight * R @ departure
    return -np.linalg.solve(J.T @ J + weight * R, right)


def tikhonov_misfit(J: np.ndarray, R: np.ndarray, at: Misfit, departure: np.ndarray, weight: float) -> float:
    """½‖e + Jδ‖² of the dense problem."""
    return 0.5 * float(np.sum((at.residual + J @ tikhonov(J, R, at, departure, weight)) ** 2))


def dense_weight(J: np.ndarray, R: np.ndarray, at: Misfit, departure: np.ndarray, level: float) -> float:
    """The weight whose dense misfit meets `level`, by bisection of its logarithm; the misfit rises with w
    here."""
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if tikhonov_misfit(J, R, at, departure, middle) <= level else (low, middle)
    return float(np.sqrt(low * high))


def whole_space(R: Dense, at: Misfit, departure: np.ndarray) -> tuple[np.ndarray, ProjectedProblem]:
    """An R-orthonormal V of all coefficients, and the problem projected on it."""
    V = np.linalg.inv(np.linalg.cholesky(R.matrix)).T
    return V, ProjectedProblem(at.jacobian() @ V, at.residual, V.T @ R.matrix @ departure)


@all_bases
@at_and_off_reference
@all_ranks
def test_basis_is_what_its_names_say(build: Build, departed: bool, rank: int) -> None:
    """VᵀRV = I, and RV, Y = JV, Z = JᵀY, R⁻¹Z hold to 1e-10, J taken at the coefficient of the evaluation."""
    R, at, departure = setting(1, departed, rank)
    basis = build(R, at, departure)
    J = at.jacobian()
    np.testing.assert_allclose(basis.V.T @ R.matrix @ basis.V, np.eye(basis.size), atol=1e-10)
    for found, expected in [
        (basis.RV, R.matrix @ basis.V),
        (basis.Y, J @ basis.V),
        (basis.Z, J.T @ basis.Y),
        (basis.RinvZ, np.linalg.solve(R.matrix, basis.Z)),
    ]:
        np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@all_bases
@at_and_off_reference
def test_a_vector_costs_two_right_hand_sides(build: Build, departed: bool) -> None:
    """Exactly one product with J and one with Jᵀ a vector (docs/method.md), and no evaluation of the
    energy."""
    R, at, departure = setting(2, departed)
    evaluations = at.energy.evaluations
    basis = build(R, at, departure)
    assert basis.size >= 2
    assert (at.energy.tangents, at.energy.adjoints) == (basis.size, basis.size)
    assert at.energy.evaluations == evaluations


@all_bases
@at_and_off_reference
@all_ranks
def test_basis_holds_no_more_vectors_than_the_problem_has_directions(
    build: Build, departed: bool, rank: int
) -> None:
    """The Krylov space of R⁻¹JᵀJ has at most rank J dimensions, and one more for m − m_ref."""
    R, at, departure = setting(3, departed, rank)
    assert build(R, at, departure).size <= rank + departed


@at_and_off_reference
@pytest.mark.parametrize("rank", [1, 3])
def test_a_level_out_of_reach_ends_with_the_krylov_space(departed: bool, rank: int) -> None:
    """Where J cannot meet the level, the basis ends once its space is exhausted: rounding gives no further
    vectors, which would cost two right-hand sides each."""
    R, at, departure = setting(3, departed, rank)
    level = 0.1 * (reachable(at) - 0.3 * at.value)
    assert build_basis_by_discrepancy(at, R, departure, level, np.inf).size <= rank + departed


@at_and_off_reference
@pytest.mark.parametrize("rank", [3, 6, READINGS])
def test_a_level_that_need_not_be_reached_is_raised_to_what_is(departed: bool, rank: int) -> None:
    """`reachable=False`: a level that J meets is met as ever; one that it does not becomes one between the
    least misfit of the space and φ, the share `enough` of the way back, and a positive weight meets it."""
    R, at, departure = setting(3, departed, rank)
    J, level = at.jacobian(), reachable(at)
    met = build_basis_by_discrepancy(at, R, departure, level, np.inf, reachable=False)
    assert met.linear_misfit <= level + RULE.enough * (at.value - level)
    least = (level - 0.3 * at.value) / 0.7  # see `reachable`
    basis = build_basis_by_discrepancy(at, R, departure, 0.5 * least, np.inf, reachable=False)
    assert basis.size <= rank + departed
    found = 0.5 * float(np.sum((at.residual + J @ basis.V @ basis.coefficients) ** 2))
    assert basis.linear_misfit == pytest.approx(found, rel=1e-9)
    if rank < READINGS:
        assert least < basis.linear_misfit < at.value
        assert basis.weight > 1e-6 * np.linalg.norm(basis.Y, 2) ** 2


@at_and_off_reference
def test_first_vector(departed: bool) -> None:
    """By discrepancy the basis starts from m − m_ref, or from R⁻¹Jᵀe at the reference; for a given w from
    R⁻¹r."""
    R, at, departure = setting(4, departed)
    start = departure if departed else R.riesz(at.derivative())
    first = by_discrepancy(R, at, departure).V[:, 0]
    np.testing.assert_allclose(first, start / np.sqrt(start @ R.matrix @ start), atol=1e-12)
    gradient = R.riesz(at.derivative()) + 1e-3 * departure
    first = by_weight(R, at, departure).V[:, 0]
    np.testing.assert_allclose(first, gradient / np.sqrt(gradient @ R.matrix @ gradient), atol=1e-12)


@all_bases
@at_and_off_reference
@all_ranks
def test_smallest_ritz_value_leaves_the_departure_out(build: Build, departed: bool, rank: int) -> None:
    """λ is the smallest eigenvalue of YᵀY above the rank cut, without the column of m − m_ref by
    discrepancy."""
    R, at, departure = setting(5, departed, rank)
    basis = build(R, at, departure)
    Y = basis.Y[:, 1:] if departed and build is by_discrepancy else basis.Y
    values = np.linalg.svd(Y, compute_uv=False)
    expected = values[values > RULE.rank_cut * values[0]][-1] ** 2
    assert basis.cautious == pytest.approx(expected, rel=1e-10)


@all_bases
@at_and_off_reference
def test_coefficients_minimise_the_regularised_problem_over_the_basis(build: Build, departed: bool) -> None:
    """c equals the dense minimiser over range V at the basis's weight, and `linear_misfit` is its ½‖e +
    JVc‖²."""
    R, at, departure = setting(6, departed)
    basis = build(R, at, departure)
    Y, w = at.jacobian() @ basis.V, basis.weight
    right = Y.T @ at.residual + w * basis.V.T @ R.matrix @ departure
    expected = -np.linalg.solve(Y.T @ Y + w * np.eye(basis.size), right)
    np.testing.assert_allclose(basis.coefficients, expected, atol=1e-9 * np.abs(expected).max())
    misfit = 0.5 * np.sum((at.residual + Y @ expected) ** 2)
    assert basis.linear_misfit == pytest.approx(misfit, rel=1e-9)


@at_and_off_reference
@pytest.mark.parametrize("seed", range(4))
def test_basis_for_a_given_weight_stops_by_hanke_or_by_little_gain(departed: bool, seed: int) -> None:
    """The stop of docs/method.md: the linearised misfit ½‖e + JVc‖² has come to the level, ¼φ here, or
    the last vector added less than 5 % of the decrease; and no basis with fewer vectors would have
    stopped."""
    R, at, departure = setting(10 + seed, departed, rank=8)
    weight, level = 0.05, 0.25 * at.value
    basis = build_basis(at, R, departure, level, weight)
    drift = basis.V.T @ R.matrix @ departure

    def decrease(k: int) -> tuple[float, float]:
        """Decrease of the regularised linear energy, and the linear misfit, with the first k vectors."""
        problem = ProjectedProblem(basis.Y[:, :k], at.residual, drift[:k])
        c = problem.coefficients(weight)
        moved = departure + basis.V[:, :k] @ c
        misfit = problem.misfit(weight)
        after = misfit + 0.5 * weight * moved @ R.matrix @ moved
        before = at.value + 0.5 * weight * departure @ R.matrix @ departure
        return before - after, misfit

    def stops(k: int) -> bool:
        now, misfit = decrease(k)
        return misfit <= level or (k > 1 and now - decrease(k - 1)[0] < RULE.enough * now)

    assert RULE.enough == 0.05
    assert stops(basis.size)
    assert not any(stops(k) for k in range(1, basis.size))


@at_and_off_reference
@pytest.mark.parametrize("seed", range(4))
def test_basis_by_discrepancy_stops_when_its_equations_hold(departed: bool, seed: int) -> None:
    """The linearised misfit meets the level, and the residual of the regularised equations is, in the R⁻¹
    norm, below ½w‖m + δ − m_ref‖_R (docs/method.md)."""
    R, at, departure = setting(20 + seed, departed)
    level = reachable(at)
    basis = build_basis_by_discrepancy(at, R, departure, level, np.inf)
    assert basis.linear_misfit == pytest.approx(level, rel=1e-8)
    J, delta = at.jacobian(), basis.V @ basis.coefficients
    total = departure + delta
    residual = J.T @ (at.residual + J @ delta) + basis.weight * R.matrix @ total
    left = np.sqrt(residual @ np.linalg.solve(R.matrix, residual))
    assert left < 0.5 * basis.weight * np.sqrt(total @ R.matrix @ total)


@pytest.mark.parametrize("rank", [READINGS, 4])
@at_and_off_reference
def test_projection_on_the_whole_space_is_the_dense_problem(departed: bool, rank: int) -> None:
    """With V complete Vc equals the dense Tikhonov solution for every weight, also for J of low rank."""
    R, at, departure = setting(7, departed, rank)
    J = at.jacobian()
    V, problem = whole_space(R, at, departure)
    for weight in [1e-4, 1e-2, 1.0, 100.0]:
        expected = tikhonov(J, R.matrix, at, departure, weight)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(V @ problem.coefficients(weight), expected, atol=1e-9 * scale)
        misfit = tikhonov_misfit(J, R.matrix, at, departure, weight)
        assert problem.misfit(weight) == pytest.approx(misfit, rel=1e-9)


@pytest.mark.parametrize("rank", [READINGS, 4])
@at_and_off_reference
def test_weight_by_discrepancy_is_the_dense_problems_once_the_basis_is_complete(
    departed: bool, rank: int
) -> None:
    """On the whole space the weight found equals the dense problem's, by bisection, to 1e-6 relative."""
    R, at, departure = setting(8, departed, rank)
    J = at.jacobian()
    _, problem = whole_space(R, at, departure)
    levels = [tikhonov_misfit(J, R.matrix, at, departure, w) for w in [1e-3, 0.1, 3.0]]
    for level in levels:
        weight, met = problem.weight_for(level, np.inf)
        assert met
        assert weight == pytest.approx(dense_weight(J, R.matrix, at, departure, level), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@at_and_off_reference
def test_complete_krylov_basis_gives_the_dense_weight_and_step(departed: bool, seed: int) -> None:
    """When only the complete Krylov space meets the level, weight (1e-6) and step are the dense problem's.

    J has rank 4 and the level is the dense misfit of a weight so small that fewer vectors cannot reach it.
    """
    R, at, departure = setting(30 + seed, departed, rank=4)
    J = at.jacobian()
    level = tikhonov_misfit(J, R.matrix, at, departure, 1e-3)
    basis = build_basis_by_discrepancy(at, R, departure, level, np.inf)
    assert basis.size == 4 + departed
    assert basis.weight == pytest.approx(dense_weight(J, R.matrix, at, departure, level), rel=1e-6)
    expected = tikhonov(J, R.matrix, at, departure, basis.weight)
    found = basis.V @ basis.coefficients
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


def test_complete_basis_for_a_given_weight_gives_the_dense_step() -> None:
    """J with two distinct singular values (in the R inner product) has a Krylov space of two vectors at the
    reference; both are taken, since one is far from Hanke's level, and Vc is the dense Tikhonov step."""
    rng = np.random.default_rng(9)
    R = Dense(spd(rng, SIZE))
    left, _ = np.linalg.qr(rng.standard_normal((READINGS, 6)))
    right, _ = np.linalg.qr(rng.standard_normal((SIZE, 6)))
    J = (left * np.array([1.0, 1.0, 1.0, 3.0, 3.0, 3.0])) @ right.T @ np.linalg.cholesky(R.matrix).T
    energy = Readings(J, left @ np.array([9.0, -9.0, 9.0, 4.0, 4.0, -4.0]), bend=0.0)
    at, departure = energy.at(np.zeros(SIZE)), np.zeros(SIZE)
    basis = build_basis(at, R, departure, 0.25 * at.value, 0.01)
    assert basis.size == 2
    expected = tikhonov(J, R.matrix, at, departure, 0.01)
    np.testing.assert_allclose(basis.V @ basis.coefficients, expected, atol=1e-10 * np.abs(expected).max())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), columns=st.integers(1, 16), rank=st.integers(1, 12))
def test_misfit_rises_with_the_weight_where_the_departure_lies_in_the_basis(
    seed: int, columns: int, rank: int
) -> None:
    """Tikhonov's misfit is monotone in w when m − m_ref ∈ range V (else the penalty is not the problem's
    own)."""
    rng = np.random.default_rng(seed)
    Y = rank_deficient(rng, READINGS, columns, min(rank, columns))
    problem = ProjectedProblem(Y, rng.standard_normal(READINGS), rng.standard_normal(columns))
    misfits = np.array([problem.misfit(w) for w in np.geomspace(1e-6, 1e6, 25)])
    assert np.all(np.diff(misfits) >= -1e-12 * misfits.max())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.floats(1e-6, 100.0), upper=st.floats(1e-4, 1e4))
def test_weight_stays_below_its_bound(seed: int, level: float, upper: float) -> None:
    """The weight never exceeds `upper`; it is `upper` when the misfit there is below the level already, and
    when the level can be met with less, the misfit at the weight is the level."""
    rng = np.random.default_rng(seed)
    Y = rank_deficient(rng, READINGS, 5, 4)
    problem = ProjectedProblem(Y, rng.standard_normal(READINGS), rng.standard_normal(5))
    weight, met = problem.weight_for(level, upper)
    assert 0.0 < weight <= upper
    if problem.misfit(upper) <= level:
        assert (weight, met) == (upper, True)
    elif met:
        assert problem.misfit(weight) == pytest.approx(level, rel=1e-6)
    else:
        assert problem.misfit(weight) >= level


def test_bases_are_bounded_by_the_earlier_weight() -> None:
    """`upper` of build_basis_by_discrepancy bounds the weight also where the data would allow more."""
    R, at, departure = setting(40, departed=True)
    free = by_discrepancy(R, at, departure).weight
    bound = build_basis_by_discrepancy(at, R, departure, reachable(at), 0.1 * free)
    assert bound.weight == pytest.approx(0.1 * free, rel=1e-12)


@all_bases
def test_data_that_see_nothing_do_not_crash(build: Build) -> None:
    """Where the derivative vanishes (J = 0 at the reference) there is nothing to build on: no exception,
    and a basis whose step is zero."""
    energy = Readings(np.zeros((READINGS, SIZE)), np.ones(READINGS))
    R = Dense(np.eye(SIZE))
    basis = build(R, energy.at(np.zeros(SIZE)), np.zeros(SIZE))
    assert not np.any(basis.V @ basis.coefficients)
