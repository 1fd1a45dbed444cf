"""Laws of the energy E(m) = ½‖e(m)‖² + ½w‖m − m_ref‖²_R of an inverse problem."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace, point_matrix
from app.parallel import LinearSolver
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel
from app.prior import REGULARISATIONS

COMM = MPI.COMM_WORLD

READINGS = 15

WEIGHT = 0.3
"""Of the regularisation; the misfit and it are then of one size."""

HALVINGS = 0.01 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test: small against one, and E's rounding small against their squares."""

ROUNDING = 1e-12

STEP = 1e-4
"""Of central differences: the truncation, STEP², and the rounding of a solve, 1e-12 / STEP, are near 1e-8."""

DIFFERENCES = 1e-6
"""Relative accuracy that central differences with STEP have, for derivatives that are of size 1 to 100."""

ELEMENTS = [(1, 1), (2, 1), (2, 2)] if COMM.size == 1 else [(2, 2)]
"""(degree of the state, degree of the coefficient); equal degrees are equal elements."""


@cache
def model(equation: str, state: int, coefficient: int) -> ForwardModel:
    """An observed model on the unit square; zero at the left and at the right, a flux at the top."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [7, 6])
    boundary = {
        "walls": BoundaryCondition(("left", "right"), "dirichlet", Expression("0")),
        "inflow": BoundaryCondition(("top",), "neumann", Expression("1 + x")),
    }
    physics = EQUATIONS[equation](source=Expression("10"), boundary=boundary)
    space = CoefficientSpace(domain, coefficient)
    forward = ForwardModel(physics, space, state, LinearSolver(COMM, "direct", "test_state_"))
    points = np.random.default_rng(0).uniform(0.05, 0.95, (READINGS, 2))
    forward.observe_with(point_matrix(domain, forward.space, points))
    return forward


@pytest.fixture(params=ELEMENTS, ids=lambda p: f"P{p[0]}-P{p[1]}")
def forward(request: pytest.FixtureRequest) -> ForwardModel:
    """Diffusion; the other equations are in test_equations.py."""
    return model("diffusion", *request.param)


def nodal(forward: ForwardModel, text: str) -> np.ndarray:
    return forward.coefficient.interpolate(Expression(text))


def direction(forward: ForwardModel, seed: int = 0) -> np.ndarray:
    """This rank's rows of a standard normal vector."""
    first, last = forward.coefficient.space.dofmap.index_map.local_range
    return np.random.default_rng(seed).standard_normal(forward.coefficient.size)[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def sigma() -> np.ndarray:
    """Standard deviations, no two alike."""
    return np.linspace(0.05, 0.2, READINGS)


def inverse_problem(forward: ForwardModel, data_at: str) -> InverseProblem:
    """The data are Bu at this coefficient, without noise."""
    return InverseProblem(forward, forward.at(nodal(forward, data_at)).readings, sigma())


SMOOTH = "0.6*sin(3*x) - 0.4*y"
OTHER = "0.3*cos(2*y) + 0.2*x"


def remainders(value: Callable[[float], float], slope: float) -> list[float]:
    """|E(m + td) − E(m) − t E′(m) d| for each step."""
    start = value(0.0)
    return [abs(value(t) - start - t * slope) for t in HALVINGS]


@pytest.mark.serial
@pytest.mark.parametrize("regularisation", REGULARISATIONS)
def test_the_remainder_of_the_energy_is_quadratic(forward: ForwardModel, regularisation: str) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²), R being that of the start of an iteration."""
    energy = inverse_problem(forward, OTHER)
    m, d = nodal(forward, SMOOTH), direction(forward)
    riesz = partial(LinearSolver, COMM, "direct", "test_riesz_")
    r = REGULARISATIONS[regularisation](forward.coefficient, 0.1, riesz).at(m)

    def value(t: float) -> float:
        shift = m + t * d
        return energy.at(shift).value + 0.5 * WEIGHT * dot(shift, r.apply(shift))

    derivative = energy.at(m).derivative() + WEIGHT * r.apply(m)
    left = remainders(value, dot(derivative, d))
    rate = np.polyfit(np.log(HALVINGS), np.log(left), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)
    assert COMM.allgather(rate) == [rate] * COMM.size


def test_the_residual_is_whitened_and_the_same_everywhere(forward: ForwardModel) -> None:
    """e = (Bu(m) − d) / σ: zero at the data's own coefficient, whole on every rank."""
    energy = inverse_problem(forward, SMOOTH)
    np.testing.assert_allclose(energy.at(nodal(forward, SMOOTH)).residual, 0.0, atol=1e-10)
    e = energy.at(nodal(forward, OTHER)).residual
    expected = forward.at(nodal(forward, OTHER)).readings - forward.at(nodal(forward, SMOOTH)).readings
    np.testing.assert_allclose(e * sigma(), expected, rtol=0, atol=1e-10)
    assert all(np.array_equal(e, other) for other in COMM.allgather(e))


