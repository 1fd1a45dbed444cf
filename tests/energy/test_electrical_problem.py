"""Laws of the misfit of four-electrode readings in log apparent resistivity."""

from functools import cache

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.electrical import IN_THE_MESH, ElectricalModel, WaveNumbers
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace
from app.parallel import LinearSolver

COMM = MPI.COMM_WORLD

HALVINGS = 0.05 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test."""

DIMENSIONS = [2, 2.5, 3] if COMM.size == 1 else [2.5, 3]

ELECTRODES = {
    2: [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]],
    3: [[0, 0, 1], [0.5, 0, 1], [1, 0, 1], [1, 0.5, 1], [1, 1, 1], [0.5, 1, 1], [0, 1, 1], [0, 0.5, 1]],
}
"""Around a square, and around the top of a cube."""

FEW = WaveNumbers(np.array([0.5, 3.0]), np.array([1.0, 2.0]))
"""The laws hold with any wave numbers."""

ABMN = np.array([[0, 1, 2, 3], [1, 2, 3, 4], [0, 3, 5, 6], [2, 4, 6, 7], [0, 2, 5, 7], [4, 5, 0, 1]])


@cache
def problem(dimension: float) -> InverseProblem:
    """Data at one coefficient, 3 % error."""
    whole = int(dimension)
    kind, cells = {2: ("rectangle", [8, 8]), 3: ("box", [4, 4, 4])}[whole]
    domain = MESHES[kind](COMM, [0.0] * whole, [1.0] * whole, cells)
    waves = FEW if dimension == 2.5 else IN_THE_MESH
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    electrodes = np.array(ELECTRODES[whole], dtype=float)
    model = ElectricalModel(CoefficientSpace(domain, 1), electrodes, ABMN, waves, 2, solver)
    data = model.at(model.coefficient.interpolate(Expression("4 + cos(2*y)"))).readings
    return InverseProblem(model, data, np.full(len(ABMN), 0.03))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_remainder_of_the_misfit_is_quadratic(dimension: float) -> None:
    """φ(m + td) = φ(m) + t φ′(m)d + O(t²), to an order of 2.0 ± 0.05."""
    energy = problem(dimension)
    space = energy.forward.coefficient
    m = space.interpolate(Expression("4 + 0.6*sin(3*x)"))
    first, last = space.space.dofmap.index_map.local_range
    d = np.random.default_rng(0).standard_normal(space.size)[first:last]

    at = energy.at(m)
    slope = COMM.allreduce(float(at.derivative() @ d))
    left = [abs(energy.at(m + t * d).value - at.value - t * slope) for t in HALVINGS]
    rate = np.polyfit(np.log(HALVINGS), np.log(left), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)
    assert COMM.allgather(rate) == [rate] * COMM.size


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_tangent_and_adjoint_are_whitened_alike(dimension: float) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ with the whitening in both, to 1e-10."""
    energy = problem(dimension)
    space = energy.forward.coefficient
    at = energy.at(space.interpolate(Expression("4 + x*y")))
    first, last = space.space.dofmap.index_map.local_range
    d = np.random.default_rng(0).standard_normal(space.size)[first:last]
    y = np.cos(np.arange(len(ABMN)))
    tangent = at.jvp(d)
    right = COMM.allreduce(float(d @ at.vjp(y)))
    assert abs(tangent @ y - right) <= 1e-10 * np.linalg.norm(tangent) * np.linalg.norm(y)
