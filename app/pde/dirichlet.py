"""Dirichlet conditions of a state with one or several components."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem

from app.equations.terms import BoundaryCondition
from app.mesh.meshes import TaggedMesh
from app.mesh.spaces import Function
from app.types import Space, Untyped


def dirichlet(
    space: Space, components: Sequence[str], domain: TaggedMesh, conditions: Sequence[BoundaryCondition]
) -> tuple[list[fem.DirichletBC[np.float64]], Function]:
    """DOLFINx conditions, and a state that meets them and vanishes elsewhere; `components` are the names of
    the state's, none of a scalar."""
    lifted: Function = fem.Function(space)
    bcs: list[fem.DirichletBC[np.float64]] = []
    for condition in conditions:
        if condition.kind != "dirichlet" or condition.value is None:
            continue
        facets = domain.boundary(condition.on)
        for part, values, field in _conditioned(space, components, condition):
            value: Function = fem.Function(values)
            value.interpolate(_boundary_value(field, values, domain))
            if part is values:
                dofs = fem.locate_dofs_topological(part, domain.dimension - 1, facets)
                bcs.append(fem.dirichletbc(value, dofs))
            else:
                pairs = fem.locate_dofs_topological((part, values), domain.dimension - 1, facets)
                bcs.append(fem.dirichletbc(value, pairs, part))
            bcs[-1].set(lifted.x.array)
    lifted.x.scatter_forward()
    return bcs, lifted


def _conditioned(
    space: Space, components: Sequence[str], condition: BoundaryCondition
) -> list[tuple[Space, Space, Untyped]]:
    """What a condition is about: space of a component, a space of its own for its values, the field."""
    if not components:
        return [(space, space, condition.value)]
    return [
        (space.sub(i), space.sub(i).collapse()[0], field)
        for i, field in condition.by_component(len(components))
    ]


def _boundary_value(field: Untyped, space: Space, domain: TaggedMesh) -> Untyped:
    """What DOLFINx interpolates: a function of points, or an expression for a field that is UFL only."""
    if hasattr(field, "numpy"):
        return lambda x: field.numpy(x[: domain.dimension].T)
    expression = field.ufl(ufl.SpatialCoordinate(domain.mesh))
    return fem.Expression(expression, space.element.interpolation_points)
