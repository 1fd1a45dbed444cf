"""Laws of two experiments that share one coefficient; on any number of ranks."""

from functools import cache

import numpy as np
import pytest
from equation_table import make_equation
from mpi4py import MPI

from app.case import Expression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace, point_matrix
from app.parallel import LinearSolver, SolveFailed
from app.pde import BoundaryCondition, Diffusion, Experiments, ForwardModel

COMM = MPI.COMM_WORLD
READINGS = {"one": 7, "two": 4}
HALVINGS = 0.01 * 0.5 ** np.arange(5)


@cache
def experiments() -> Experiments:
    """A linear and a nonlinear equation on one mesh, read at points of their own."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [7, 6])
    space = CoefficientSpace(domain, 1)
    models = {}
    for (name, count), kind in zip(READINGS.items(), ("diffusion", "nonlinear_diffusion"), strict=True):
        boundary = {"rim": BoundaryCondition(("left", "right"), "dirichlet", Expression("0.2*y"))}
        physics = make_equation(kind, boundary, 2, role="log_diffusivity")
        solver = LinearSolver(COMM, "direct", f"test_{name}_", symmetric=physics.symmetric)
        models[name] = ForwardModel(physics, space, 2, solver)
        points = np.random.default_rng(count).uniform(0.05, 0.95, (count, 2))
        models[name].observe_with(point_matrix(domain, models[name].space, points))
    return Experiments(models)


def space() -> CoefficientSpace:
    found = experiments().models["one"].coefficient
    assert isinstance(found, CoefficientSpace)
    return found


def nodal(text: str) -> np.ndarray:
    return space().interpolate(Expression(text))


def own_rows(block: np.ndarray) -> np.ndarray:
    first, last = space().space.dofmap.index_map.local_range
    return block[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def test_the_remainder_of_the_misfit_is_quadratic() -> None:
    """φ(m + td) = φ(m) + t φ′(m)d + O(t²) with readings of both experiments."""
    forward = experiments()
    data = forward.at(nodal("0.3*cos(2*y) + 0.2*x")).readings
    energy = InverseProblem(forward, data, np.linspace(0.05, 0.2, sum(READINGS.values())))
    m = nodal("0.6*sin(3*x) - 0.4*y")
    at = energy.at(m)
    d = own_rows(np.random.default_rng(0).standard_normal(space().size))
    slope = dot(at.derivative(), d)
    remainders = [abs(energy.at(m + t * d).value - at.value - t * slope) for t in HALVINGS]
    orders = np.log2(np.array(remainders[:-1]) / remainders[1:])
    np.testing.assert_allclose(orders, 2.0, atol=0.05)


@pytest.mark.parametrize("columns", [(), (3,)], ids=["vector", "block"])
def test_the_adjoint_is_the_transpose_of_the_tangent(columns: tuple[int, ...]) -> None:
    """⟨Jδ, y⟩ = ⟨δ, Jᵀy⟩ to 1e-10, for vectors and blocks."""
    found = experiments().at(nodal("0.6*sin(3*x) - 0.4*y"))
    rng = np.random.default_rng(1)
    delta = np.asfortranarray(own_rows(rng.standard_normal((space().size, *columns))))
    y = np.asfortranarray(rng.standard_normal((sum(READINGS.values()), *columns)))
    left = float(np.sum(found.tangent(delta) * y))
    right = COMM.allreduce(float(np.sum(delta * found.adjoint(y))))
    assert left == pytest.approx(right, rel=1e-10)


def test_all_rows_of_j_cost_a_right_hand_side_a_reading() -> None:
    """A column with entries of one experiment only is solved there only, and agrees with single ones."""
    forward = experiments()
    found = forward.at(nodal("0.1*x"))
    n = sum(READINGS.values())
    before = forward.counts
    rows = found.adjoint(np.eye(n))
    assert forward.counts.block_rhs - before.block_rhs == n
    assert forward.counts.adjoint_rhs == before.adjoint_rhs
    for i in (0, n - 1):
        np.testing.assert_allclose(rows[:, i], found.adjoint(np.eye(n)[i]), rtol=0, atol=1e-12)


def test_one_evaluation_is_a_state_solve_of_each() -> None:
    """Counts and sizes are sums."""
    forward = experiments()
    before = forward.counts.state_solves
    forward.at(nodal("0.1*x"))
    assert forward.counts.state_solves == before + 2
    assert forward.size == sum(model.size for model in forward.models.values())


def test_a_failure_says_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one experiment has no state, none is told of, and what is known elsewhere stays true."""
    forward = experiments()
    m = nodal("0.2*y")
    found = forward.at(m)
    y = np.linspace(-1.0, 1.0, sum(READINGS.values()))
    expected = found.adjoint(y)

    def fail(values: np.ndarray, near: object = None) -> None:
        raise SolveFailed("no state")

    with monkeypatch.context() as patch:
        patch.setattr(forward.models["two"], "at", fail)
        with pytest.raises(SolveFailed, match="experiment two: no state"):
            forward.at(m + 1.0)
    np.testing.assert_allclose(found.adjoint(y), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


PATTERNS = {
    "source": ("1 + x", "0", ("left", "right")),
    "other source": ("sin(3*y)", "0", ("left", "right")),
    "other values": ("1", "0.5*y", ("left", "right")),
    "other part": ("1", "0", ("left", "top")),
}
"""Source, values of the state, and where they are given."""


def patterns() -> dict[str, ForwardModel]:
    """Diffusion with each of the PATTERNS, and wells in the first."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [7, 6])
    space = CoefficientSpace(domain, 1)
    models = {}
    for i, (name, (source, value, on)) in enumerate(PATTERNS.items()):
        boundary = {"rim": BoundaryCondition(on, "dirichlet", Expression(value))}
        solver = LinearSolver(COMM, "direct", f"test_pattern_{i}_")
        models[name] = ForwardModel(Diffusion(Expression(source), boundary), space, 2, solver)
        points = np.random.default_rng(i).uniform(0.05, 0.95, (3 + i, 2))
        models[name].observe_with(point_matrix(domain, models[name].space, points))
    where = point_matrix(domain, models["source"].space, np.array([[0.4, 0.5]]))
    models["source"].feed_with(where, np.array([-1.0]))
    return models


def test_experiments_with_the_same_operator_share_a_factorisation() -> None:
    """One a coefficient for all but where the state is given elsewhere; readings, tangents and adjoints are
    those of the models alone, also after a coefficient without a state."""
    shared, alone = Experiments(patterns()), patterns()
    rng = np.random.default_rng(0)
    parts = shared.models["source"].coefficient
    for sweep in range(3):
        m = np.full(parts.owned, 0.1 * sweep) + 0.2 * parts.parts[0].coordinates[: parts.owned, 0]
        others = [model.at(m) for model in alone.values()]
        before = shared.counts
        found = shared.at(m)
        factorisations = shared.counts.factorisations - before.factorisations
        # On several ranks sums over ghosts may differ in their last bit, and then nothing is shared.
        assert factorisations == 2 if COMM.size == 1 else 2 <= factorisations <= len(PATTERNS)
        assert shared.counts.state_rhs - before.state_rhs == len(PATTERNS)
        readings = np.concatenate([other.readings for other in others])
        np.testing.assert_allclose(found.readings, readings, rtol=1e-12)
        if sweep == 1:
            with pytest.raises(SolveFailed):
                shared.at(np.full(parts.owned, 1e4))
        delta = np.full(parts.owned, 1.0) - 0.5 * parts.parts[0].coordinates[: parts.owned, 1]
        expected = np.concatenate([other.tangent(delta) for other in others])
        np.testing.assert_allclose(found.tangent(delta), expected, rtol=0, atol=1e-12)
        y = rng.standard_normal(len(readings))
        rows = found.rows.values()
        gradients = [other.adjoint(y[part]) for other, part in zip(others, rows, strict=True)]
        np.testing.assert_allclose(found.adjoint(y), np.sum(gradients, axis=0), rtol=0, atol=1e-12)
