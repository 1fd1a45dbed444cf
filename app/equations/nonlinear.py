"""Stationary diffusion whose diffusivity depends on the state or on its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pydantic

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
)
from app.schema.given import GivenField
from app.schema.section import NO_TRUTH_VALUE, Positive
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class NonlinearDiffusionSpec(ScalarEquation):
    """Diffusion that grows with the state, -div(k (1 + u^2) grad u) = source."""

    kind: Literal["nonlinear_diffusion"]
    """Diffusion that grows with the state, -div(k (1 + u^2) grad u) = source; u has no unit."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""


@dataclass(frozen=True)
class NonlinearDiffusion:
    """−∇·(κ q(u) ∇u) = source with q(u) = 1 + u²."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    role: Roles = "log_diffusivity"

    linear, symmetric = False, False
    spec = NonlinearDiffusionSpec
    roles: ClassVar[Starts] = {**DIFFUSIVITY, **SOURCE, **BOUNDARY_FLUX}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        form = kappa * (1 + u**2) * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        return form - source * v * cells(x) - inflow(self, u, m, v, x, ds)


class PLaplacianSpec(ScalarEquation):
    """Diffusion that depends on the gradient, -div(k (eps^2 + |grad u|^2)^(p/2 - 1) grad u) = source."""

    kind: Literal["p_laplacian"]
    """Diffusion that depends on the gradient, -div(k (eps^2 + |grad u|^2)^(p/2 - 1) grad u) = source."""
    exponent: Annotated[float, pydantic.Field(gt=1, le=100), NO_TRUTH_VALUE] = 3.0
    """p: above 2 diffusion grows with the gradient, below it shrinks."""
    epsilon: Positive = 0.01
    """eps, in the unit of grad u: gradients below it count as it, so that diffusion neither vanishes nor
    explodes."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u to the power
    p - 1."""


@dataclass(frozen=True)
class PLaplacian:
    """−∇·(κ (ε² + |∇u|²)^(p/2 − 1) ∇u) = source; ε keeps the diffusivity from vanishing or exploding."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    exponent: float = 3.0
    """p > 1."""
    epsilon: float = 0.01
    """ε > 0, in the unit of the gradient."""
    role: Roles = "log_diffusivity"

    linear, symmetric = False, True
    spec = PLaplacianSpec
    roles: ClassVar[Starts] = {**DIFFUSIVITY, **SOURCE, **BOUNDARY_FLUX}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        steep = (self.epsilon**2 + ufl.inner(ufl.grad(u), ufl.grad(u))) ** (self.exponent / 2 - 1)
        form = kappa * steep * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        return form - source * v * cells(x) - inflow(self, u, m, v, x, ds)
