"""Squares that an inner product is the sum of, and what they are at quadrature points."""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Callable
from dataclasses import dataclass

import basix
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import compute_midpoints

from app.mesh import NodeOrder
from app.mesh.location import coordinate_element, is_affine
from app.mesh.spaces import CoefficientSpace
from app.parallel import timed
from app.types import Symbol, Untyped

ACROSS = np.sqrt([1.0, 2.0, 3.0])
"""Quadrature points of a cell are counted in this direction, in which no two of them are level."""


@dataclass(frozen=True)
class Term:
    """∫ ω a(u)·a(v) over the cells or over the boundary's facets, with an ω that is not negative."""

    image: Callable[[Symbol], Symbol]
    """a, linear."""
    weight: Symbol
    """ω."""
    degree: int | None = None
    """Of quadrature rules that are exact on affine cells; None where none is, so that the form's counts."""
    on_boundary: bool = False


def mass_term(space: CoefficientSpace, weight: Symbol) -> Term:
    """∫ ω uv with a constant ω."""
    return Term(lambda u: u, weight, 2 * space.degree)


def boundary_term(space: CoefficientSpace, weight: Symbol) -> Term:
    """∫ ω uv over the boundary with a constant ω."""
    return Term(lambda u: u, weight, 2 * space.degree, on_boundary=True)


def stiffness_term(space: CoefficientSpace, weight: Symbol) -> Term:
    """∫ ω∇u·∇v with a constant ω."""
    return Term(ufl.grad, weight, 2 * max(0, space.degree - 1))


@dataclass(frozen=True)
class Values:
    """√(ω w |det ∂x/∂X|) a(φ_i) of the basis functions φ_i at the rank's quadrature points, of weights w."""

    cells: np.ndarray
    """Of each cell or facet its cell, shape (entities,)."""
    values: np.ndarray
    """Shape (entities, dofs of a cell, points × components)."""
    numbers: np.ndarray
    """Of each point and component, in an order that no partition changes; shape (entities, points ×
    components)."""
    size: int
    """Points × components, over all ranks."""


def values_at_points(space: CoefficientSpace, form: ufl.Form, term: Term) -> Values:
    """The values of one term of a form; collective."""
    mesh, dimension = space.domain.mesh, space.domain.dimension
    kind = "exterior_facet" if term.on_boundary else "cell"
    points, weights = _rule(space, form, term, kind)
    entities, midpoints = _entities(space, kind)
    determinant: Symbol = ufl.JacobianDeterminant(mesh)
    if term.on_boundary:  # facets of an interval are points
        determinant = 1.0 if dimension == 1 else ufl.classes.FacetJacobianDeterminant(mesh)
    density = ufl.sqrt(term.weight * abs(determinant))
    with timed("compile"):
        image = fem.Expression(density * term.image(ufl.TestFunction(space.space)), points)
        places = fem.Expression(space.domain.coordinates, points)
    found = image.eval(mesh, entities)
    found = found.reshape(len(entities), len(points), -1, found.shape[-1]) * np.sqrt(weights)[:, None, None]
    components = found.shape[2]
    width = len(points) * components
    order = NodeOrder(space.comm, midpoints[:, :dimension])
    across = places.eval(mesh, entities) @ ACROSS[:dimension]
    ranks = np.argsort(np.argsort(across, axis=1), axis=1)[:, :, None] * components + np.arange(components)
    return Values(
        entities[:, 0] if term.on_boundary else entities,
        np.moveaxis(found, -1, 1).reshape(len(entities), -1, width),
        order.numbers()[:, None] * width + ranks.reshape(len(entities), width),
        order.size * width,
    )


def _entities(space: CoefficientSpace, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The rank's cells, or pairs of a cell and the number in it of a facet on the boundary; midpoints."""
    mesh, dimension = space.domain.mesh, space.domain.dimension
    if kind == "cell":
        cells = np.arange(mesh.topology.index_map(dimension).size_local, dtype=np.int32)
        return cells, compute_midpoints(mesh, dimension, cells)
    facets = space.domain.boundary("all")
    pairs = fem.compute_integration_domains(fem.IntegralType.exterior_facet, mesh.topology, facets)
    return pairs.reshape(-1, 2), compute_midpoints(mesh, dimension - 1, facets)


def _rule(space: CoefficientSpace, form: ufl.Form, term: Term, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and positive weights of a rule that integrates the term as the form's assembly does.

    Some rules have a negative weight; the next one without is taken in its place, which is the same where the
    rule is exact.
    """
    cell: Untyped = space.domain.mesh.basix_cell()
    if term.on_boundary and space.domain.dimension == 1:
        return np.zeros((1, 0)), np.ones(1)
    if term.on_boundary:
        cell = basix.cell.subentity_types(cell)[-2][0]
    degree = term.degree
    if degree is None or not is_affine(coordinate_element(space.domain)):
        degree = _estimated_degree(form, kind)
    make: Untyped = basix.make_quadrature
    while True:
        points, weights = make(cell, degree)
        if weights.min() > 0:
            return points, weights
        degree += 1


def _estimated_degree(form: ufl.Form, kind: str) -> int:
    """Of the quadrature on cells or facets, as UFL chooses it for this form."""
    made = ufl.algorithms.compute_form_data(
        form,
        do_apply_function_pullbacks=True,
        do_apply_integral_scaling=True,
        do_apply_geometry_lowering=True,
        preserve_geometry_types=(ufl.classes.Jacobian,),
        do_apply_restrictions=True,
        do_append_everywhere_integrals=False,
        complex_mode=False,
    )
    own = [one for data in made.integral_data if data.integral_type == kind for one in data.integrals]
    return max(int(np.max(one.metadata()["estimated_polynomial_degree"])) for one in own)
