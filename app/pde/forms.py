"""Measures and quadrature of the state equation's forms."""

import numpy as np
import ufl
from dolfinx.mesh import meshtags
from ufl.algorithms import estimate_total_polynomial_degree
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering

from app.equations.terms import BoundaryCondition
from app.mesh.meshes import TaggedMesh
from app.mesh.spaces import discontinuous
from app.types import Measure


def boundary_measure(domain: TaggedMesh, conditions: list[BoundaryCondition]) -> Measure:
    """ds(i) over the facets of the i-th condition; none of a Dirichlet condition."""
    mesh = domain.mesh
    facets = [domain.boundary(condition.on) for condition in conditions]
    natural = [i for i, c in enumerate(conditions) if c.kind != "dirichlet"]
    indices = np.concatenate([facets[i] for i in natural] or [np.empty(0, dtype=np.int32)])
    marks = np.concatenate(
        [np.full(len(facets[i]), i, dtype=np.int32) for i in natural] or [np.empty(0, np.int32)]
    )
    order = np.argsort(indices, kind="stable")
    tags = meshtags(mesh, mesh.topology.dim - 1, indices[order].astype(np.int32), marks[order])
    return ufl.Measure("ds", domain=mesh, subdomain_data=tags)


def with_fixed_quadrature(form: ufl.Form) -> ufl.Form:
    """The form with the quadrature degree UFL estimates for it written down, so that derivatives inherit it.

    UFL would estimate anew for each derivative, and J would not be the derivative of the discrete solution.
    """
    integrals = []
    for integral in apply_algebra_lowering(form).integrals():
        degree = estimate_total_polynomial_degree(integral.integrand())
        integrals.append(integral.reconstruct(metadata={**integral.metadata(), "quadrature_degree": degree}))
    return ufl.Form(integrals)


def by_cell(form: ufl.Form, domain: TaggedMesh) -> ufl.Form:
    """Of a form without arguments the linear form that gives what each cell contributes; what is between two
    cells is half of each."""
    q = ufl.TestFunction(discontinuous(domain, 0))
    parts = []
    for integral in ufl.algorithms.expand_derivatives(form).integrals():
        share = ufl.avg(q) if integral.integral_type() == "interior_facet" else q
        parts.append(integral.reconstruct(integrand=integral.integrand() * share))
    return ufl.Form(parts)
