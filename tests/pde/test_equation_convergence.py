"""The state of every equation converges to a manufactured solution as fast as its element allows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import COMM, Formula, box_space, forward_model
from equation_table import GIVEN, make_equation

from app.mesh import CoefficientSpace, in_ufl, point_matrix
from app.parallel import LinearSolver
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel, components

M = Formula(lambda x, library: 0.7 * x[0] - 0.4 * x[1] + 0.2)
"""A coefficient that every space holds exactly."""

TRANSFER = Formula(lambda x, library: 1 + x[0])


def state(x: Any, library: Any = ufl) -> Any:
    """The manufactured state; on no side are it and its flux zero."""
    return (1 + library.sin(2 * x[0] + 0.5)) * library.cos(1.5 * x[1] - 0.4)


def full_state(kind: str, x: Any) -> Any:
    """The manufactured state; of several components each is another one."""
    count = len(components(EQUATIONS[kind], 2))
    parts = [state([x[0] + 0.3 * i, x[1] - 0.2 * i]) for i in range(count)]
    return ufl.as_vector(parts) if parts else state(x)


@dataclass(frozen=True)
class At:
    """A field from a function of the coordinates, for UFL."""

    function: Any

    def ufl(self, x: Any) -> Any:
        return self.function(x)


def given(name: str, x: Any) -> Any:
    """A coefficient as make_equation gives it."""
    return in_ufl(GIVEN[name](2), x)


def plain_flux(kind: str, x: Any) -> Any:
    """κ ∇u, κ being exp(m) unless another term is the unknown."""
    log_diffusivity = next(iter(EQUATIONS[kind].roles)) == "log_diffusivity"
    kappa = ufl.exp(M.ufl(x)) if log_diffusivity else given("diffusivity", x)
    return kappa * ufl.grad(state(x))


def tensor_flux(kind: str, x: Any) -> Any:
    tensor = ufl.as_matrix([[in_ufl(entry, x) for entry in row] for row in GIVEN["anisotropy"](2)])
    return tensor * plain_flux(kind, x)


def nothing(x: Any) -> Any:
    return 0


STRONG = {
    "diffusion": (tensor_flux, nothing),
    "reaction_diffusion": (plain_flux, lambda x: ufl.exp(M.ufl(x)) * state(x)),
    "advection_diffusion": (
        plain_flux,
        lambda x: ufl.dot(ufl.as_vector([in_ufl(b, x) for b in GIVEN["velocity"](2)]), ufl.grad(state(x))),
    ),
    "nonlinear_diffusion": (lambda kind, x: (1 + state(x) ** 2) * plain_flux(kind, x), nothing),
    "p_laplacian": (
        lambda kind, x: (0.01**2 + ufl.grad(state(x)) ** 2) ** 0.5 * plain_flux(kind, x),
        nothing,
    ),
}
"""An equation −∇·F + G = source by its flux F and the rest G, with the default role of its coefficient; an
equation that is not here is tried with the functional A(u, m; ·) of the manufactured state as its source."""


def strong_model(kind: str, space: CoefficientSpace, degree: int) -> ForwardModel:
    """The equation with source and boundary values of the manufactured state: u, F and F + transfer u."""
    flux, rest = STRONG[kind]
    value = Formula(state)
    boundary = {
        "value": BoundaryCondition(("left", "bottom"), "dirichlet", value),
        "flux": BoundaryCondition(("right",), "neumann", At(lambda x: flux(kind, x)[0])),
        "both": BoundaryCondition(
            ("top",), "robin", At(lambda x: flux(kind, x)[1] + TRANSFER.ufl(x) * state(x)), TRANSFER
        ),
    }
    source = At(lambda x: -ufl.div(flux(kind, x)) + rest(x))
    return forward_model(space, degree, boundary, equation=kind, source=source, plain=False)


@dataclass(frozen=True)
class Manufactured:
    """An equation whose residual vanishes at the manufactured state."""

    equation: Any
    kind: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.equation, name)

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Any) -> Any:
        at = [self.equation.residual(argument, m, v, x, ds) for argument in (u, full_state(self.kind, x))]
        return at[0] - at[1]


def weak_model(kind: str, space: CoefficientSpace, degree: int) -> ForwardModel:
    count = len(components(EQUATIONS[kind], 2))
    each = tuple(At(lambda x, i=i: full_state(kind, x)[i]) for i in range(count))
    boundary = {"value": BoundaryCondition(("left", "bottom"), "dirichlet", each or Formula(state))}
    equation = Manufactured(make_equation(kind, boundary, 2, plain=False), kind)
    return ForwardModel(
        equation, space, degree, LinearSolver(COMM, "direct", "test_", symmetric=equation.symmetric)
    )


def l2_error(kind: str, degree: int, cells: int, strong: bool) -> float:
    """‖u_h − u‖ in L2."""
    space = box_space(2, cells, 1)
    model = (strong_model if strong else weak_model)(kind, space, degree)
    model.observe_with(point_matrix(space.domain, model.space, np.array([[0.5, 0.5]])))
    found = model.function(model.at(space.interpolate(M)))
    x = ufl.SpatialCoordinate(space.domain.mesh)
    # Twice the degree of the state, and four more for the sines.
    dx = ufl.dx(metadata={"quadrature_degree": 2 * degree + 4})
    difference = found - full_state(kind, x)
    square = fem.assemble_scalar(fem.form(ufl.inner(difference, difference) * dx))
    return float(np.sqrt(COMM.allreduce(square)))


def rate(kind: str, degree: int, strong: bool) -> float:
    """By a fit over the meshes."""
    cells = (8, 16, 32) if degree == 1 else (4, 8, 16)
    errors = [l2_error(kind, degree, n, strong) for n in cells]
    return -np.polyfit(np.log(cells), np.log(errors), 1)[0]


DIFFERENTIAL = [kind for kind in EQUATIONS if kind != "identity"]


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("kind", DIFFERENTIAL)
def test_l2_error_falls_with_one_order_more_than_the_degree(kind: str, degree: int) -> None:
    """‖u_h − u‖ ~ h^(degree + 1) with every kind of condition and all that the equation can be given."""
    assert rate(kind, degree, strong=kind in STRONG) == pytest.approx(degree + 1, abs=0.1)


def test_an_equation_without_a_strong_form_here_is_tried_too() -> None:
    """The functional of the manufactured state does as a source."""
    assert rate("p_laplacian", 1, strong=False) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_state_of_no_equation_is_the_coefficient(degree: int) -> None:
    """Exactly, where the state's degree is that of the coefficient or more."""
    space = box_space(2, 4, degree)
    equation = make_equation("identity", {}, 2)
    model = ForwardModel(equation, space, 2, LinearSolver(COMM, "direct", "test_"))
    points = np.array([[0.5, 0.5], [0.1, 0.8]])
    model.observe_with(point_matrix(space.domain, model.space, points))
    readings = model.at(space.interpolate(M)).readings
    np.testing.assert_allclose(readings, M.numpy(points), rtol=1e-11)
