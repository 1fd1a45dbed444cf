"""Linear elasticity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ufl

from app.mesh.fields import Field
from app.pde.equations.terms import BoundaryCondition, cells, inflow, term, vector


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
    roles = ("log_youngs_modulus", "youngs_modulus")

    @staticmethod
    def components(dimension: int) -> tuple[str, ...]:
        """The displacement has one a coordinate."""
        return ("x", "y", "z")[:dimension]

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        modulus, nu = term(self, "youngs_modulus", m, x, 1.0), self.poissons_ratio
        strain, virtual = ufl.sym(ufl.grad(u)), ufl.sym(ufl.grad(v))
        volume = nu / (1 - 2 * nu) * ufl.div(u) * ufl.div(v)
        form = modulus / (1 + nu) * (volume + ufl.inner(strain, virtual)) * cells(x)
        if self.body_force is not None:
            form -= ufl.dot(vector(self.body_force, x), v) * cells(x)
        return form - inflow(self, u, m, v, x, ds)
