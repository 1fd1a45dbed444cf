"""Small elliptic problems that the laws of this folder are tried on, the same on all ranks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ufl
from equation_table import coefficient_for, each_component, make_equation
from mpi4py import MPI

from app.mesh import MESHES, CoefficientSpace, TaggedMesh, point_matrix
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, ForwardModel

COMM = MPI.COMM_WORLD

LSHAPE = Path(__file__).parents[1] / "meshes" / "lshape.msh"
"""The unit square without its upper right quarter."""

BOXES = {1: "interval", 2: "rectangle", 3: "box"}
"""The generated mesh of each dimension."""


def variants[T](everything: list[T], in_parallel: list[T]) -> list[T]:
    """What a law is tried on: less on several ranks, which are slow where ranks outnumber cores."""
    return everything if COMM.size == 1 else in_parallel


ELEMENTS = variants(
    [(2, 1, 1), (2, 2, 1), (2, 2, 2), (2, 3, 1), (2, 1, 2), (2, 3, 2), (1, 2, 1), (3, 1, 1), (3, 2, 1)],
    in_parallel=[(2, 2, 2), (3, 2, 1)],
)
"""(dimension, degree of the state, degree of the coefficient); equal degrees are equal elements."""


class Formula:
    """A field from a function of the coordinates and of the library (numpy or ufl) to compute in."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function

    def ufl(self, x: Any) -> Any:
        return ufl.as_ufl(self._function(x, ufl))

    def numpy(self, points: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self._function(points.T, np), len(points)).astype(float)


def constant(value: float) -> Formula:
    return Formula(lambda x, library: value)


TEN = constant(10.0)
"""A source."""

WAVES = Formula(lambda x, library: 0.8 * library.sin(3 * x[0]) - 0.5 * library.cos(2 * x[len(x) - 1]))
"""A log-diffusivity that varies in every direction, by a factor of about ten."""


@cache
def box_mesh(dimension: int, cells: int, upper: float = 1.0) -> TaggedMesh:
    """The cube [0, upper]^dimension with `cells` cells along each axis."""
    if dimension == 1:
        return MESHES["interval"](COMM, 0.0, upper, cells)
    return MESHES[BOXES[dimension]](COMM, [0.0] * dimension, [upper] * dimension, [cells] * dimension)


@cache
def box_space(dimension: int, cells: int, degree: int, upper: float = 1.0) -> CoefficientSpace:
    """A coefficient space on the cube [0, upper]^dimension."""
    return CoefficientSpace(box_mesh(dimension, cells, upper=upper), degree)


def inner_points(dimension: int, count: int) -> np.ndarray:
    """Random points of the unit cube, shape (count, dimension)."""
    return np.random.default_rng(dimension).uniform(0.05, 0.95, (count, dimension))


def random_rows(space: CoefficientSpace, *columns: int, seed: int = 0) -> np.ndarray:
    """This rank's rows of a standard normal vector or block."""
    first, last = space.space.dofmap.index_map.local_range
    return np.random.default_rng(seed).standard_normal((space.size, *columns))[first:last]


def gathered(rows: np.ndarray) -> np.ndarray:
    """The whole vector or block on every rank, from each rank's rows."""
    return np.concatenate(COMM.allgather(rows))


def dot(left: np.ndarray, right: np.ndarray) -> float:
    """Inner product of two vectors that are spread over the ranks."""
    return COMM.allreduce(float(left @ right))


@contextmanager
def raised_on_all_ranks(kind: type[Exception]) -> Iterator[pytest.ExceptionInfo[Any]]:
    """pytest.raises, made sure of before any rank goes on: the others would wait for it."""
    caught = pytest.raises(kind)
    try:
        with caught as info:
            yield info
        everywhere = COMM.allgather(True)
    except BaseException:
        everywhere = COMM.allgather(False)
        raise
    assert all(everywhere), f"{kind.__name__} on some ranks only: {everywhere}"


@dataclass(frozen=True)
class Problem:
    """A forward model with observations, and a coefficient to try it at."""

    space: CoefficientSpace
    model: ForwardModel
    m: np.ndarray
    """Nodal values of WAVES on the owned dofs."""
    readings: int


def forward_model(
    space: CoefficientSpace,
    degree: int,
    boundary: dict[str, BoundaryCondition],
    *,
    source: Any = TEN,
    equation: str = "diffusion",
    role: str | None = None,
    kind: str = "direct",
    points: np.ndarray | None = None,
    plain: bool = True,
) -> ForwardModel:
    """A model that is observed at the points (default: twelve inside)."""
    dimension = space.domain.dimension
    physics = make_equation(equation, boundary, dimension, role=role, plain=plain, source=source)
    solver = LinearSolver(COMM, kind, f"test_{kind}_", symmetric=physics.symmetric)
    model = ForwardModel(physics, space, degree, solver)
    points = inner_points(dimension, 12) if points is None else points
    component = each_component(physics, dimension, len(points))
    model.observe_with(point_matrix(space.domain, model.space, points, component))
    return model


def make_problem(
    equation: str,
    dimension: int,
    state: int,
    coefficient: int,
    kind: str = "direct",
    role: str | None = None,
) -> Problem:
    """Non-zero values and fluxes on opposite sides, no flux on the others."""
    boundary = {
        "inflow": BoundaryCondition(("left",), "dirichlet", Formula(lambda x, library: 0.3 + x[0])),
        "outflow": BoundaryCondition(("right",), "neumann", constant(-0.7)),
    }
    space = box_space(dimension, {1: 12, 2: 6, 3: 3}[dimension], coefficient)
    model = forward_model(space, state, boundary, equation=equation, role=role, kind=kind)
    return Problem(space, model, coefficient_for(role, space.interpolate(WAVES)), readings=12)


cached_problem = cache(make_problem)
"""One problem for all laws that leave it usable; each law solves at its own coefficient first."""
