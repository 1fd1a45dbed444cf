"""Laws of the forward map m ↦ Bu(m), its tangent J and its adjoint Jᵀ."""

from dataclasses import asdict

import numpy as np
import pytest
from elliptic import (
    COMM,
    ELEMENTS,
    WAVES,
    Formula,
    Problem,
    box_space,
    cached_problem,
    constant,
    dot,
    forward_model,
    make_problem,
    raised_on_all_ranks,
    random_rows,
    variants,
)
from equation_table import LINEAR, NONLINEAR, ROLES, make_equation

from app.parallel import LinearSolver, SolveFailed
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel, forward

ROUNDING = 1e-10
"""Relative; 1e6 times the machine's accuracy leaves room for the condition of the state operator."""

STEP = 1e-4
"""Of central differences: the truncation, STEP², and the rounding of a solve, 1e-12 / STEP, are near 1e-8."""

DIFFERENCES = 1e-7
"""Relative accuracy that central differences with STEP have for fields of size one."""


LOGARITHMIC = [kind for kind, role in ROLES if role == "log_diffusivity"]
"""Equations with an unknown log-diffusivity."""


@pytest.fixture(params=variants(LOGARITHMIC, in_parallel=["diffusion", "nonlinear_diffusion"]))
def equation(request: pytest.FixtureRequest) -> str:
    return request.param


OTHERS = [(kind, list(physics.roles)[-1], (2, 2, 1)) for kind, physics in EQUATIONS.items()]

TRIED = [("diffusion", None, element) for element in ELEMENTS] + variants(OTHERS, in_parallel=[])
"""Diffusion with all elements, every equation with one and with its last role; tests/energy has all roles."""


@pytest.fixture(params=TRIED, ids=lambda t: f"{t[0]}-{t[1]}-{t[2][0]}D-P{t[2][1]}-P{t[2][2]}")
def solved(request: pytest.FixtureRequest) -> Problem:
    """A problem of each equation, role and element."""
    equation, role, element = request.param
    return cached_problem(equation, *element, role=role)


@pytest.fixture(params=["direct", "iterative"])
def fresh(request: pytest.FixtureRequest, equation: str) -> Problem:
    """A new problem of an unknown log-diffusivity with either linear solver, which a test may break or count
    on."""
    role = "log_diffusivity"
    return make_problem(equation, dimension=2, state=2, coefficient=1, kind=request.param, role=role)


def test_tangent_is_the_central_difference(solved: Problem) -> None:
    """J d = (Bu(m + hd) − Bu(m − hd)) / 2h up to O(h²)."""
    direction = random_rows(solved.space)
    tangent = solved.model.at(solved.m).tangent(direction)
    above = solved.model.at(solved.m + STEP * direction).readings
    below = solved.model.at(solved.m - STEP * direction).readings
    difference = (above - below) / (2 * STEP)
    np.testing.assert_allclose(difference, tangent, rtol=0, atol=DIFFERENCES * np.abs(tangent).max())


@pytest.mark.distributed
def test_adjoint_is_the_transpose_of_the_tangent(solved: Problem) -> None:
    """⟨J d, y⟩ = ⟨d, Jᵀ y⟩."""
    direction, found = random_rows(solved.space), solved.model.at(solved.m)
    y = np.random.default_rng(1).standard_normal(solved.readings)
    tangent = found.tangent(direction)
    right = dot(direction, found.adjoint(y))
    assert abs(tangent @ y - right) <= ROUNDING * np.linalg.norm(tangent) * np.linalg.norm(y)


@pytest.mark.distributed
def test_blocks_are_their_columns(solved: Problem) -> None:
    """J and Jᵀ of a block of columns are J and Jᵀ of each column; data are alike on all ranks."""
    block, data = random_rows(solved.space, 3), np.random.default_rng(1).standard_normal((solved.readings, 3))
    found = solved.model.at(solved.m)
    for operator, columns in ((found.tangent, block), (found.adjoint, data)):
        whole = operator(columns)
        single = np.column_stack([operator(column) for column in columns.T])
        assert whole.shape == single.shape
        np.testing.assert_allclose(whole, single, rtol=0, atol=ROUNDING * np.abs(single).max(initial=0.0))
    readings = COMM.allgather(found.tangent(block))
    assert all(np.array_equal(reading, readings[0]) for reading in readings)


def test_the_adjoint_does_not_depend_on_how_it_is_counted(solved: Problem) -> None:
    """Jᵀy is the same as an adjoint and as an incremental right-hand side (MUMPS sums in no fixed order)."""
    y = np.random.default_rng(1).standard_normal(solved.readings)
    found = solved.model.at(solved.m)
    once, again = (found.adjoint(y, incremental=flag) for flag in (False, True))
    np.testing.assert_allclose(again, once, rtol=0, atol=ROUNDING * np.abs(once).max(initial=0.0))


