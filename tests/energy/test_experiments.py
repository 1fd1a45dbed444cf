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
    data = forward.solve(nodal("0.3*cos(2*y) + 0.2*x"))
    energy = InverseProblem(forward, data, np.linspace(0.05, 0.2, sum(READINGS.values())))
    m = nodal("0.6*sin(3*x) - 0.4*y")
    e = energy.residual(m)
    start = 0.5 * e @ e
    d = own_rows(np.random.default_rng(0).standard_normal(space().size))
    slope = dot(energy.derivative(e), d)
    remainders = []
    for t in HALVINGS:
        e = energy.residual(m + t * d)
        remainders.append(abs(0.5 * e @ e - start - t * slope))
    orders = np.log2(np.array(remainders[:-1]) / remainders[1:])
    np.testing.assert_allclose(orders, 2.0, atol=0.05)


@pytest.mark.parametrize("columns", [(), (3,)], ids=["vector", "block"])
def test_the_adjoint_is_the_transpose_of_the_tangent(columns: tuple[int, ...]) -> None:
    """⟨Jδ, y⟩ = ⟨δ, Jᵀy⟩ to 1e-10, for vectors and blocks."""
    forward = experiments()
    forward.solve(nodal("0.6*sin(3*x) - 0.4*y"))
    rng = np.random.default_rng(1)
    delta = np.asfortranarray(own_rows(rng.standard_normal((space().size, *columns))))
    y = np.asfortranarray(rng.standard_normal((sum(READINGS.values()), *columns)))
    left = float(np.sum(forward.tangent(delta) * y))
    right = COMM.allreduce(float(np.sum(delta * forward.adjoint(y))))
    assert left == pytest.approx(right, rel=1e-10)


def test_all_rows_of_j_cost_a_right_hand_side_a_reading() -> None:
    """A column with entries of one experiment only is solved there only, and agrees with single ones."""
    forward = experiments()
    forward.solve(nodal("0.1*x"))
    n = sum(READINGS.values())
    before = forward.counts
    rows = forward.adjoint(np.eye(n))
    assert forward.counts.block_rhs - before.block_rhs == n
    assert forward.counts.adjoint_rhs == before.adjoint_rhs
    for i in (0, n - 1):
        np.testing.assert_allclose(rows[:, i], forward.adjoint(np.eye(n)[i]), rtol=0, atol=1e-12)


def test_one_evaluation_is_a_state_solve_of_each() -> None:
    """Counts and sizes are sums."""
    forward = experiments()
    before = forward.counts.state_solves
    forward.solve(nodal("0.1*x"))
    assert forward.counts.state_solves == before + 2
    assert forward.size == sum(model.size for model in forward.models.values())


def test_a_failure_leaves_all_at_the_coefficient_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second experiment has no state, the first returns too, and both say whose failure it was."""
    forward = experiments()
    m = nodal("0.2*y")
    forward.solve(m)
    y = np.linspace(-1.0, 1.0, sum(READINGS.values()))
    expected = forward.adjoint(y)

    def fail(values: np.ndarray) -> np.ndarray:
        raise SolveFailed("no state")

    with monkeypatch.context() as patch:
        patch.setattr(forward.models["two"], "solve", fail)
        with pytest.raises(SolveFailed, match="experiment two: no state"):
            forward.solve(m + 1.0)
    np.testing.assert_allclose(forward.adjoint(y), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


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
        expected = np.concatenate([model.solve(m) for model in alone.values()])
        before = shared.counts
        found = shared.solve(m)
        factorisations = shared.counts.factorisations - before.factorisations
        # On several ranks sums over ghosts may differ in their last bit, and then nothing is shared.
        assert factorisations == 2 if COMM.size == 1 else 2 <= factorisations <= len(PATTERNS)
        assert shared.counts.state_rhs - before.state_rhs == len(PATTERNS)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        if sweep == 1:
            with pytest.raises(SolveFailed):
                shared.solve(np.full(parts.owned, 1e4))
        delta = np.full(parts.owned, 1.0) - 0.5 * parts.parts[0].coordinates[: parts.owned, 1]
        expected = np.concatenate([model.tangent(delta) for model in alone.values()])
        np.testing.assert_allclose(shared.tangent(delta), expected, rtol=0, atol=1e-12)
        y = rng.standard_normal(len(found))
        rows = list(shared.rows.values())
        gradients = [model.adjoint(y[part]) for model, part in zip(alone.values(), rows, strict=True)]
        np.testing.assert_allclose(shared.adjoint(y), np.sum(gradients, axis=0), rtol=0, atol=1e-12)
