"""The heat equation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.fem.spaces import Field
from app.fem.terms import BoundaryCondition, cells, inflow, term


@dataclass(frozen=True)
class Heat:
    """∂(capacity u)/∂t − ∇·(κ ∇u) = source, u = initial at time 0; the capacity does not depend on time."""

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    capacity: Field | None = None
    initial: Field | None = None
    role: str = "log_diffusivity"

    linear, symmetric = True, True
    roles = ("log_diffusivity", "diffusivity", "initial", "source", "boundary_flux")

    def storage(self, u: Any, m: Any, v: Any, x: Any) -> Any:
        return term(self, "capacity", m, x, 1.0) * u * v * cells(x)

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        form = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x) - source * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)
