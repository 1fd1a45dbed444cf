"""Stationary diffusion, without and with a reaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.mesh.fields import Field, in_ufl
from app.pde.equations.terms import BoundaryCondition, Roles, cells, inflow, term


@dataclass(frozen=True)
class Diffusion:
    """−∇·(κ T ∇u) = source; T is a symmetric positive definite tensor, the identity unless given."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    anisotropy: tuple[tuple[Field, ...], ...] | None = None
    role: Roles = "log_diffusivity"

    linear, symmetric = True, True
    roles = ("log_diffusivity", "diffusivity", "source", "boundary_flux")

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        gradient = ufl.grad(u)
        if self.anisotropy is not None:
            rows = [[in_ufl(entry, x) for entry in row] for row in self.anisotropy]
            gradient = ufl.as_matrix(rows) * gradient
        form = kappa * ufl.inner(gradient, ufl.grad(v)) * cells(x) - source * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)


@dataclass(frozen=True)
class ReactionDiffusion:
    """−∇·(κ ∇u) + reaction u = source."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    reaction: Field | None = None
    role: Roles = "log_reaction"

    linear, symmetric = True, True
    roles = ("log_reaction", "reaction", "log_diffusivity", "diffusivity", "source", "boundary_flux")

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        reaction = term(self, "reaction", m, x)
        form = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x)
        form += (reaction * u - source) * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)
