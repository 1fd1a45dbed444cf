"""States that are not unique are refused at the first operator, by what is left open and where."""

from typing import Any

import numpy as np
import pytest
from basix.ufl import element
from dolfinx import mesh as dmesh
from elliptic import COMM, box_space, constant, forward_model, raised_on_all_ranks, variants

from app.equations.helmholtz import Helmholtz
from app.mesh import CoefficientSpace, TaggedMesh
from app.mesh.rows import empty_rows
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, ForwardModel, NotUnique
from app.pde.uniqueness import connected_parts

pytestmark = pytest.mark.distributed

INSIDE = np.array([[0.3, 0.4], [0.6, 0.2]])

ZERO, ONE = constant(0.0), constant(1.0)


def given(on: str, component: int | None = None) -> BoundaryCondition:
    return BoundaryCondition((on,), "dirichlet", ZERO, component=component)


def robin(on: str, transfer: float) -> BoundaryCondition:
    return BoundaryCondition((on,), "robin", ONE, transfer=constant(transfer))


def flux(on: str) -> BoundaryCondition:
    return BoundaryCondition((on,), "neumann", ONE)


def squares(gap: float, cells: int = 4) -> CoefficientSpace:
    """The unit square and one right of it: apart by a gap, or, above it, at one corner (gap 0)."""
    side = np.linspace(0.0, 1.0, cells + 1)
    x, y = (each.ravel() for each in np.meshgrid(side, side))
    first = np.column_stack([x, y])
    points = np.vstack([first, first + np.array([1.0 + gap, 0.0 if gap else 1.0])])
    corners = np.array([
        [[a, a + 1, a + cells + 2], [a, a + cells + 1, a + cells + 2]]
        for a in (row * (cells + 1) + column for row in range(cells) for column in range(cells))
    ]).reshape(-1, 3)  # fmt: skip
    whole = np.vstack([corners, corners + len(first)])
    if not gap:
        whole[whole == len(first)] = len(first) - 1
        whole[whole > len(first)] -= 1
        points = np.delete(points, len(first), axis=0)
    mine = slice(None) if COMM.rank == 0 else slice(0)
    partitioner = dmesh.create_cell_partitioner(dmesh.GhostMode.shared_facet, 2)
    mesh = dmesh.create_mesh(
        COMM, whole[mine], element("Lagrange", "triangle", 1, shape=(2,)), points[mine], partitioner
    )
    ends = {"left": 0.0, "right": 2.0 + gap, "middle": 1.0}
    facets = {
        name: dmesh.locate_entities_boundary(mesh, 1, lambda x, end=end: np.abs(x[0] - end) < 1e-9)
        for name, end in ends.items()
    }
    return CoefficientSpace(TaggedMesh(mesh, facets), 1)


def solved(model: ForwardModel) -> None:
    model.at(np.zeros(model.coefficient.owned))


def refused(model: ForwardModel, *words: str) -> None:
    with raised_on_all_ranks(NotUnique) as info:
        solved(model)
    for word in words:
        assert word in str(info.value)


LOOSE = [
    ("diffusion", None, {"a": robin("left", 0.0), "b": robin("right", 0.0)}),
    ("diffusion", None, {"a": flux("right")}),
    ("reaction_diffusion", "log_diffusivity", {"a": flux("left")}),
    ("reaction_diffusion", "reaction", {}),
    ("nonlinear_diffusion", None, {"a": robin("left", 0.0)}),
    ("advection_diffusion", None, {"a": flux("right")}),
]
"""Equations, roles and conditions that leave the state open."""


@pytest.mark.parametrize("kind", variants(["direct", "iterative"], in_parallel=["direct"]))
@pytest.mark.parametrize(
    "dimension, equation, role, boundary",
    [(2, *case) for case in LOOSE] + variants([(d, *case) for d in (1, 3) for case in LOOSE[:2]], []),
)
def test_a_constant_that_nothing_holds(
    dimension: int, kind: Any, equation: str, role: str | None, boundary: dict[str, BoundaryCondition]
) -> None:
    """Whatever it is that says nothing of the state itself; whether or not the load is in balance."""
    space = box_space(dimension, 4, 1)
    refused(forward_model(space, 2, boundary, equation=equation, role=role, kind=kind), "a constant may")


