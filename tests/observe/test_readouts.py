"""What observations read of known states: averages, traces and fluxes."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import (
    COMM,
    LSHAPE,
    Formula,
    box_mesh,
    box_space,
    forward_model,
    gathered,
    raised_on_all_ranks,
    variants,
)
from observation_table import Taken, with_half

from app.mesh import MESHES, CoefficientSpace, MeshError, PlaceError
from app.observe import ObservedState
from app.observe.averages import ball_rule
from app.parallel import multiply
from app.pde import BoundaryCondition

CELLS = {1: 8, 2: 6, 3: 3}


def read(kind: str, dimension: int, values: np.ndarray, taken: Taken) -> np.ndarray:
    """Readings of a state on quadratic elements, by owned dofs."""
    space = box_space(dimension, CELLS[dimension], 2)
    state = ObservedState(space.domain, space.space)
    return gathered(multiply(taken.operator(kind, state).matrix, values))


def coordinates(dimension: int) -> np.ndarray:
    return box_space(dimension, CELLS[dimension], 2).coordinates


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_rule_of_a_ball_is_exact_for_polynomials(dimension: int) -> None:
    """Means over the unit ball in n dimensions of x² and x⁴ are 1/(n+2) and 3/((n+2)(n+4)), for all axes."""
    points, weights = ball_rule(dimension)
    assert np.linalg.norm(points, axis=1).max() <= 1 + 1e-12
    n = dimension
    for x in points.T:
        for power, mean in ((0, 1), (1, 0), (2, 1 / (n + 2)), (3, 0), (4, 3 / ((n + 2) * (n + 4)))):
            assert weights @ x**power == pytest.approx(mean, abs=1e-12)


def discs(centres: np.ndarray, radii: np.ndarray) -> Taken:
    return Taken(points=centres, columns={"radius": radii})


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_means_over_balls_of_a_quadratic_state(dimension: int) -> None:
    """The mean of x² + y about c is c_x² + r²/(n + 2) + c_y: quadratic elements hold the state, the rule is
    exact."""
    x = coordinates(dimension)
    centres = np.array([[0.4, 0.5, 0.45], [0.3, 0.6, 0.5]])[:, :dimension]
    radii = np.array([0.3, 0.05])
    means = read("averages", dimension, x[:, 0] ** 2 + x[:, -1], discs(centres, radii))
    exact = centres[:, 0] ** 2 + radii**2 / (dimension + 2) + centres[:, -1]
    np.testing.assert_allclose(means, exact, rtol=1e-12)


def test_means_over_regions() -> None:
    """The mean of x + y over the left half and the whole of the unit square, one row a reading."""
    space = box_space(2, CELLS[2], 2)
    state = ObservedState(with_half(space.domain), space.space)
    made = Taken(names=("half", "all", "half")).operator("averages", state)
    means = gathered(multiply(made.matrix, space.coordinates.sum(axis=1)))
    np.testing.assert_allclose(means, [0.75, 1.0, 0.75], rtol=1e-12)


def test_means_of_a_component() -> None:
    """Over regions and balls, of a state of two components: each knows its own dofs only."""
    domain = with_half(box_mesh(2, 6))
    space = fem.functionspace(domain.mesh, ("Lagrange", 1, (2,)))
    x = space.tabulate_dof_coordinates()[: space.dofmap.index_map.size_local, :2]
    values = np.ascontiguousarray(x).ravel()  # u = x
    state = ObservedState(domain, space, ("x", "y"))
    for component, mean, middle in (("x", 0.25, 0.3), ("y", 0.5, 0.6)):
        made = Taken(names=("half",)).operator("averages", state, component=component)
        assert gathered(multiply(made.matrix, values)) == pytest.approx([mean])
        ball = discs(np.array([[0.3, 0.6]]), np.array([0.2]))
        made = ball.operator("averages", state, component=component)
        assert gathered(multiply(made.matrix, values)) == pytest.approx(middle)


def test_a_ball_that_leaves_the_mesh_is_refused() -> None:
    """One that touches the boundary is not; the error counts the balls."""
    values, centres = coordinates(2)[:, 0], np.array([[0.2, 0.5], [0.2, 0.5], [0.5, 0.5]])
    radii = np.array([0.2, 0.21, 0.3])
    assert read("averages", 2, values, discs(centres[:1], radii[:1]))[0] == pytest.approx(0.2)
    with raised_on_all_ranks(PlaceError) as caught:
        read("averages", 2, values, discs(centres, radii))
    assert caught.value.index == 1 and "the ball 2 about (0.2, 0.5)" in str(caught.value)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_traces_are_read_at_the_nearest_point_of_the_part(dimension: int) -> None:
    """On the side x = 1, of points beside it by a little less than the tolerance; on a line by rounding."""
    beside = np.array([[1.012, 0.31, 0.62], [0.988, 0.85, 0.2], [1.0, 1.0, 1.0]])[:, :dimension]
    if dimension == 1:
        beside[:] = 1.0
    x = coordinates(dimension)
    values = read("traces", dimension, 2 * x[:, 0] + x[:, -1] ** 2, Taken({"on": "right"}, beside))
    last = beside[:, -1] if dimension > 1 else 1.0
    np.testing.assert_allclose(values, 2 + last**2, rtol=1e-12)


def test_a_point_off_its_part_is_refused() -> None:
    """Though it lies on the boundary, or in the mesh."""
    for point in ([0.5, 0.0], [0.9, 0.5]):
        with raised_on_all_ranks(PlaceError) as caught:
            read("traces", 2, coordinates(2)[:, 0], Taken({"on": "right"}, np.array([[1.0, 0.5], point])))
        assert caught.value.index == 1 and "lies off the part right by" in str(caught.value)
    with raised_on_all_ranks(MeshError):
        read("traces", 2, coordinates(2)[:, 0], Taken({"on": "lid"}, np.array([[1.0, 0.5]])))


STATE = Formula(lambda x, library: (1 + library.sin(2 * x[0] + 0.5)) * library.cos(1.5 * x[1] - 0.4))
M = Formula(lambda x, library: 0.7 * x[0] - 0.4 * x[1] + 0.2)


class Source:
    """−∇·(exp(M) ∇STATE)."""

    def ufl(self, x: object) -> object:
        return -ufl.div(ufl.exp(M.ufl(x)) * ufl.grad(STATE.ufl(x)))


class Flux:
    """exp(M) ∂STATE/∂x or, downwards, −exp(M) ∂STATE/∂y."""

    def __init__(self, axis: int, sign: float) -> None:
        self._axis, self._sign = axis, sign

    def ufl(self, x: object) -> object:
        return self._sign * ufl.exp(M.ufl(x)) * ufl.grad(STATE.ufl(x))[self._axis]


def exact_flux(axis: int, at: float, sign: float) -> float:
    """∫ exp(M) ∂STATE/∂n along a side of the unit square, by Gauss's rule with derivatives by differences."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    x = np.full((2, 20), at)
    x[1 - axis] = (nodes + 1) / 2
    step = np.zeros((2, 1))
    step[axis] = 1e-5  # truncation 1e-10, rounding 1e-11
    slope = (STATE.numpy((x + step).T) - STATE.numpy((x - step).T)) / 2e-5
    return float(sign * (weights / 2) @ (np.exp(M.numpy(x.T)) * slope))


