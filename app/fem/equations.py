"""Partial differential equations, each as one UFL residual A(u, m; v); its derivatives come from UFL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import ufl
from ufl.domain import extract_unique_domain

from app.fem.spaces import Field


@dataclass(frozen=True)
class BoundaryCondition:
    """A prescribed value (`dirichlet`) or flux (`neumann`) on named parts of the boundary."""

    on: tuple[str, ...]
    kind: Literal["dirichlet", "neumann"]
    value: Field


class Equation(Protocol):
    """A(u, m; v) = 0 for all v that vanish on Dirichlet parts; at present linear and symmetric in u."""

    @property
    def boundary(self) -> Mapping[str, BoundaryCondition]:
        """Conditions by name."""

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        """UFL form of A; `ds(i)` is the measure of the i-th boundary condition's part."""


@dataclass(frozen=True)
class Diffusion:
    """−∇·(exp(m) ∇u) = source, u or the flux exp(m) ∂u/∂n given on the boundary; m is log-diffusivity."""

    source: Field
    boundary: Mapping[str, BoundaryCondition]

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        dx = ufl.dx(extract_unique_domain(x))  # a source of zero knows no mesh
        form = ufl.exp(m) * ufl.inner(ufl.grad(u), ufl.grad(v)) * dx - self.source.ufl(x) * v * dx
        for index, condition in enumerate(self.boundary.values()):
            if condition.kind == "neumann":
                form -= condition.value.ufl(x) * v * ds(index)
        return form


EQUATIONS: dict[str, Callable[..., Equation]] = {"diffusion": Diffusion}

PHYSICAL: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "log_diffusivity": ("exp", ufl.exp),
    "log_resistivity": ("exp", ufl.exp),
}
"""What the equation makes of a coefficient, by its role, for the output: a prefix and a function of UFL."""