def test_the_jacobian_is_that_of_the_residual(forward: ForwardModel) -> None:
    """J d = (e(m + hd) − e(m − hd)) / 2h, and ⟨Jd, y⟩ = ⟨d, Jᵀy⟩ with the whitening in both."""
    energy = inverse_problem(forward, OTHER)
    m, d = nodal(forward, SMOOTH), direction(forward)
    difference = (energy.at(m + STEP * d).residual - energy.at(m - STEP * d).residual) / (2 * STEP)
    at = energy.at(m)
    tangent, y = at.jvp(d), np.cos(np.arange(READINGS))
    scale = np.linalg.norm(tangent)
    np.testing.assert_allclose(tangent, difference, rtol=0, atol=DIFFERENCES * scale)
    assert abs(tangent @ y - dot(d, at.vjp(y))) <= 1e-10 * scale * np.linalg.norm(y)


def test_the_derivative_is_the_adjoint_of_the_residual(forward: ForwardModel) -> None:
    """φ′(m) = Jᵀe, by one adjoint right-hand side, however often it is asked for."""
    at = inverse_problem(forward, OTHER).at(nodal(forward, SMOOTH))
    before = forward.counts.adjoint_rhs
    derivative = at.derivative()
    assert at.derivative() is derivative and forward.counts.adjoint_rhs == before + 1
    scale = COMM.allreduce(float(np.abs(derivative).max(initial=0.0)), op=MPI.MAX)
    np.testing.assert_allclose(derivative, at.vjp(at.residual), rtol=0, atol=1e-10 * scale)


def test_blocks_are_their_columns(forward: ForwardModel) -> None:
    """J and Jᵀ of blocks are those of the columns, each column whitened alike."""
    at = inverse_problem(forward, OTHER).at(nodal(forward, SMOOTH))
    block = np.column_stack([direction(forward, seed) for seed in range(3)])
    data = np.random.default_rng(0).standard_normal((READINGS, 3))
    for operator, columns in ((at.jvp, block), (at.vjp, data)):
        single = np.column_stack([operator(column) for column in columns.T])
        scale = COMM.allreduce(float(np.abs(single).max(initial=0.0)), op=MPI.MAX)
        np.testing.assert_allclose(operator(columns), single, rtol=0, atol=1e-10 * scale)


def test_the_gauss_newton_product_is_symmetric(forward: ForwardModel) -> None:
    """⟨JᵀJx, y⟩ = ⟨x, JᵀJy⟩."""
    at = inverse_problem(forward, OTHER).at(nodal(forward, SMOOTH))
    x, y = direction(forward, 1), direction(forward, 2)
    tangents = at.jvp(x), at.jvp(y)
    left = dot(at.vjp(tangents[0]), y)
    right = dot(x, at.vjp(tangents[1]))
    assert abs(left - right) <= ROUNDING * np.linalg.norm(tangents[0]) * np.linalg.norm(tangents[1])


def test_gauss_newton_is_the_hessian_where_the_residual_vanishes(forward: ForwardModel) -> None:
    """JᵀJd = (φ′(m + hd) − φ′(m − hd)) / 2h at data = Bu(m), also for equal elements of state and m.

    A state and a coefficient that shared one space object would lose columns at the Dirichlet parts.
    """
    energy = inverse_problem(forward, SMOOTH)
    m, d = nodal(forward, SMOOTH), direction(forward)
    above, below = (energy.at(m + t * d).derivative() for t in (STEP, -STEP))
    at = energy.at(m)
    product = at.vjp(at.jvp(d))
    scale = COMM.allreduce(float(np.abs(product).max(initial=0.0)), op=MPI.MAX)
    np.testing.assert_allclose((above - below) / (2 * STEP), product, rtol=0, atol=DIFFERENCES * scale)