@pytest.mark.parametrize("equation", list(EQUATIONS))
def test_direct_and_iterative_solvers_agree(equation: str) -> None:
    """Bu, J d and Jᵀ y are those of the factorisation when a Krylov method solves."""
    found = []
    for kind in ("direct", "iterative"):
        problem = make_problem(equation, dimension=2, state=2, coefficient=1, kind=kind)
        at = problem.model.at(problem.m)
        tangent = at.tangent(random_rows(problem.space))
        found.append((at.readings, tangent, at.adjoint(np.ones(problem.readings))))
    for direct, iterative in zip(*found, strict=True):
        np.testing.assert_allclose(iterative, direct, rtol=0, atol=ROUNDING * np.abs(direct).max())


@pytest.mark.parametrize("equation", list(EQUATIONS))
def test_the_gradient_of_multigrid_is_that_of_its_energy(equation: str) -> None:
    """φ(m + hd) − φ(m) − h φ′(m)d = O(h²), φ = ½‖Bu‖², at the tolerance of cases that give none."""
    problem = make_problem(equation, dimension=2, state=1, coefficient=1, kind="iterative")
    direction, at = random_rows(problem.space), problem.model.at(problem.m)
    slope = dot(direction, at.adjoint(at.readings, incremental=False))
    steps = 2.0 ** -np.arange(4, 9)
    energies = [0.5 * np.sum(problem.model.at(problem.m + h * direction).readings ** 2) for h in steps]
    remainders = np.abs(np.array(energies) - 0.5 * np.sum(at.readings**2) - steps * slope)
    orders = np.log2(remainders[:-1] / remainders[1:])
    assert orders[-1] == pytest.approx(2.0, abs=0.1), orders


@pytest.mark.parametrize("equation", [e for e in LOGARITHMIC if e in LINEAR], indirect=True)
def test_counts_are_of_right_hand_sides(fresh: Problem) -> None:
    """A solve of a linear state is one state right-hand side and one set-up; tangent and adjoint count their
    columns, several at once apart and with their own clock; one column is no block."""
    model = fresh.model
    model.at(fresh.m)
    found = model.at(2 * fresh.m)
    found.tangent(random_rows(fresh.space))
    found.tangent(random_rows(fresh.space, 1))
    found.adjoint(np.ones(fresh.readings), incremental=False)
    counts = asdict(model.counts)
    clocks = {key: counts.pop(key) for key in tuple(counts) if key.endswith("_seconds")}
    assert counts == {
        "state_solves": 2, "state_rhs": 2, "recomputed_rhs": 0, "adjoint_rhs": 1,
        "incremental_rhs": 2, "block_rhs": 0, "factorisations": 2,
    }  # fmt: skip
    assert clocks["block_seconds"] == 0.0 < min(clocks[key] for key in clocks if key != "block_seconds")
    found.tangent(random_rows(fresh.space, 3))
    found.adjoint(np.ones((fresh.readings, 2)))
    found.adjoint(np.ones((fresh.readings, 4)), incremental=False)
    after = asdict(model.counts)
    assert after["block_rhs"] == 3 + 2 + 4
    assert (after["adjoint_rhs"], after["incremental_rhs"]) == (1, 2)
    assert after["block_seconds"] > 0.0 and after["single_seconds"] == clocks["single_seconds"]
    assert model.counts.linear_solves == 2 + 1 + 2 + 9


