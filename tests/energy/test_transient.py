"""Laws of transient equations: each scheme with each role; orders; states kept or computed again."""

from functools import cache
from itertools import cycle

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression, SpaceTimeExpression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace, point_matrix
from app.parallel import LinearSolver, on_root
from app.pde import TRANSIENT, BoundaryCondition, TimeSteps, TooLittleMemory, TransientModel, stands_for

COMM = MPI.COMM_WORLD
READINGS, STEPS = 15, 7
SIGMA = np.linspace(0.05, 0.2, READINGS)
SCHEMES = ("backward_euler", "crank_nicolson")
PAIRS = [(kind, role) for kind, physics in TRANSIENT.items() for role in physics.roles]
TABLE = [(*pair, scheme) for pair in PAIRS for scheme in SCHEMES]
HALVINGS = 0.01 * 0.5 ** np.arange(5)


@cache
def model(
    kind: str, role: str, scheme: str, memory: float = 2000.0, *, alone: bool = False
) -> TransientModel:
    """All that the equation can be given, with values and sources that change in time; over all ranks, or on
    one alone."""
    comm = MPI.COMM_SELF if alone else COMM
    domain = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [4, 3])
    given = {
        "source": SpaceTimeExpression("1 + t*x"),
        "diffusivity": Expression("0.5 + 0.2*x"),
        "capacity": Expression("1 + 0.5*y"),
        "initial": Expression("x*(1 - y)"),
        "velocity": (Expression("1 + y"), Expression("-x")),
        "speed": Expression("0.5 + y"),
    }
    given = {name: None if name == stands_for(role) else value for name, value in given.items()}
    boundary = {
        "wall": BoundaryCondition(("left",), "dirichlet", SpaceTimeExpression("0.2*y + t")),
        "loss": BoundaryCondition(("right",), "robin", SpaceTimeExpression("cos(t)"), Expression("2 + y")),
    }
    if role == "boundary_flux":
        boundary["unknown"] = BoundaryCondition(("top",), "unknown")
    equation = TRANSIENT[kind](boundary=boundary, role=role, **given)
    forward = TransientModel(
        equation,
        CoefficientSpace(domain, 1),
        2,
        LinearSolver(comm, "direct", "test_state_", symmetric=equation.symmetric),
        TimeSteps(0.5, STEPS, scheme, memory),
    )
    rng = np.random.default_rng(0)
    points = rng.uniform(0.05, 0.95, (READINGS, 2))
    times = np.append(rng.uniform(0, 0.5, READINGS - 2), [0.0, 0.5])
    forward.observe_at(point_matrix(domain, forward.space, points), times)
    return forward


def nodal(forward: TransientModel, role: str, text: str) -> np.ndarray:
    values = forward.coefficient.interpolate(Expression(text))
    return 2.0 + values if role == "diffusivity" else values


