"""The state converges to a manufactured solution as fast as its element allows."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import COMM, Formula, box_space, forward_model

from app.mesh.meshes import SIDES
from app.pde import BoundaryCondition

LINEAR = Formula(lambda x, library: 0.7 * x[0] - 0.4 * x[len(x) - 1] + 0.2)
"""A log-diffusivity that every coefficient space holds exactly."""

CURVED = Formula(lambda x, library: 0.8 * library.sin(2 * x[0]) - 0.5 * x[len(x) - 1] ** 2)
"""One that a coefficient space only approximates, to the order of a state of equal degree."""


def waves(x: Any) -> Any:
    """The manufactured state; on no side are it and its flux zero."""
    value = 1 + ufl.sin(2 * x[0] + 0.5)
    return value if len(x) == 1 else value * ufl.cos(1.5 * x[1] - 0.4)


class Source:
    """−∇·(exp(m) ∇u) of the manufactured state u."""

    def __init__(self, m: Formula) -> None:
        self._m = m

    def ufl(self, x: Any) -> Any:
        return -ufl.div(ufl.exp(self._m.ufl(x)) * ufl.grad(waves(x)))


class Flux:
    """exp(m) ∂u/∂n of the manufactured state on a side whose outer normal is +axis."""

    def __init__(self, m: Formula, axis: int) -> None:
        self._m, self._axis = m, axis

    def ufl(self, x: Any) -> Any:
        return ufl.exp(self._m.ufl(x)) * ufl.grad(waves(x))[self._axis]


class State:
    """The manufactured state as a boundary value."""

    def numpy(self, points: np.ndarray) -> np.ndarray:
        value = 1 + np.sin(2 * points[:, 0] + 0.5)
        return value if points.shape[1] == 1 else value * np.cos(1.5 * points[:, 1] - 0.4)


def dirichlet(m: Formula, dimension: int) -> dict[str, BoundaryCondition]:
    return {"rim": BoundaryCondition(("all",), "dirichlet", State())}


def mixed(m: Formula, dimension: int) -> dict[str, BoundaryCondition]:
    """Non-zero fluxes on the upper side of each axis, non-zero values on the others."""
    lower, upper = zip(*SIDES[dimension], strict=True)
    fluxes = {name: BoundaryCondition((name,), "neumann", Flux(m, axis)) for axis, name in enumerate(upper)}
    return {"lower": BoundaryCondition(lower, "dirichlet", State()), **fluxes}


@dataclass(frozen=True)
class Series:
    """Meshes of one dimension and elements of one kind."""

    dimension: int
    state: int
    coefficient: int
    cells: tuple[int, ...]
    m: Formula

    def __str__(self) -> str:
        shape = "linear" if self.m is LINEAR else "curved"
        return f"{self.dimension}D-P{self.state}-P{self.coefficient}-{shape}"


SERIES = [
    Series(1, 1, 1, (8, 16, 32, 64), CURVED),
    Series(1, 2, 2, (8, 16, 32, 64), CURVED),
    Series(2, 1, 1, (8, 16, 32), CURVED),
    Series(2, 2, 2, (8, 16, 32), CURVED),
    Series(2, 3, 1, (4, 8, 16), LINEAR),
    Series(3, 1, 1, (4, 8, 12), LINEAR),
    Series(3, 2, 1, (4, 6, 8), LINEAR),
]


def l2_error(series: Series, boundary: dict[str, BoundaryCondition], cells: int) -> float:
    """‖u_h − u‖ in L2 on a mesh of cells^dimension boxes."""
    space = box_space(series.dimension, cells, series.coefficient)
    model = forward_model(space, series.state, boundary, source=Source(series.m))
    state = model.function(model.at(space.interpolate(series.m)))
    x = ufl.SpatialCoordinate(space.domain.mesh)
    # Twice the degree of the state, and four more for the sines.
    dx = ufl.dx(metadata={"quadrature_degree": 2 * series.state + 4})
    square = fem.assemble_scalar(fem.form((state - waves(x)) ** 2 * dx))
    return float(np.sqrt(COMM.allreduce(square)))


@pytest.mark.parametrize("boundary", [dirichlet, mixed], ids=lambda f: f.__name__)
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_l2_error_falls_with_one_order_more_than_the_degree(series: Series, boundary: Any) -> None:
    """‖u_h − u‖ ~ h^(degree + 1) for a diffusivity that varies; the rate is a fit over the meshes."""
    conditions = boundary(series.m, series.dimension)
    errors = list(map(partial(l2_error, series, conditions), series.cells))
    rate = -np.polyfit(np.log(series.cells), np.log(errors), 1)[0]
    assert rate == pytest.approx(series.state + 1, abs=0.1)