def test_blocks_wider_than_the_parts_are_their_columns(
    solved: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J and Jᵀ of a block that is solved in several parts, the last of them smaller, are those of the whole;
    Jᵀ's stays column-major."""
    block, data = random_rows(solved.space, 7), np.random.default_rng(1).standard_normal((solved.readings, 7))
    at = solved.model.at(solved.m)
    whole = at.tangent(block), at.adjoint(data)
    before = solved.model.counts.block_rhs
    monkeypatch.setattr(forward, "BLOCK", 3)
    parts = at.tangent(block), at.adjoint(data)
    assert solved.model.counts.block_rhs == before + 14
    for found, expected in zip(parts, whole, strict=True):
        scale = np.abs(expected).max(initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * scale)
    assert parts[1].flags.f_contiguous


def wild_coefficients(problem: Problem) -> dict[str, np.ndarray]:
    """Coefficients at which there is no state."""
    one_nan = problem.m.copy()
    if COMM.rank == 0:
        one_nan[0] = np.nan
    return {
        "not a number": np.full_like(problem.m, np.nan),
        "not a number in one dof of one rank": one_nan,
        "overflows": 1e4 * problem.m,
        "overflows everywhere": np.full_like(problem.m, 1e4),
        "underflows to a singular operator": np.full_like(problem.m, -1e4),
        "underflows where m is negative": 1e4 * np.minimum(problem.m, 0.0),
    }


@pytest.mark.distributed
def test_a_coefficient_without_state_fails_on_all_ranks_and_breaks_nothing(
    fresh: Problem, equation: str
) -> None:
    """SolveFailed on every rank; tangent and state of what is known are as before, and the model gives what
    it gave before, after one such coefficient and after several."""
    before = fresh.model.at(fresh.m)
    for wild, m in wild_coefficients(fresh).items():
        if equation == "advection_diffusion" and "underflows" in wild:
            continue  # where nothing diffuses the velocity still determines a state
        state = fresh.model.function(before).x.array.copy()
        tangent = before.tangent(random_rows(fresh.space))
        with raised_on_all_ranks(SolveFailed):
            fresh.model.at(m)
        np.testing.assert_array_equal(fresh.model.function(before).x.array, state, err_msg=wild)
        again = before.tangent(random_rows(fresh.space))
        np.testing.assert_allclose(again, tangent, rtol=0, atol=ROUNDING * np.abs(tangent).max())
        readings = fresh.model.at(fresh.m).readings
        np.testing.assert_allclose(readings, before.readings, rtol=ROUNDING, err_msg=wild)


@pytest.mark.parametrize("equation", NONLINEAR, indirect=True)
def test_newton_steps_are_counted(fresh: Problem) -> None:
    """A solve is one state solve, a right-hand side and a set-up for each of Newton's steps, and the set-up
    of the operator at the state; a solve near a state at the same coefficient takes a step or two."""
    counts = fresh.model.counts
    found = fresh.model.at(fresh.m)
    assert counts.state_solves == 1
    steps = counts.state_rhs
    assert 3 <= steps <= 20 and counts.factorisations == steps + 1
    fresh.model.at(fresh.m, found)
    assert counts.state_solves == 2 and counts.state_rhs <= steps + 2
    assert counts.factorisations == counts.state_rhs + 2


@pytest.mark.parametrize("equation", NONLINEAR, indirect=True)
def test_the_state_does_not_depend_on_where_newton_starts(fresh: Problem) -> None:
    """From zero, from a near state and from a far one the same Bu is found, to rounding."""
    first = fresh.model.at(fresh.m).readings
    for other in (fresh.m + 0.1, 3 * fresh.m):
        again = fresh.model.at(fresh.m, fresh.model.at(other)).readings
        np.testing.assert_allclose(again, first, rtol=0, atol=1e-9 * np.abs(first).max())


def test_a_solver_of_symmetric_operators_is_refused_where_there_is_none() -> None:
    """Cholesky would take half of the operator for the whole."""
    space = box_space(2, 4, 1)
    physics = make_equation("advection_diffusion", {}, 2)
    with pytest.raises(ValueError, match="symmetric"):
        ForwardModel(physics, space, 1, LinearSolver(COMM, "direct", "test_"))


@pytest.mark.distributed
@pytest.mark.parametrize("readings", [1, 2])
def test_fewer_readings_than_ranks(readings: int) -> None:
    """⟨J d, y⟩ = ⟨d, Jᵀ y⟩ also where some ranks hold no reading."""
    space = box_space(2, 6, 1)
    rim = {"rim": BoundaryCondition(("all",), "dirichlet", constant(0.0))}
    points = np.array([[0.3, 0.4], [0.8, 0.7]])[:readings]
    model = forward_model(space, 1, rim, points=points)
    found = model.at(space.interpolate(WAVES))
    assert found.readings.shape == (readings,)
    direction, y = random_rows(space, 2), np.ones((readings, 2))
    tangent, adjoint = found.tangent(direction), found.adjoint(y)
    for column in range(2):
        right = dot(direction[:, column], adjoint[:, column])
        assert abs(tangent[:, column] @ y[:, column] - right) <= ROUNDING * np.abs(tangent).max()


def linear_state(boundary: dict[str, BoundaryCondition], source: Formula) -> tuple[ForwardModel, np.ndarray]:
    """A model at m = 0 on the unit square, and its points."""
    space = box_space(2, 6, 1)
    points = np.array([[0.3, 0.4], [0.8, 0.7], [1.0, 0.5]])
    return forward_model(space, 1, boundary, source=source, points=points), points


def test_a_linear_state_without_source_is_found_exactly() -> None:
    """At m = 0, −Δu = 0 with u = 1 + 2x + 3y on the boundary has that solution, which P1 holds exactly."""
    linear = Formula(lambda x, library: 1 + 2 * x[0] + 3 * x[1])
    model, points = linear_state({"rim": BoundaryCondition(("all",), "dirichlet", linear)}, constant(0.0))
    np.testing.assert_allclose(
        model.at(np.zeros(model.coefficient.owned)).readings, linear.numpy(points), rtol=ROUNDING
    )


@pytest.mark.distributed
def test_conditions_may_name_several_parts_and_share_one() -> None:
    """Fluxes given twice on a part add up: 1 and 2 on the right give u = 3x, 2 and −2 at the bottom none."""
    zero = constant(0.0)
    boundary = {
        "wall": BoundaryCondition(("left",), "dirichlet", zero),
        "first": BoundaryCondition(("right",), "neumann", constant(1.0)),
        "second": BoundaryCondition(("bottom", "right"), "neumann", constant(2.0)),
        "third": BoundaryCondition(("bottom",), "neumann", constant(-2.0)),
    }
    model, points = linear_state(boundary, zero)
    np.testing.assert_allclose(
        model.at(np.zeros(model.coefficient.owned)).readings, 3 * points[:, 0], rtol=ROUNDING
    )
