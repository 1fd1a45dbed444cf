"""Wells against the Green's function of the square."""

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.mesh import MESHES, CoefficientSpace, point_matrix
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, Diffusion, ForwardModel

COMM = MPI.COMM_WORLD
WELLS = np.array([[0.3, 0.4], [0.62, 0.71]])
RATES = np.array([3.0, -1.5])
POINTS = np.array([[0.7, 0.45], [0.2, 0.8], [0.45, 0.15]])
CONDUCTIVITY = 2.0


def greens_function(x: np.ndarray, y: np.ndarray) -> float:
    """u(x) of a unit source at y in the unit square, u = 0 around it, −Δu = δ; by sines in the first
    coordinate."""
    n = np.pi * np.arange(1, 200)
    below, above = min(x[1], y[1]), 1.0 - max(x[1], y[1])
    # sinh a sinh b / sinh n with a + b < n, without overflow
    shape = np.exp(n * (below + above - 1.0)) * (1 - np.exp(-2 * n * below)) * (1 - np.exp(-2 * n * above))
    shape = 0.5 * shape / (1 - np.exp(-2 * n))
    return float(np.sum(2 * np.sin(n * x[0]) * np.sin(n * y[0]) * shape / n))


def heads(cells: int, comm: MPI.Comm = COMM) -> np.ndarray:
    domain = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [cells, cells])
    rim = BoundaryCondition(("all",), "dirichlet", Expression("0"))
    solver = LinearSolver(comm, "direct", "test_wells_")
    model = ForwardModel(Diffusion(Expression("0"), {"rim": rim}), CoefficientSpace(domain, 1), 2, solver)
    model.observe_with(point_matrix(domain, model.space, POINTS))
    model.feed_with(point_matrix(domain, model.space, WELLS), RATES)
    return model.at(model.coefficient.interpolate(Expression(f"log({CONDUCTIVITY})"))).readings


def test_heads_away_from_wells_are_those_of_the_greens_function() -> None:
    """To a thousandth of the largest, and of second order."""
    exact = np.array([[greens_function(x, y) for y in WELLS] for x in POINTS]) @ RATES / CONDUCTIVITY
    errors = [np.abs(heads(cells) - exact).max() for cells in (12, 24, 48)]
    assert errors[-1] < 1e-3 * np.abs(exact).max()
    assert np.log2(errors[0] / errors[-1]) / 2 > 1.8


@pytest.mark.distributed
@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
def test_all_ranks_together_find_what_one_finds() -> None:
    """Wherever among them the wells are."""
    np.testing.assert_allclose(heads(12), heads(12, MPI.COMM_SELF), rtol=1e-10)