def flux_errors(cells: int, degree: int, given: list[str], names: list[str]) -> np.ndarray:
    """Errors of the fluxes through sides, with the exact flux where the state is not given."""
    sides = {"left": (0, 0.0, -1.0), "right": (0, 1.0, 1.0), "bottom": (1, 0.0, -1.0), "top": (1, 1.0, 1.0)}
    boundary = {"state": BoundaryCondition(tuple(given), "dirichlet", STATE)}
    for side, (axis, _, sign) in sides.items():
        if side not in given:
            boundary[side] = BoundaryCondition((side,), "neumann", Flux(axis, sign))
    space = box_space(2, cells, 1)
    model = forward_model(space, degree, boundary, source=Source())
    state = ObservedState(space.domain, model.space, given=tuple(given))
    made = Taken(names=tuple(names)).operator("fluxes", state)
    model.observe_with(made.matrix, made.weights)
    exact = np.array([exact_flux(*sides[name]) for name in names])
    return np.abs(model.at(space.interpolate(M)).readings - exact)


@pytest.mark.parametrize("degree", variants([1, 2], in_parallel=[1]))
def test_fluxes_converge_twice_as_fast_as_the_gradient(degree: int) -> None:
    """Through parts between which fluxes are given, the error falls with h^(2 degree), where that of ∇u_h
    falls with h^degree."""
    cells = np.array([4, 8, 16])
    errors = np.array([flux_errors(n, degree, ["left", "right"], ["left", "right"]) for n in cells])
    for error in errors.T:
        assert -np.polyfit(np.log(cells), np.log(error), 1)[0] >= 2 * degree - 0.1


