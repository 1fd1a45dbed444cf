"""Stationary diffusion whose diffusivity depends on the state or on its gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.mesh.fields import Field
from app.pde.equations.terms import BoundaryCondition, Roles, cells, inflow, term


@dataclass(frozen=True)
class NonlinearDiffusion:
    """−∇·(κ q(u) ∇u) = source with q(u) = 1 + u²."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    role: Roles = "log_diffusivity"

    linear, symmetric = False, False
    roles = ("log_diffusivity", "diffusivity", "source", "boundary_flux")

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        form = kappa * (1 + u**2) * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        return form - source * v * cells(x) - inflow(self, u, m, v, x, ds)


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
    roles = ("log_diffusivity", "diffusivity", "source", "boundary_flux")

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        steep = (self.epsilon**2 + ufl.inner(ufl.grad(u), ufl.grad(u))) ** (self.exponent / 2 - 1)
        form = kappa * steep * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        return form - source * v * cells(x) - inflow(self, u, m, v, x, ds)