@pytest.mark.parametrize("transfer", [1e-6, 1.0, 1e6])
def test_what_holds_the_state_weakly_still_does(transfer: float) -> None:
    """A small transfer is one."""
    solved(forward_model(box_space(2, 8, 1), 2, {"a": robin("left", transfer)}))


@pytest.mark.parametrize(
    "dimension, boundary, left",
    [
        (2, {"west": given("left", 0)}, ["unique: a translation in y may"]),
        (2, {"west": given("left", 1)}, ["unique: a translation in x and a rotation may"]),
        (2, {"west": flux("left")}, ["a translation in x and a translation in y and a rotation may"]),
        (3, {"low": given("bottom", 2)}, ["in x and a translation in y and a rotation in the plane xy may"]),
        (2, {"base": given("bottom", 0)}, ["unique: a translation in y and a rotation may"]),
    ],
)
def test_rigid_motions_are_named(
    dimension: int, boundary: dict[str, BoundaryCondition], left: list[str]
) -> None:
    """Rollers hold what they hold, and no more."""
    space = box_space(dimension, 4, 1)
    refused(forward_model(space, 1, boundary, equation="elasticity"), *left)


def test_rollers_on_two_sides_hold_a_body() -> None:
    """Both translations and the rotation."""
    boundary = {"west": given("left", 0), "foot": given("bottom", 1)}
    solved(forward_model(box_space(2, 4, 1), 2, boundary, equation="elasticity"))


@pytest.mark.parametrize("equation", ["diffusion", "elasticity"])
def test_a_part_of_the_mesh_without_a_condition(equation: str) -> None:
    """It is told by its bounding box; with a condition on each part the state is unique."""
    space = squares(gap=1.0)
    place = "in the part of the mesh from (2, 0) to (3, 1)"
    refused(forward_model(space, 1, {"a": given("left")}, equation=equation, points=INSIDE), place)
    both = {"a": given("left"), "b": given("right")}
    solved(forward_model(space, 1, both, equation=equation, points=INSIDE))


@pytest.mark.parametrize("cells", [1, 4])
def test_parts_of_a_mesh_are_told_by_their_vertices(cells: int) -> None:
    """Two apart, one where they share a corner, however they are spread over the ranks."""
    for gap, count in ((0.5, 2), (0.0, 1)):
        space = squares(gap, cells)
        labels, parts = connected_parts(space.domain, space.space)
        assert len(parts) == count
        right = space.coordinates[:, 0] > 1.0 + 0.5 * gap
        beyond = max(range(count), key=lambda i: parts[i].lower[0])
        np.testing.assert_array_equal(labels == beyond, right if count == 2 else True)


def test_a_hinge_is_found_by_the_factorisation() -> None:
    """Of two bodies that share a corner one turns about it, though no body moves as a whole."""
    model = forward_model(squares(0.0), 1, {"a": given("left")}, equation="elasticity", points=INSIDE)
    refused(model, "another one, largest at")


@pytest.mark.parametrize("boundary, eigenvalue", [({}, np.pi), ({"a": given("all")}, np.sqrt(2) * np.pi)])
def test_an_eigenfrequency(boundary: dict[str, BoundaryCondition], eigenvalue: float) -> None:
    """That of the square, to the discretisation's error; another frequency is none."""
    space = box_space(2, 8, 1)
    for factor, unique in ((1.0, False), (1.01, True)):
        equation = Helmholtz(ONE, boundary, factor * eigenvalue)
        model = ForwardModel(equation, space, 3, LinearSolver(COMM, "direct", "test_waves_", symmetric=False))
        model.observe_with(empty_rows(model.space, 0))
        solved(model) if unique else refused(model, "hardly unique")
