"""Stationary diffusion, without and with a reaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from app.equations.specs import WithWells
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
)
from app.schema.expression import Expression
from app.schema.given import GivenField
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class DiffusionSpec(WithWells):
    """Stationary diffusion, -div(k T grad u) = source."""

    kind: Literal["diffusion"]
    """Stationary diffusion, -div(k T grad u) = source."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""
    anisotropy: tuple[tuple[Expression, ...], ...] | None = None
    """T, a symmetric positive definite matrix of numbers by which the diffusivity depends on the direction;
    the identity unless given."""


@dataclass(frozen=True)
class Diffusion:
    """−∇·(κ T ∇u) = source; T is a symmetric positive definite tensor, the identity unless given."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    anisotropy: tuple[tuple[Field, ...], ...] | None = None
    role: Roles = "log_diffusivity"

    linear, symmetric = True, True
    spec = DiffusionSpec
    roles: ClassVar[Starts] = {**DIFFUSIVITY, **SOURCE, **BOUNDARY_FLUX}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        from app.mesh.fields import in_ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        gradient = ufl.grad(u)
        if self.anisotropy is not None:
            rows = [[in_ufl(entry, x) for entry in row] for row in self.anisotropy]
            gradient = ufl.as_matrix(rows) * gradient
        form = kappa * ufl.inner(gradient, ufl.grad(v)) * cells(x) - source * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)


class ReactionDiffusionSpec(WithWells):
    """Stationary diffusion with a reaction, -div(k grad u) + r u = source."""

    kind: Literal["reaction_diffusion"]
    """Stationary diffusion with a reaction, -div(k grad u) + r u = source."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""
    reaction: GivenField | None = None
    """r where it is not the unknown, 0 unless given, in the unit of the source over that of u."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


@dataclass(frozen=True)
class ReactionDiffusion:
    """−∇·(κ ∇u) + reaction u = source."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    reaction: Field | None = None
    role: Roles = "log_reaction"

    linear, symmetric = True, True
    spec = ReactionDiffusionSpec
    roles: ClassVar[Starts] = {"log_reaction": 0.0, "reaction": 0.0, **DIFFUSIVITY, **SOURCE, **BOUNDARY_FLUX}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        reaction = term(self, "reaction", m, x)
        form = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        form += (reaction * u - source) * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)
