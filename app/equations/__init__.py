"""Equations: what a case says of each, and its one UFL residual A(u, m; v), whose derivatives come from UFL.

A case is read without UFL and meshes: they are imported where a residual is made.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from app.equations.advection import AdvectionDiffusion
from app.equations.custom import Custom
from app.equations.diffusion import Diffusion, ReactionDiffusion
from app.equations.elasticity import Elasticity
from app.equations.electrical import ElectricalTomography
from app.equations.heat import Heat
from app.equations.helmholtz import Helmholtz
from app.equations.identity import Identity
from app.equations.nonlinear import NonlinearDiffusion, PLaplacian
from app.equations.specs import EquationSpec
from app.equations.terms import (
    BoundaryCondition,
    Equation,
    EquationClass,
    Starts,
    TransientEquation,
    components,
    stands_for,
)

EQUATIONS: dict[str, EquationClass] = {
    "diffusion": Diffusion,
    "reaction_diffusion": ReactionDiffusion,
    "advection_diffusion": AdvectionDiffusion,
    "nonlinear_diffusion": NonlinearDiffusion,
    "p_laplacian": PLaplacian,
    "elasticity": Elasticity,
    "helmholtz": Helmholtz,
    "identity": Identity,
}
"""By the case's `kind`."""

TRANSIENT: dict[str, EquationClass] = {"heat": Heat}
"""Those that go on in time, whose equations are of the type TransientEquation."""

SPECS: list[type[EquationSpec]] = [
    *(each.spec for each in (*EQUATIONS.values(), *TRANSIENT.values())),
    ElectricalTomography,
    Custom.spec,
]
"""What a case can say, of one of them."""

ROLES: Starts = {
    name: start
    for roles in (
        *(each.roles for each in (*EQUATIONS.values(), *TRANSIENT.values())),
        ElectricalTomography.roles,
        Custom.roles,
    )
    for name, start in roles.items()
}
"""What an unknown can be in any of them."""

if TYPE_CHECKING:
    AnyEquationSpec = EquationSpec
    Role = str
else:
    AnyEquationSpec = Annotated[reduce(or_, SPECS), Field(discriminator="kind")]
    Role = Literal[tuple(ROLES)]

__all__ = [
    "EQUATIONS", "ROLES", "SPECS", "TRANSIENT", "AnyEquationSpec", "BoundaryCondition", "Diffusion",
    "Equation", "EquationClass", "EquationSpec", "Role", "TransientEquation", "components", "stands_for",
]  # fmt: skip
