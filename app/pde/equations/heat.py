"""The heat equation, and heat that is carried along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.mesh.fields import Field
from app.pde.equations.terms import BoundaryCondition, Roles, cells, inflow, term, vector


@dataclass(frozen=True)
class Heat:
    """∂(capacity u)/∂t + capacity speed velocity · ∇u − ∇·(κ ∇u) = source, u = initial at time 0.

    Neither the capacity nor the velocity depends on time, and without a velocity nothing is carried. The
    method is Galerkin's, which wants cells that resolve the state where it is carried. The flux on the
    boundary is κ ∂u/∂n, without what the velocity carries.
    """

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    capacity: Field | None = None
    initial: Field | None = None
    velocity: tuple[Field, ...] | None = None
    speed: Field | None = None
    role: Roles = "log_diffusivity"

    linear = True
    roles = ("log_diffusivity", "diffusivity", "initial", "source", "boundary_flux", "speed")

    @property
    def symmetric(self) -> bool:
        return self.velocity is None

    def storage(self, u: Any, m: Any, v: Any, x: Any) -> Any:
        return term(self, "capacity", m, x, 1.0) * u * v * cells(x)

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        form = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x) - source * v * cells(x)
        if self.velocity is not None:
            b = vector(self.velocity, x)
            carried = term(self, "capacity", m, x, 1.0) * term(self, "speed", m, x, 1.0)
            form += carried * ufl.dot(b, ufl.grad(u)) * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)
