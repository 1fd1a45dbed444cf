"""Linear elasticity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pydantic

from app.equations.specs import Stationary
from app.equations.terms import BoundaryCondition, Starts, cells, inflow, term, vector
from app.schema.given import GivenField
from app.schema.section import NO_TRUTH_VALUE
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class ElasticitySpec(Stationary):
    """Linear elasticity of an isotropic body in two (plane strain) or three dimensions."""

    kind: Literal["elasticity"]
    """Linear elasticity of an isotropic body, -div(stress) = body_force; in the plane it is plane strain."""
    body_force: tuple[GivenField, ...] | None = None
    """One expression a coordinate, 0 unless given, in the unit of the modulus over a length."""
    youngs_modulus: GivenField | None = None
    """Young's modulus where it is not the unknown, 1 unless given, in the unit of the tractions."""
    poissons_ratio: Annotated[float, pydantic.Field(gt=-1, lt=0.5), NO_TRUTH_VALUE] = 0.3
    """Poisson's ratio, without a unit; near 0.5 linear elements are too stiff."""


@dataclass(frozen=True)
class Elasticity:
    """−∇·σ = body force of an isotropic body, in the plane of plane strain.

    σ = λ tr(ε) I + 2μ ε with ε the symmetric part of ∇u, λ = Eν / ((1 + ν)(1 − 2ν)), μ = E / (2(1 + ν)), E
    Young's modulus and ν Poisson's ratio. The state is the displacement; the flux is the traction σn.
    """

    boundary: Mapping[str, BoundaryCondition]
    body_force: tuple[Field, ...] | None = None
    youngs_modulus: Field | None = None
    poissons_ratio: float = 0.3
    role: str = "log_youngs_modulus"

    linear, symmetric = True, True
    spec = ElasticitySpec
    roles: ClassVar[Starts] = {"log_youngs_modulus": 0.0, "youngs_modulus": 1.0}

    @staticmethod
    def components(dimension: int) -> tuple[str, ...]:
        """The displacement has one a coordinate."""
        return ("x", "y", "z")[:dimension]

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        modulus, nu = term(self, "youngs_modulus", m, x, 1.0), self.poissons_ratio
        strain, virtual = ufl.sym(ufl.grad(u)), ufl.sym(ufl.grad(v))
        volume = nu / (1 - 2 * nu) * ufl.div(u) * ufl.div(v)
        form = modulus / (1 + nu) * (volume + ufl.inner(strain, virtual)) * cells(x)
        if self.body_force is not None:
            form -= ufl.dot(vector(self.body_force, x), v) * cells(x)
        return form - inflow(self, u, m, v, x, ds)