def direction(forward: TransientModel) -> np.ndarray:
    first, last = forward.coefficient.space.dofmap.index_map.local_range
    return np.random.default_rng(0).standard_normal(forward.coefficient.size)[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def misfit(forward: TransientModel, role: str) -> tuple[InverseProblem, np.ndarray]:
    data = forward.at(nodal(forward, role, "0.3*cos(2*y) + 0.2*x")).readings
    return InverseProblem(forward, data, SIGMA), nodal(forward, role, "0.6*sin(3*x) - 0.4*y")


every_one = pytest.mark.parametrize(("kind", "role", "scheme"), TABLE)


@pytest.mark.serial
@every_one
def test_the_remainder_of_the_energy_is_quadratic(kind: str, role: str, scheme: str) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²), the adjoint going backwards."""
    forward = model(kind, role, scheme)
    energy, m = misfit(forward, role)
    d, at = direction(forward), energy.at(m)
    slope = dot(at.derivative(), d)
    remainders = [abs(energy.at(m + t * d).value - at.value - t * slope) for t in HALVINGS]
    rate = np.polyfit(np.log(HALVINGS), np.log(remainders), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)


@pytest.mark.serial
@every_one
def test_the_adjoint_is_the_transpose_of_the_tangent(kind: str, role: str, scheme: str) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ to 1e-10, for vectors and for each column of a block."""
    forward = model(kind, role, scheme)
    energy, m = misfit(forward, role)
    at = energy.at(m)
    d, y = direction(forward), np.cos(np.arange(READINGS))
    block, data = np.asfortranarray(np.column_stack([d, m])), np.column_stack([y, SIGMA])
    pairs = [(at.jvp(d), d, y, at.vjp(y))]
    tangents, adjoints = at.jvp(block), at.vjp(data)
    pairs += [(tangents[:, j], block[:, j], data[:, j], adjoints[:, j]) for j in range(2)]
    for tangent, left, right, adjoint in pairs:
        scale = np.linalg.norm(tangent) * np.linalg.norm(right)
        assert scale > 0
        assert abs(tangent @ right - dot(left, adjoint)) <= 1e-10 * scale