@pytest.mark.skipif(COMM.size > 1, reason="as on one rank")
def test_fluxes_through_neighbouring_parts_converge() -> None:
    """Where the normal jumps between two parts with given states, as fast as the flux is cut there: h."""
    errors = np.array([flux_errors(n, 1, ["left", "bottom"], ["left"])[0] for n in (8, 16, 32)])
    assert (errors[1:] < 0.6 * errors[:-1]).all()


def test_fluxes_through_all_of_the_boundary_balance_the_source() -> None:
    """Their sum is A(u, m; 1) to rounding: what flows in and what the source adds vanish together."""
    space = box_space(2, 6, 1)
    boundary = {"state": BoundaryCondition(("all",), "dirichlet", STATE)}
    model = forward_model(space, 2, boundary)
    sides = ["left", "right", "bottom", "top", "all"]
    state = ObservedState(space.domain, model.space, given=tuple(["all"]))
    made = Taken(names=tuple(sides)).operator("fluxes", state)
    model.observe_with(made.matrix, made.weights)
    fluxes = model.at(space.interpolate(M)).readings
    assert fluxes[:4].sum() == pytest.approx(-10.0, rel=1e-10)  # the source is 10 on an area of 1
    assert fluxes[4] == pytest.approx(-10.0, rel=1e-10)


def test_fluxes_through_parts_of_a_mesh_file_balance_the_source(gmsh: object) -> None:
    """As above; its tags name also the facets of other ranks' cells that this one holds."""
    space = CoefficientSpace(MESHES["file"](COMM, LSHAPE.with_name("square.msh")), 1)
    model = forward_model(space, 2, {"state": BoundaryCondition(("all",), "dirichlet", STATE)})
    parts = [f"{side}_{i}" for side in ("left", "right", "bottom", "top") for i in range(1, 9)]
    state = ObservedState(space.domain, model.space, given=tuple(["all"]))
    made = Taken(names=tuple(parts)).operator("fluxes", state)
    model.observe_with(made.matrix, made.weights)
    assert model.at(space.interpolate(M)).readings.sum() == pytest.approx(-10.0, rel=1e-10)


def test_a_flux_where_the_state_is_not_given_is_refused() -> None:
    """Also where it is given on a part of the part only."""
    space = CoefficientSpace(box_mesh(2, 4), 1)
    state = ObservedState(space.domain, space.space, given=("left",))
    for name in ("top", "all"):
        with raised_on_all_ranks(PlaceError) as caught:
            Taken(names=("left", name)).operator("fluxes", state)
        assert caught.value.index == 1 and f"the flux through {name}" in str(caught.value)
