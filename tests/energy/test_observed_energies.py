"""Laws of the energy for every kind of observation, and for what the misfit makes of readings."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from equation_table import make_equation
from mpi4py import MPI
from observation_table import PLACES, observe, with_half

from app.case import Expression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace
from app.observe import joined
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, ForwardModel

COMM = MPI.COMM_WORLD

HALVINGS = 0.01 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test: small against one, and E's rounding small against their squares."""

BOUNDARY = {
    "wall": BoundaryCondition(("left", "bottom"), "dirichlet", Expression("1 + 0.2*y + x**2")),
    "loss": BoundaryCondition(("right",), "robin", Expression("1"), Expression("2 + y")),
}
"""The state, also where it meets the outer flux, is positive."""

MISFITS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "huber": {"threshold": 1.345},
    "logarithmic": {"logarithmic": True},
    "huber of logarithms": {"threshold": 1.345, "logarithmic": True},
}


@cache
def model() -> ForwardModel:
    """A linear equation, whose forms other laws compile too."""
    domain = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [6, 5])
    solver = LinearSolver(COMM, "direct", "test_state_")
    return ForwardModel(make_equation("diffusion", BOUNDARY, 2), CoefficientSpace(domain, 1), 2, solver)


def nodal(text: str) -> np.ndarray:
    return model().coefficient.interpolate(Expression(text))


def direction() -> np.ndarray:
    """This rank's rows of a standard normal vector."""
    first, last = model().coefficient.space.dofmap.index_map.local_range
    return np.random.default_rng(0).standard_normal(model().coefficient.size)[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def inverse_problem(**misfit: Any) -> tuple[InverseProblem, np.ndarray]:
    """Data of one coefficient, every third far off, and another coefficient to look at E from."""
    data = model().at(nodal("0.3*cos(2*y) + 0.2*x")).readings
    data = data * np.where(np.arange(len(data)) % 3 == 0, 3.0, 1.0)
    sigma = 0.1 * np.linspace(0.5, 2, len(data)) * np.abs(data).mean()
    if misfit.get("logarithmic"):
        sigma = sigma / np.abs(data)
    filled = {key: np.full(len(data), value) for key, value in misfit.items()}
    return InverseProblem(model(), data, sigma, **filled), nodal("0.6*sin(3*x) - 0.4*y")


def check_taylor(energy: InverseProblem, m: np.ndarray) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²)."""
    d, at = direction(), energy.at(m)
    slope = dot(at.derivative(), d)
    left = [abs(energy.at(m + t * d).value - at.value - t * slope) for t in HALVINGS]
    rate = np.polyfit(np.log(HALVINGS), np.log(left), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)
    assert COMM.allgather(rate) == [rate] * COMM.size


def check_adjoint(energy: InverseProblem, m: np.ndarray) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ to 1e-10, for vectors and for each column of a block."""
    at = energy.at(m)
    readings = len(at.residual)
    d, y = direction(), np.cos(np.arange(readings))
    block, data = np.column_stack([d, m]), np.column_stack([y, np.ones(readings)])
    tangents, adjoints = at.jvp(block), at.vjp(data)
    pairs = [(at.jvp(d), d, y, at.vjp(y))]
    pairs += [(tangents[:, j], block[:, j], data[:, j], adjoints[:, j]) for j in range(2)]
    for tangent, left, right, adjoint in pairs:
        scale = np.linalg.norm(tangent) * np.linalg.norm(right)
        assert scale > 0
        assert abs(tangent @ right - dot(left, adjoint)) <= 1e-10 * scale


@pytest.mark.parametrize("kind", PLACES)
def test_every_observation_has_its_derivative(kind: str) -> None:
    """The remainder of the energy is quadratic and the adjoint is the transpose of the tangent."""
    observe(kind, model())
    energy, m = inverse_problem()
    check_taylor(energy, m)
    check_adjoint(energy, m)


@pytest.mark.serial
@pytest.mark.parametrize("misfit", MISFITS)
def test_every_misfit_has_its_derivative(misfit: str) -> None:
    """So it is of all kinds together, in each way that readings are compared; for Huber's with residuals on
    both sides of the threshold."""
    forward = model()
    parts = []
    for kind in PLACES:
        part = observe(kind, forward)
        positive = (forward.at(nodal("0.3*cos(2*y) + 0.2*x")).readings > 0).all()
        if positive or not MISFITS[misfit].get("logarithmic"):
            parts.append(part)
    whole = joined(parts)
    forward.observe_with(whole.matrix, whole.weights)
    energy, m = inverse_problem(**MISFITS[misfit])
    e = energy.at(m).residual
    assert len(e) == sum(part.matrix.getSize()[0] for part in parts)
    assert 0 < (np.abs(e) > 1.345).sum() < len(e)
    check_taylor(energy, m)
    check_adjoint(energy, m)


def test_joined_readings_are_those_of_the_parts() -> None:
    """In their order, fluxes among them."""
    forward, m = model(), nodal("0.6*sin(3*x) - 0.4*y")
    parts, readings = [], []
    for kind in PLACES:
        parts.append(observe(kind, forward))
        readings.append(forward.at(m).readings)
    whole = joined(parts)
    forward.observe_with(whole.matrix, whole.weights)
    np.testing.assert_allclose(forward.at(m).readings, np.concatenate(readings), rtol=1e-12)
    assert with_half(forward.coefficient.domain).cells