@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@pytest.mark.parametrize(
    ("kind", "role", "scheme"),
    [(*pair, scheme) for pair, scheme in zip(PAIRS, cycle(SCHEMES), strict=False)],
)
def test_all_ranks_together_find_what_one_finds(kind: str, role: str, scheme: str) -> None:
    """Readings, Jd and the slopes along d of a block of data, for which the laws above are."""
    together = figures(kind, role, scheme)
    alone = on_root(COMM, lambda: figures(kind, role, scheme, alone=True))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def figures(kind: str, role: str, scheme: str, *, alone: bool = False) -> tuple[np.ndarray, ...]:
    """Readings at one coefficient, Jd, and what data of two kinds pull at d."""
    forward = model(kind, role, scheme, alone=alone)
    there = forward.at(nodal(forward, role, "0.6*sin(3*x) - 0.4*y"))
    d = forward.coefficient.interpolate(Expression("cos(5*x*y) - 0.3*x"))
    data = np.column_stack([np.cos(np.arange(READINGS)), SIGMA])
    return there.readings, there.tangent(d), forward.comm.allreduce(d @ there.adjoint(data))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_states_computed_again_change_nothing(scheme: str) -> None:
    """With room for six of eight states tangent and adjoint agree to 1e-12; what it costs is counted."""
    full = model("heat", "log_diffusivity", scheme)
    state = 8 * max(COMM.allgather(full.state.function_space.dofmap.index_map.size_local))
    few = model("heat", "log_diffusivity", scheme, 6.5 * state / 1e6)
    assert (full.stride, few.stride) == (1, 2)
    m, y = nodal(full, "", "0.6*sin(3*x) - 0.4*y"), np.cos(np.arange(READINGS))
    few.counts.recomputed_rhs = 0
    found = [forward.at(m) for forward in (full, few)]
    tangents = [each.tangent(direction(full)) for each in found]
    adjoints = [each.adjoint(y) for each in found]
    np.testing.assert_allclose(*tangents, rtol=1e-12, atol=1e-12 * np.abs(tangents[0]).max())
    np.testing.assert_allclose(*adjoints, rtol=1e-12, atol=1e-12 * np.abs(y).max())
    assert full.counts.recomputed_rhs == 0 < few.counts.recomputed_rhs
    states = [np.array([*each.model.states(each)]) for each in found]
    assert len(states[0]) == STEPS + 1
    np.testing.assert_allclose(*states, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(few.state.x.array[: states[1].shape[1]], states[1][-1])
    for most, steps in ((100, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 4, 7]), (2, [0, 7])):
        shown = [
            (time, few.state.x.array[: states[1].shape[1]].copy()) for time in few.moments(found[1], most)
        ]
        np.testing.assert_allclose([time for time, _ in shown], 0.5 * np.array(steps) / STEPS, rtol=1e-14)
        np.testing.assert_allclose([state for _, state in shown], states[0][steps], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(few.state.x.array[: states[1].shape[1]], states[1][-1])
    with pytest.raises(TooLittleMemory, match="MB"):
        TimeSteps(0.5, STEPS, "backward_euler", 3 * state / 1e6).stride(state)


def error(scheme: str, cells: int, degree: int, steps: int) -> float:
    """Largest error at points at the end, of u = e⁻ᵗ sin x cos y with κ = 1."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [cells, cells])
    u = "exp(-3*t)*sin(x)*cos(y)"
    boundary = {
        "rim": BoundaryCondition(("left", "top"), "dirichlet", SpaceTimeExpression(u)),
        "right": BoundaryCondition(("right",), "neumann", SpaceTimeExpression("exp(-3*t)*cos(x)*cos(y)")),
    }
    equation = TRANSIENT["heat"](
        source=SpaceTimeExpression(f"-{u}"), boundary=boundary, initial=Expression("sin(x)*cos(y)")
    )
    solver = LinearSolver(COMM, "direct", "test_order_")
    forward = TransientModel(
        equation, CoefficientSpace(domain, 1), degree, solver, TimeSteps(1.0, steps, scheme)
    )
    points = np.random.default_rng(1).uniform(0.3, 0.95, (40, 2))
    forward.observe_at(point_matrix(domain, forward.space, points), np.ones(len(points)))
    read = forward.at(np.zeros(forward.coefficient.owned)).readings
    return float(np.linalg.norm(read - np.exp(-3) * np.sin(points[:, 0]) * np.cos(points[:, 1])))


@pytest.mark.serial
@pytest.mark.parametrize(("scheme", "order"), [("backward_euler", 1), ("crank_nicolson", 2)])
def test_the_error_falls_with_the_order_of_the_scheme(scheme: str, order: int) -> None:
    """In Δt, on a mesh whose own error does not count."""
    steps = np.array([20, 40, 80])
    errors = [error(scheme, 6, 3, n) for n in steps]
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.1)


@pytest.mark.serial
def test_the_error_falls_with_the_order_of_the_element() -> None:
    """In h, with steps whose own error does not count; linear elements."""
    cells = np.array([8, 16, 32])
    errors = [error("crank_nicolson", n, 1, 200) for n in cells]
    assert -np.polyfit(np.log(cells), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)


def carried(cells: int, steps: int) -> float:
    """Largest error of u = e⁻ᵏᵗ sin(x − 2t), carried with velocity 4 times the factor ½ while it spreads."""
    domain = MESHES["interval"](COMM, 0.0, 1.0, cells)
    u = SpaceTimeExpression("exp(-0.3*t)*sin(x - 2*t)")
    equation = TRANSIENT["heat"](
        source=SpaceTimeExpression("0"),
        boundary={"ends": BoundaryCondition(("all",), "dirichlet", u)},
        diffusivity=Expression("0.3"),
        initial=Expression("sin(x)"),
        velocity=(Expression("4"),),
        role="speed",
    )
    solver = LinearSolver(COMM, "direct", "test_carried_", symmetric=equation.symmetric)
    times = TimeSteps(1.0, steps, "crank_nicolson")
    forward = TransientModel(equation, CoefficientSpace(domain, 1), 2, solver, times)
    points = np.linspace(0.05, 0.95, 30)[:, None]
    forward.observe_at(point_matrix(domain, forward.space, points), np.ones(len(points)))
    read = forward.at(np.full(forward.coefficient.owned, 0.5)).readings
    return float(np.abs(read - u.numpy(points, 1.0)).max())


def test_what_is_carried_is_where_it_has_to_be() -> None:
    """The error falls with the square of the time step, on cells whose own error does not count."""
    steps = np.array([10, 20, 40])
    errors = [carried(20, n) for n in steps]
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)
