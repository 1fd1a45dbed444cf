"""Stationary advection and diffusion, stabilised along the streamlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

from app.equations.specs import ScalarEquation
from app.equations.terms import (
    BOUNDARY_FLUX,
    DIFFUSIVITY,
    SOURCE,
    BoundaryCondition,
    Roles,
    Starts,
    cells,
    inflow,
    term,
    vector,
)
from app.schema.given import GivenField
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class AdvectionDiffusionSpec(ScalarEquation):
    """Stationary advection and diffusion, -div(k grad u) + velocity . grad u = source, by SUPG."""

    kind: Literal["advection_diffusion"]
    """Stationary advection and diffusion, -div(k grad u) + velocity . grad u = source, by SUPG."""
    velocity: tuple[GivenField, ...]
    """One expression a coordinate, in a length over the unit of time that k has too."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in a length squared over the unit of time."""


@dataclass(frozen=True)
class AdvectionDiffusion:
    """−∇·(κ ∇u) + velocity · ∇u = source, by the streamline-upwind Petrov–Galerkin method (SUPG).

    Added to Galerkin's form is ∫ τ (velocity · ∇v) (residual of the strong form), which vanishes at the
    solution, with τ⁻² = (2|b|/h)² + (12κ/h²)² (Shakib, Hughes and Johan 1991), h the cells' diameter divided
    by the state's degree. τ hangs on κ, and so on m; UFL differentiates it too. The flux on the boundary
    is κ ∂u/∂n, without what the velocity carries.
    """

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    velocity: tuple[Field, ...]
    diffusivity: Field | None = None
    role: Roles = "log_diffusivity"

    linear, symmetric = True, False
    spec = AdvectionDiffusionSpec
    roles: ClassVar[Starts] = {**DIFFUSIVITY, **SOURCE, **BOUNDARY_FLUX}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        b = vector(self.velocity, x)
        carried = ufl.dot(b, ufl.grad(u))
        galerkin = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) + carried * v - source * v
        degree = v.ufl_element().embedded_superdegree
        h = _diameter(x) / degree
        tau = (4 * ufl.dot(b, b) / h**2 + 144 * kappa**2 / h**4) ** -0.5
        strong = -ufl.div(kappa * ufl.grad(u)) + carried - source
        upwind = tau * ufl.dot(b, ufl.grad(v)) * strong
        return (galerkin + upwind) * cells(x) - inflow(self, u, m, v, x, ds)


def _diameter(x: Symbol) -> Symbol:
    """Of the cells; of a curved one that of the straight cell that is tangent to it, point by point."""
    import basix
    import ufl
    from ufl.domain import extract_unique_domain

    mesh: Symbol = extract_unique_domain(x)
    element = mesh.ufl_coordinate_element().basix_element
    if element.degree == 1:
        return ufl.CellDiameter(mesh)
    corners = basix.geometry(element.cell_type)
    jacobian = ufl.Jacobian(mesh)
    between = [jacobian * ufl.as_vector(list(a - b)) for a, b in combinations(corners, 2)]
    return ufl.sqrt(reduce(ufl.max_value, [ufl.dot(edge, edge) for edge in between]))
