"""States of several components: closed forms, conditions on one component, readings of each."""

from typing import Any

import numpy as np
import pytest
from elliptic import COMM, Formula, box_space, constant, dot, inner_points, random_rows, variants
from equation_table import each_component

from app.mesh import point_matrix
from app.mesh.meshes import SIDES
from app.parallel import LinearSolver
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel

ROUNDING = 1e-10
"""Relative; 1e6 times the machine's accuracy leaves room for the condition of the state operator."""

E, NU, TENSION = 2.5, 0.3, 0.7
"""Young's modulus, Poisson's ratio and a traction of the same unit."""

ZERO = constant(0.0)


def observed(
    kind: str, dimension: int, cells: int, degree: int, boundary: Any, points: np.ndarray, **given: Any
) -> ForwardModel:
    """A model that is read at the points, the components one after the other."""
    physics = EQUATIONS[kind](boundary=boundary, **given)
    space = box_space(dimension, cells, 1)
    model = ForwardModel(
        physics, space, degree, LinearSolver(COMM, "direct", "test_", symmetric=physics.symmetric)
    )
    component = each_component(physics, dimension, len(points))
    model.observe_with(point_matrix(space.domain, model.space, points, component))
    return model


def on_rollers(dimension: int) -> dict[str, BoundaryCondition]:
    """Three sides that slide along themselves, and a pull at the right."""
    pull = (constant(TENSION), *[ZERO] * (dimension - 1))
    rollers = {
        side: BoundaryCondition((side,), "dirichlet", ZERO, component=axis)
        for axis, (side, _) in enumerate(SIDES[dimension])
    }
    return {**rollers, "pull": BoundaryCondition(("right",), "neumann", pull)}


@pytest.mark.distributed
@pytest.mark.parametrize("dimension", variants([2, 3], in_parallel=[2]))
def test_a_bar_on_rollers_is_stretched_as_in_the_textbook(dimension: int) -> None:
    """ε_xx = σ/E and ε_yy = ε_zz = −νσ/E; in plane strain E is E/(1 − ν²) and ν is ν/(1 − ν). Linear in the
    coordinates, so linear elements hold it exactly; components are conditioned one by one."""
    points = inner_points(dimension, 12)
    model = observed("elasticity", dimension, 2, 1, on_rollers(dimension), points, poissons_ratio=NU)
    modulus, ratio = (E / (1 - NU**2), NU / (1 - NU)) if dimension == 2 else (E, NU)
    strains = np.array([1.0, *[-ratio] * (dimension - 1)]) * TENSION / modulus
    component = np.arange(len(points)) % dimension
    exact = strains[component] * points[np.arange(len(points)), component]
    found = model.at(np.full(model.coefficient.owned, np.log(E)))
    np.testing.assert_allclose(found.readings, exact, rtol=0, atol=ROUNDING)
    direction, y = random_rows(model.coefficient), np.cos(np.arange(len(points)))
    tangent = found.tangent(direction)
    assert abs(tangent @ y - dot(direction, found.adjoint(y))) <= ROUNDING * np.linalg.norm(tangent)


def test_a_uniform_body_that_is_twice_as_stiff_moves_half_as_much() -> None:
    """Its own weight is the load; the state knows both by their ratio only."""
    points = inner_points(2, 8)
    foot = {"foot": BoundaryCondition(("bottom",), "dirichlet", ZERO)}
    model = observed("elasticity", 2, 3, 2, foot, points, body_force=(ZERO, constant(-1.0)))
    soft = model.at(np.zeros(model.coefficient.owned)).readings
    stiff = model.at(np.full(model.coefficient.owned, np.log(2.0))).readings
    np.testing.assert_allclose(stiff, soft / 2, rtol=0, atol=ROUNDING * np.abs(soft).max())
    assert np.abs(soft).max() > 0.1


def test_a_plane_wave_leaves_through_the_absorbing_boundary() -> None:
    """u = exp(iω√s x), given on the left; nothing comes back from the right where it arrives at
    a right angle, and the error is the element's: pointwise of third order."""
    slowness, frequency = 1.44, 5.0
    number = frequency * np.sqrt(slowness)
    points = inner_points(2, 20)
    real = Formula(lambda x, library: library.cos(number * x[0]))
    imaginary = Formula(lambda x, library: library.sin(number * x[0]))
    boundary = {
        "wave": BoundaryCondition(("left",), "dirichlet", (real, imaginary)),
        "outside": BoundaryCondition(("right",), "absorbing", ZERO),
    }
    errors = []
    for cells in (4, 8, 16):
        model = observed("helmholtz", 2, cells, 2, boundary, points, source=ZERO, frequency=frequency)
        readings = model.at(np.full(model.coefficient.owned, np.log(slowness))).readings
        exact = np.where(np.arange(20) % 2, imaginary.numpy(points), real.numpy(points))
        errors.append(np.abs(readings - exact).max())
    assert errors[2] < 2e-3
    assert np.log2(errors[0] / errors[2]) / 2 > 2.7
