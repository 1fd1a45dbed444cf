"""Measures and quadrature of the state equation's forms."""

from collections.abc import Mapping

import numpy as np
import ufl
from ufl.algorithms import estimate_total_polynomial_degree, extract_coefficients
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_derivatives import apply_derivatives
from ufl.differentiation import Derivative

from app.equations.terms import BoundaryCondition
from app.mesh.facets import surfaces
from app.mesh.meshes import TaggedMesh
from app.mesh.spaces import Function, discontinuous
from app.schema.grammar import ExpressionError
from app.types import BoundaryMeasure, Symbol

HIGHEST_DEGREE = 40
"""Of an integrand; in three dimensions its quadrature has 9261 points in a cell."""


def boundary_measure(domain: TaggedMesh, conditions: list[BoundaryCondition]) -> BoundaryMeasure:
    """ds(i) over the facets of the i-th condition; none of a Dirichlet condition."""
    nothing = np.empty(0, dtype=np.int32)
    parts = [domain.boundary(c.on) if c.kind != "dirichlet" else nothing for c in conditions]
    measures = surfaces(domain, parts) if parts else []
    return measures.__getitem__


def seen_at_points(form: ufl.Form, points: Mapping[Function, Function]) -> ufl.Form:
    """The form whose integrals over cells have, in place of each of these functions, another one of a
    quadrature rule's points; on facets, and where its derivative is taken, the function itself stays."""
    if not points:
        return form
    integrals = []
    for integral in apply_derivatives(apply_algebra_lowering(form)).integrals():
        if integral.integral_type() == "cell":
            integral = integral.reconstruct(integrand=_replaced(integral.integrand(), {**points}))
        integrals.append(integral)
    return ufl.Form(integrals)


def _replaced(expression: Symbol, found: dict[Symbol, Symbol]) -> Symbol:
    """The expression with what was `found` for its parts, but for derivatives."""
    if expression not in found:
        parts = () if isinstance(expression, Derivative) else expression.ufl_operands
        others = tuple(_replaced(part, found) for part in parts)
        same = all(part is other for part, other in zip(parts, others, strict=True))
        found[expression] = expression if same else expression._ufl_expr_reconstruct_(*others)
    return found[expression]


def with_fixed_quadrature(form: ufl.Form, rules: Mapping[Function, int] | None = None) -> ufl.Form:
    """The form with the quadrature degree UFL estimates for it written down, so that derivatives inherit it;
    where it has functions of a rule's points, the degree that is given for these.

    UFL would estimate anew for each derivative, and J would not be the derivative of the discrete solution.
    Raises ExpressionError where the coefficients together have a degree that could not be integrated.
    """
    integrals = []
    for integral in apply_algebra_lowering(form).integrals():
        given = {rules[f] for f in extract_coefficients(integral.integrand()) if f in rules} if rules else ()
        degree = max(given, default=0) or estimate_total_polynomial_degree(integral.integrand())
        if degree > HIGHEST_DEGREE:
            found = f"coefficients with which an integrand has the polynomial degree {degree}"
            raise ExpressionError(found, f"at most {HIGHEST_DEGREE}: expressions of lower degrees")
        integrals.append(integral.reconstruct(metadata={**integral.metadata(), "quadrature_degree": degree}))
    return ufl.Form(integrals)


def derivative(form: ufl.Form, by: Function) -> ufl.Form:
    """The derivative by a function, expanded: terms that do not depend on it are no longer in it, and
    equations that differ in those alone have one compiled form."""
    whole = ufl.derivative(form, by)
    expanded: ufl.Form = ufl.algorithms.expand_derivatives(whole)
    return whole if expanded.empty() else expanded


def by_cell(form: ufl.Form, domain: TaggedMesh) -> ufl.Form:
    """Of a form without arguments the linear form that gives what each cell contributes; what is between two
    cells is half of each."""
    q = ufl.TestFunction(discontinuous(domain, 0))
    parts = []
    for integral in ufl.algorithms.expand_derivatives(form).integrals():
        share = ufl.avg(q) if integral.integral_type() == "interior_facet" else q
        parts.append(integral.reconstruct(integrand=integral.integrand() * share))
    return ufl.Form(parts)
