"""Waves of one frequency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from app.equations.specs import ScalarEquation
from app.equations.terms import SOURCE, BoundaryCondition, Starts, cells, inflow, term
from app.schema.given import GivenField
from app.schema.section import Positive
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class HelmholtzSpec(ScalarEquation):
    """Waves u exp(-i w t) of one frequency w, -laplace(u) - w^2 s u = source, with complex u."""

    kind: Literal["helmholtz"]
    """Waves u exp(-i w t) of one frequency w, -laplace(u) - w^2 s u = source, with complex u; an absorbing
    boundary lets them out, du/dn = i w sqrt(s) u."""
    frequency: Positive
    """w, the angular frequency, 2 pi times that in hertz, in radians over the unit of time."""
    imaginary_source: GivenField | None = None
    """Imaginary part of the right-hand side, whose real part is `source`; 0 unless given."""
    squared_slowness: GivenField | None = None
    """s where it is not the unknown, 1 unless given, in the unit of time squared over a length squared."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


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
    spec = HelmholtzSpec
    roles: ClassVar[Starts] = {"log_squared_slowness": 0.0, "squared_slowness": 1.0, **SOURCE}

    @staticmethod
    def components(dimension: int) -> tuple[str, ...]:
        """The parts of a complex number."""
        return ("real", "imaginary")

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        s, omega = term(self, "squared_slowness", m, x, 1.0), self.frequency
        source = ufl.as_vector([term(self, "source", m, x), term(self, "imaginary_source", m, x)])
        form = ufl.inner(ufl.grad(u), ufl.grad(v)) - omega**2 * s * ufl.dot(u, v) - ufl.dot(source, v)
        form = form * cells(x)
        for index, condition in enumerate(self.boundary.values()):
            if condition.kind == "absorbing":
                form -= omega * ufl.sqrt(s) * (u[0] * v[1] - u[1] * v[0]) * ds(index)
        return form - inflow(self, u, m, v, x, ds)
