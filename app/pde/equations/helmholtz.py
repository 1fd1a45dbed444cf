"""Waves of one frequency."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.mesh.fields import Field
from app.pde.equations.terms import BoundaryCondition, cells, inflow, term


@dataclass(frozen=True)
class Helmholtz:
    """−Δu − ω² s u = source, s the squared slowness, ω the angular frequency.

    u and the source are complex, of waves u exp(−iωt); the state is the pair of u's real and imaginary part.
    Waves leave through an absorbing boundary, ∂u/∂n = iω√s u, which is exact at normal incidence (Engquist
    and Majda 1977, first order). The flux is ∂u/∂n. The operator is not definite, and not symmetric in the
    pair.
    """

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    frequency: float
    imaginary_source: Field | None = None
    squared_slowness: Field | None = None
    role: str = "log_squared_slowness"

    linear, symmetric = True, False
    roles = ("log_squared_slowness", "squared_slowness", "source")

    @staticmethod
    def components(dimension: int) -> tuple[str, ...]:
        """The parts of a complex number."""
        return ("real", "imaginary")

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        s, omega = term(self, "squared_slowness", m, x, 1.0), self.frequency
        source = ufl.as_vector([term(self, "source", m, x), term(self, "imaginary_source", m, x)])
        form = ufl.inner(ufl.grad(u), ufl.grad(v)) - omega**2 * s * ufl.dot(u, v) - ufl.dot(source, v)
        form = form * cells(x)
        for index, condition in enumerate(self.boundary.values()):
            if condition.kind == "absorbing":
                form -= omega * ufl.sqrt(s) * (u[0] * v[1] - u[1] * v[0]) * ds(index)
        return form - inflow(self, u, m, v, x, ds)
