"""Laws of forward models that see the unknowns at the points of a quadrature rule."""

from functools import cache, partial

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import (
    COMM,
    WAVES,
    Formula,
    box_mesh,
    box_space,
    constant,
    dot,
    forward_model,
    gathered,
    inner_points,
    variants,
)
from equation_table import CONDITIONS, ROLES, coefficient_for, each_component, make_equation
from mpi4py import MPI

from app.case import Expression
from app.mesh import MESHES, CoefficientSpace, Known, QuadratureSpace, SharpSpaces, TaggedMesh, point_matrix
from app.parallel import LinearSolver, on_root
from app.pde import TRANSIENT, BoundaryCondition, ForwardModel, TimeSteps, TransientModel

RULE = 5
"""Degree of the rule; that of the diffusion of linear exponents and quadratic states too."""

READINGS = 12

ROUNDING = 1e-10
"""Relative; 1e6 times the machine's accuracy leaves room for the condition of the state operator."""

HALVINGS = 0.02 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test."""

TRIED = variants(ROLES, in_parallel=[("diffusion", "log_diffusivity"), ("helmholtz", "log_squared_slowness")])


@cache
def spaces(alone: bool = False, unknowns: int = 1) -> SharpSpaces:
    """Of a square, over all ranks or on each of them alone."""
    comm = MPI.COMM_SELF if alone else COMM
    domain = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [5, 4])
    return SharpSpaces([CoefficientSpace(domain, 1) for _ in range(unknowns)], RULE)


@cache
def stationary(kind: str, role: str | tuple[str, ...], alone: bool = False) -> ForwardModel:
    """An equation with conditions of all kinds, observed at points."""
    unknowns = spaces(alone, 1 if isinstance(role, str) else len(role))
    equation = make_equation(kind, CONDITIONS, 2, role=role, plain=False)
    solver = LinearSolver(unknowns.comm, "direct", "test_sharp_", symmetric=equation.symmetric)
    model = ForwardModel(equation, unknowns, 2, solver)
    component = each_component(equation, 2, READINGS)
    model.observe_with(point_matrix(unknowns.domain, model.space, inner_points(2, READINGS), component))
    return model


@cache
def transient(role: str, alone: bool = False) -> TransientModel:
    """Heat that is carried along."""
    unknowns = spaces(alone)
    given = {"source": Expression("1 + x"), "velocity": (Expression("1 + y"), Expression("-x"))}
    if role == "source":
        del given["source"]
    if role == "boundary_flux":
        flux = {"unknown": BoundaryCondition(("top",), "unknown")}
    else:
        flux = {"loss": BoundaryCondition(("right",), "robin", Expression("1"), Expression("2 + y"))}
    boundary = {"wall": BoundaryCondition(("left",), "dirichlet", Expression("0.2*y")), **flux}
    equation = TRANSIENT["heat"](boundary=boundary, role=role, **{"source": None, **given})
    solver = LinearSolver(unknowns.comm, "direct", "test_sharp_", symmetric=equation.symmetric)
    model = TransientModel(equation, unknowns, 2, solver, TimeSteps(0.5, 4, "crank_nicolson"))
    matrix = point_matrix(unknowns.domain, model.space, inner_points(2, READINGS))
    model.observe_at(matrix, np.linspace(0.0, 0.5, READINGS))
    return model


MODELS = {f"{kind}-{role}": (partial(stationary, kind, role), role) for kind, role in TRIED} | {
    f"heat-{role}": (partial(transient, role), role)
    for role in variants(list(TRANSIENT["heat"].roles), in_parallel=["log_diffusivity"])
}
MODELS["several"] = (partial(stationary, "diffusion", ("log_diffusivity", "source")), "log_diffusivity")

every_model = pytest.mark.parametrize("name", MODELS)


def coefficient(model: ForwardModel, role: str, rough: float = 0.0) -> np.ndarray:
    """WAVES at nodes and points, which jump by `rough` across a line that no facet lies on."""
    jump = Formula(lambda x, library: rough * (x[0] + 0.7 * x[1] > 0.83))
    fields = [WAVES] * (len(model.coefficient.parts) // 2)
    values = model.coefficient.interpolate(fields) + model.coefficient.interpolate([jump] * len(fields))
    return coefficient_for(role, values)


def direction(model: ForwardModel) -> np.ndarray:
    """A field that is the same whatever the ranks."""
    field = Formula(lambda x, library: library.cos(5 * x[0] * x[1]) - 0.3 * x[0])
    return model.coefficient.interpolate([field] * (len(model.coefficient.parts) // 2))


@pytest.mark.distributed
@every_model
def test_adjoint_is_the_transpose_of_the_tangent(name: str) -> None:
    """⟨J d, y⟩ = ⟨d, Jᵀ y⟩ for vectors and the columns of a block, of a coefficient that jumps in cells."""
    make, role = MODELS[name]
    model = make()
    found = model.at(coefficient(model, role, rough=0.5))
    d = np.asfortranarray(np.column_stack([direction(model), np.sin(direction(model) * 9)]))
    y = np.random.default_rng(1).standard_normal((READINGS, 2))
    tangent, adjoint = found.tangent(d), found.adjoint(y)
    scale = np.linalg.norm(tangent) * np.linalg.norm(y)
    assert scale > 0
    for i in range(2):
        for j in range(2):
            assert abs(tangent[:, i] @ y[:, j] - dot(d[:, i], adjoint[:, j])) <= ROUNDING * scale
        assert np.allclose(found.tangent(d[:, i]), tangent[:, i], rtol=0, atol=ROUNDING * scale)
        assert np.allclose(found.adjoint(y[:, i]), adjoint[:, i], rtol=0, atol=ROUNDING * scale)


@pytest.mark.distributed
@every_model
def test_the_remainder_of_the_energy_is_quadratic(name: str) -> None:
    """φ(m + td) = φ(m) + t φ′(m)d + O(t²), φ = ½‖Bu‖²; nothing is left where u depends on m affinely."""
    make, role = MODELS[name]
    model = make()
    m, d = coefficient(model, role, rough=0.5), direction(model)
    at = model.at(m)
    energy, slope = 0.5 * at.readings @ at.readings, dot(d, at.adjoint(at.readings, incremental=False))
    readings = [model.at(m + t * d).readings for t in HALVINGS]
    remainders = [abs(0.5 * y @ y - energy - t * slope) for y, t in zip(readings, HALVINGS, strict=True)]
    rate = np.polyfit(np.log(HALVINGS), np.log(remainders), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)


@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@every_model
def test_all_ranks_together_find_what_one_finds(name: str) -> None:
    """Readings, Jd and the slopes along d."""
    make, role = MODELS[name]

    def figures(alone: bool) -> list[np.ndarray]:
        model = make(alone)
        found, d = model.at(coefficient(model, role, rough=0.5)), direction(model)
        slope = model.comm.allreduce(d @ found.adjoint(np.cos(np.arange(READINGS))))
        return [found.readings, found.tangent(d), np.array([slope])]

    together, alone = figures(False), on_root(COMM, lambda: figures(True))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.distributed
def test_the_interpolant_at_the_points_is_the_interpolant() -> None:
    """Values of the nodal interpolant at the points of the rule by which the nodal model integrates give its
    readings, and its tangent."""
    space = box_space(2, 6, 1)
    boundary = {"rim": BoundaryCondition(("left", "right"), "dirichlet", constant(0.0))}
    nodal = forward_model(space, 2, boundary)
    both = SharpSpaces([space], RULE)
    solver = LinearSolver(COMM, "direct", "test_sharp_")
    sharp = ForwardModel(make_equation("diffusion", boundary, 2, source=constant(10.0)), both, 2, solver)
    sharp.observe_with(point_matrix(space.domain, sharp.space, inner_points(2, READINGS)))
    (points,) = both.points

    def seen(values: np.ndarray) -> np.ndarray:
        rule = points.space.ufl_element().custom_quadrature()[0]
        mesh = space.domain.mesh
        cells = np.arange(mesh.topology.index_map(2).size_local, dtype=np.int32)
        at_points = fem.Expression(space.function(values), rule).eval(mesh, cells)
        whole = np.empty(points.owned)
        whole[points.space.dofmap.list[cells].ravel()] = at_points.ravel()
        return both.joined([np.concatenate([values, whole])])

    m, d = space.interpolate(WAVES), space.interpolate(Formula(lambda x, library: x[0] * x[1]))
    expected, found = nodal.at(m), sharp.at(seen(m))
    for one, other in (
        (found.readings, expected.readings),
        (found.tangent(seen(d)), expected.tangent(d)),
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING * np.abs(other).max())


@pytest.mark.distributed
def test_an_edge_may_be_anywhere_in_a_cell() -> None:
    """−(κ u′)′ = 0 with κ = √e beyond an edge: the error of the exact κ, seen at points, is on average less
    than a third of that of its interpolant, whose edge is at a node."""
    domain, cells = box_mesh(1, 12), 12
    space = box_space(1, cells, 1)
    both = SharpSpaces([space], 12)
    ends = {
        "left": BoundaryCondition(("left",), "dirichlet", constant(0.0)),
        "right": BoundaryCondition(("right",), "dirichlet", constant(1.0)),
    }
    errors = []
    for seen in (both, space):
        equation = make_equation("diffusion", ends, 1, source=constant(0.0))
        model = ForwardModel(equation, seen, 2, LinearSolver(COMM, "direct", "test_sharp_"))
        model.observe_with(point_matrix(domain, model.space, np.array([[0.13]])))
        errors.append([])
        for edge in (5 + (np.arange(16) + 0.5) / 16) / cells:
            m = Formula(lambda x, library, edge=edge: 0.5 * (x[0] > edge))
            values = both.interpolate([m]) if seen is both else space.interpolate(m)
            exact = 0.13 / (edge + (1 - edge) * np.exp(-0.5))
            errors[-1].append(float(model.at(values).readings[0]) - exact)
        model.close()
    sharp, nodal = (np.sqrt(np.mean(np.square(each))) for each in errors)
    assert sharp < nodal / 3, (sharp, nodal)


@pytest.mark.distributed
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_points_are_those_of_the_rule(dimension: int) -> None:
    """As many in each cell, each owned by one rank, in the order of the coordinates; the sum by weights of
    the rule is exact for polynomials of its degree."""
    domain = box_mesh(dimension, 3)
    space = QuadratureSpace(domain, RULE)
    cells = domain.mesh.topology.index_map(dimension).size_global
    rule = space.space.ufl_element().custom_quadrature()[1]
    assert space.size == len(gathered(space.coordinates)) == cells * len(rule)
    m = space.function(space.interpolate(Formula(lambda x, library: x[0] ** RULE)))
    measure = ufl.dx(metadata={"quadrature_degree": RULE})
    integral = COMM.allreduce(fem.assemble_scalar(fem.form(m * measure)))
    assert integral == pytest.approx(1 / (RULE + 1), rel=1e-12)


@pytest.mark.distributed
def test_known_points_are_no_rows() -> None:
    """Where m is known in a region its nodes and its points keep the known value."""
    mesh = box_mesh(2, 6)
    middles = mesh.mesh.geometry.x[mesh.mesh.geometry.dofmaps[0]].mean(axis=1)
    domain = TaggedMesh(mesh.mesh, mesh.facets, {"right half": np.flatnonzero(middles[:, 0] > 0.5)})
    both = SharpSpaces([CoefficientSpace(domain, 1, Known(("right half",), constant(3.0)))], RULE)
    nodes, points = both.parts
    assert points.size == 6 * 6 * len(points.space.ufl_element().custom_quadrature()[1])
    assert both.size == nodes.size + points.size
    assert (both.coordinates_of(0)[:, 0] < 0.5).all() and len(both.coordinates_of(0)) == both.owned
    values = both.interpolate([WAVES])
    for part, own in zip(both.parts, both.split(values), strict=True):
        everywhere = part.nodal(part.function(own))
        right = part.everywhere_coordinates[:, 0] > 0.5
        assert (everywhere[right] == 3.0).all()
        np.testing.assert_array_equal(everywhere[part.free], own)
