"""Laws of the energy for every equation and every role of its coefficient; a new equation is among them."""

from functools import cache

import numpy as np
import pytest
from equation_table import ROLES, coefficient_for, each_component, make_equation
from mpi4py import MPI

from app.case import Expression
from app.energies import InverseProblem
from app.fem import MESHES, REGULARISATIONS, BoundaryCondition, CoefficientSpace, ForwardModel, point_matrix
from app.parallel import LinearSolver

COMM = MPI.COMM_WORLD

READINGS = 15

SIGMA = np.linspace(0.05, 0.2, READINGS)
"""Standard deviations, no two alike."""

WEIGHT = 0.3
"""Of the regularisation; the misfit and it are then of one size."""

HALVINGS = 0.01 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test: small against one, and E's rounding small against their squares."""

BOUNDARY = {
    "wall": BoundaryCondition(("left",), "dirichlet", Expression("0.2*y")),
    "inflow": BoundaryCondition(("top",), "neumann", Expression("1 + x")),
    "loss": BoundaryCondition(("right",), "robin", Expression("1"), Expression("2 + y")),
}
"""One condition of each kind."""


@cache
def model(equation: str, role: str) -> ForwardModel:
    """An observed model on the unit square, with everything the equation can be given."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [7, 6])
    physics = make_equation(equation, BOUNDARY, 2, role=role, plain=False)
    solver = LinearSolver(COMM, "direct", "test_state_", symmetric=physics.symmetric)
    forward = ForwardModel(physics, CoefficientSpace(domain, 1), 2, solver)
    points = np.random.default_rng(0).uniform(0.05, 0.95, (READINGS, 2))
    component = each_component(physics, 2, READINGS)
    forward.observe_with(point_matrix(domain, forward.space, points, component))
    return forward


def nodal(forward: ForwardModel, role: str, text: str) -> np.ndarray:
    return coefficient_for(role, forward.coefficient.interpolate(Expression(text)))


def direction(forward: ForwardModel) -> np.ndarray:
    """This rank's rows of a standard normal vector."""
    first, last = forward.coefficient.space.dofmap.index_map.local_range
    return np.random.default_rng(0).standard_normal(forward.coefficient.size)[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def inverse_problem(forward: ForwardModel, role: str) -> tuple[InverseProblem, np.ndarray]:
    """Data without noise of one coefficient, and another one to look at E from."""
    data = forward.solve(nodal(forward, role, "0.3*cos(2*y) + 0.2*x"))
    return InverseProblem(forward, data, SIGMA), nodal(forward, role, "0.6*sin(3*x) - 0.4*y")


every_pair = pytest.mark.parametrize(("equation", "role"), ROLES)


@every_pair
def test_the_remainder_of_the_energy_is_quadratic(equation: str, role: str) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²): the derivative of the residual by state and coefficient, the
    transposed solve and the state itself are right."""
    forward = model(equation, role)
    energy, m = inverse_problem(forward, role)
    d = direction(forward)
    r = REGULARISATIONS["h1"](forward.coefficient, 0.1, LinearSolver(COMM, "direct", "test_riesz_")).at(m)

    def value(t: float) -> float:
        e, shift = energy.residual(m + t * d), m + t * d
        return 0.5 * float(e @ e) + 0.5 * WEIGHT * dot(shift, r.apply(shift))

    start, slope = value(0.0), dot(energy.derivative(energy.residual(m)) + WEIGHT * r.apply(m), d)
    remainders = [abs(value(t) - start - t * slope) for t in HALVINGS]
    rate = np.polyfit(np.log(HALVINGS), np.log(remainders), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)
    assert COMM.allgather(rate) == [rate] * COMM.size


@every_pair
def test_the_adjoint_is_the_transpose_of_the_tangent(equation: str, role: str) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ to 1e-10, for vectors and for each column of a block."""
    forward = model(equation, role)
    energy, m = inverse_problem(forward, role)
    energy.residual(m)
    d, y = direction(forward), np.cos(np.arange(READINGS))
    block, data = np.column_stack([d, m]), np.column_stack([y, SIGMA])
    pairs = [(energy.tangent(d), d, y, energy.adjoint(y))]
    tangents, adjoints = energy.tangent(block), energy.adjoint(data)
    pairs += [(tangents[:, j], block[:, j], data[:, j], adjoints[:, j]) for j in range(2)]
    for tangent, left, right, adjoint in pairs:
        scale = np.linalg.norm(tangent) * np.linalg.norm(right)
        assert scale > 0
        assert abs(tangent @ right - dot(left, adjoint)) <= 1e-10 * scale
