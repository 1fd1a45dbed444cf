"""Conditions, unknown fluxes and readings of fluxes on a line inside, against states in closed form."""

import numpy as np
import pytest
from dolfinx import mesh as dmesh
from elliptic import COMM, constant

from app.equations import EQUATIONS
from app.mesh import MESHES, CoefficientSpace, RelativeError, TaggedMesh, point_matrix
from app.mesh.facets import inside
from app.mesh.rows import empty_rows
from app.observe.fluxes import flux_weights
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, ForwardModel

pytestmark = pytest.mark.distributed

POINTS = np.array([[0.3, 0.2], [0.7, 0.4], [0.2, 0.5], [0.6, 0.9]])
"""The wire is at y = 1/2."""

BASE = BoundaryCondition(("bottom",), "dirichlet", constant(0.0))


def wired(cells: int = 6) -> TaggedMesh:
    """The unit square with a part `wire` across it."""
    square = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [cells, cells])
    wire = dmesh.locate_entities(square.mesh, 1, lambda x: np.abs(x[1] - 0.5) < 1e-9)
    return TaggedMesh(square.mesh, {**square.facets, "wire": wire})


def model_with(condition: BoundaryCondition, degree: int = 1, role: str = "log_diffusivity") -> ForwardModel:
    """Diffusion without a source, zero at the base and closed elsewhere, with a condition on the wire."""
    space = CoefficientSpace(wired(), degree)
    equation = EQUATIONS["diffusion"](
        source=constant(0.0), boundary={"base": BASE, "wire": condition}, diffusivity=None, role=role
    )
    model = ForwardModel(equation, space, 2, LinearSolver(COMM, "direct", "test_wire_"))
    model.observe_with(point_matrix(space.domain, model.space, POINTS))
    return model


def readings(model: ForwardModel, m: float) -> np.ndarray:
    return model.at(np.full(model.coefficient.owned, m)).readings


def profile(inflow: float, diffusivity: float = 1.0) -> np.ndarray:
    """What enters at the wire leaves at the base."""
    return inflow / diffusivity * np.minimum(POINTS[:, 1], 0.5)


@pytest.mark.parametrize("degree", [0, 1])
def test_a_flux_enters_at_a_line(degree: int) -> None:
    """All of it, once, whichever of the two sides takes it."""
    wire = BoundaryCondition(("wire",), "neumann", constant(1.0))
    found = readings(model_with(wire, degree), np.log(2.0))
    np.testing.assert_allclose(found, profile(1.0, 2.0), rtol=1e-9)


def test_an_exchange_at_a_line() -> None:
    """F + 5u = 3 with F = 2u(1/2), so that F = 3 / (1 + 5/2)."""
    leak = BoundaryCondition(("wire",), "robin", constant(3.0), transfer=constant(5.0))
    np.testing.assert_allclose(readings(model_with(leak), 0.0), profile(3 / 3.5), rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
def test_an_unknown_flux_at_a_line(degree: int) -> None:
    """State and tangent are those of the flux; its error is that on the line."""
    model = model_with(BoundaryCondition(("wire",), "unknown"), degree, "boundary_flux")
    values = np.full(model.coefficient.owned, 1.5)
    at = model.at(values)
    np.testing.assert_allclose(at.readings, profile(1.5), rtol=1e-9)
    np.testing.assert_allclose(at.tangent(values), at.readings, rtol=1e-9)
    data = np.arange(1.0, 5.0)
    adjoint = COMM.allreduce(float(at.adjoint(data) @ values))
    assert adjoint == pytest.approx(float(at.tangent(values) @ data), rel=1e-9)
    error = RelativeError(model.coefficient.parts[0], constant(1.0), ["wire"])
    assert error(values) == pytest.approx(0.5) and error.norm == pytest.approx(1.0)


def test_the_flux_from_a_line_is_read() -> None:
    """u = 1 on the wire: 2 enters there and leaves at the base, 0 goes upwards."""
    model = model_with(BoundaryCondition(("wire",), "dirichlet", constant(1.0)))
    names = ["wire", "bottom"]
    weights = flux_weights(model.coefficient.domain, model.space, names, ["bottom", "wire"])
    model.observe_with(empty_rows(model.space, 2), weights)
    np.testing.assert_allclose(readings(model, 0.0), [2.0, -2.0], rtol=1e-9)


def test_facets_inside_are_counted_once() -> None:
    """On any number of ranks."""
    domain = wired(4)
    assert inside(domain, domain.boundary("wire")) == (4, 4)
    assert inside(domain, domain.boundary(["wire", "left"])) == (8, 4)
    assert inside(domain, domain.boundary("all")) == (16, 0)
