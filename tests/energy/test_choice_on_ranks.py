"""The choice of a regularisation with real operators, spread over the ranks, against dense algebra."""

from functools import cache, partial

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.energy import InverseProblem, Misfit
from app.flow import Candidate, Choice
from app.flow.choice import choose
from app.flow.models import ExactModel, exact_factors
from app.flow.sketch import Sketch, take_sketch
from app.mesh import MESHES, CoefficientSpace, point_matrix
from app.method import Exact
from app.parallel import LinearSolver
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel
from app.prior import REGULARISATIONS

COMM = MPI.COMM_WORLD

READINGS, SIGMA, SEED = 30, 0.01, 3

LENGTH = 0.4


@cache
def setting() -> tuple[Misfit, CoefficientSpace]:
    """The misfit on the unit square of noisy data of a wave, at the reference."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [8, 7])
    boundary = {"rim": BoundaryCondition(("all",), "dirichlet", Expression("0"))}
    physics = EQUATIONS["diffusion"](source=Expression("10"), boundary=boundary)
    space = CoefficientSpace(domain, 1)
    forward = ForwardModel(physics, space, 2, LinearSolver(COMM, "direct", "test_state_"))
    rng = np.random.default_rng(0)
    forward.observe_with(point_matrix(domain, forward.space, rng.uniform(0.05, 0.95, (READINGS, 2))))
    data = forward.at(space.interpolate(Expression("0.6*sin(3*x) - 0.4*y"))).readings
    energy = InverseProblem(forward, data + SIGMA * rng.standard_normal(READINGS), np.full(READINGS, SIGMA))
    return energy.at(np.zeros(space.owned)), space


@cache
def candidates() -> dict[str, Candidate]:
    """All of the dictionary, with a solver each."""
    space = setting()[1]
    return {
        kind: Candidate(
            kind, LENGTH, make(space, LENGTH, partial(LinearSolver, COMM, "direct", "test_riesz_"))
        )
        for kind, make in REGULARISATIONS.items()
    }


@cache
def sketch() -> Sketch:
    at, _ = setting()
    R = candidates()["h1"].regularisation.at(at.m)
    return take_sketch(at, R, np.zeros_like(at.m), np.random.default_rng(SEED))


@cache
def choice() -> Choice:
    made = list(candidates().values())
    return choose(sketch(), made[0], made, np.zeros(setting()[1].owned), np.random.default_rng(SEED))


def gathered(rows: np.ndarray) -> np.ndarray:
    return np.concatenate(COMM.allgather(rows))


def identity() -> np.ndarray:
    """This rank's rows of the identity."""
    space = setting()[1]
    first, last = space.space.dofmap.index_map.local_range
    return np.asfortranarray(np.eye(space.size)[first:last])


def test_rows_are_the_transpose_of_the_tangent() -> None:
    """The sketch's block of adjoints is what tangents of all unit vectors give; y = −e at the reference."""
    at, _ = setting()
    J, e = at.jvp(identity()), at.residual
    rows = gathered(sketch().rows)
    np.testing.assert_allclose(rows.T, J, rtol=0, atol=1e-10 * np.abs(J).max())
    np.testing.assert_allclose(sketch().data, -e, rtol=0, atol=1e-10 * np.abs(e).max())


@pytest.mark.parametrize("kind", [kind for kind, make in REGULARISATIONS.items() if make.fixed])
def test_scores_are_those_of_dense_algebra(kind: str) -> None:
    """Leave-one-out by the dense hat matrix with the whole J and R, near the best weight to 1 % (directions
    weaker than the weight are left out)."""
    score = next(score for score in choice().scores if score.candidate.kind == kind)
    R = gathered(candidates()[kind].regularisation.at(np.zeros(setting()[1].owned)).apply(identity()))
    J, y = gathered(sketch().rows).T, sketch().data
    hat = J @ np.linalg.solve(J.T @ J + score.weight * R, J.T)
    left_out = (y - hat @ y) / (1 - np.diag(hat))
    assert score.score == pytest.approx(np.mean(left_out**2), rel=0.01)


def test_all_ranks_choose_alike() -> None:
    """Every score, the choice and its figures are the same bits on all ranks."""
    chosen = choice()
    numbers = np.concatenate([score.judged for score in chosen.scores])
    figures = (str(chosen.candidate), chosen.weight, chosen.reason, chosen.freedom, chosen.spread)
    assert len({part.tobytes() for part in COMM.allgather(numbers)}) == 1
    assert len(set(COMM.allgather(figures))) == 1


def test_noise_is_found() -> None:
    """30 readings of noise as sigma says: a spread of 1 within three of its own deviations, 1/√(2 · 20)."""
    assert choice().spread == pytest.approx(1.0, abs=3 / 40**0.5)


@pytest.mark.parametrize("kind", REGULARISATIONS)
@pytest.mark.parametrize("weight", [1e-3, 1.0])
def test_exact_model_is_the_dense_one(kind: str, weight: float) -> None:
    """K = wR + JᵀJ up to a share of wR, and K⁻¹ undoes it, the columns spread over the ranks."""
    space = setting()[1]
    R = candidates()[kind].regularisation.at(space.interpolate(Expression("x*y")))
    model = ExactModel(R, weight, exact_factors(R, weight, sketch().rows), np.zeros(space.owned))
    dense_R, J = gathered(R.apply(identity())), gathered(sketch().rows).T
    L = np.linalg.cholesky(0.5 * (dense_R + dense_R.T))
    missing = weight * dense_R + J.T @ J - gathered(model.inner.apply(identity()))
    missing = np.linalg.solve(L, np.linalg.solve(L, missing).T)
    assert np.linalg.norm(missing, 2) <= 1.01 * Exact().cut * weight
    block = np.random.default_rng(COMM.rank).standard_normal((space.owned, 2))
    back = model.inner.riesz(model.inner.apply(block))
    np.testing.assert_allclose(back, block, rtol=0, atol=1e-6)
