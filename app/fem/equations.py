"""Partial differential equations, each as one UFL residual A(u, m; v); its derivatives come from UFL."""

from collections.abc import Callable

from app.fem.advection import AdvectionDiffusion
from app.fem.diffusion import Diffusion, ReactionDiffusion
from app.fem.elasticity import Elasticity
from app.fem.heat import Heat
from app.fem.helmholtz import Helmholtz
from app.fem.identity import Identity
from app.fem.nonlinear import NonlinearDiffusion, PLaplacian
from app.fem.terms import PHYSICAL, BoundaryCondition, Equation, components, stands_for
from app.fem.time_steps import TransientEquation

__all__ = [
    "EQUATIONS", "PHYSICAL", "TRANSIENT", "BoundaryCondition", "Diffusion", "Equation", "components",
    "stands_for",
]  # fmt: skip

EQUATIONS: dict[str, Callable[..., Equation]] = {
    "diffusion": Diffusion,
    "reaction_diffusion": ReactionDiffusion,
    "advection_diffusion": AdvectionDiffusion,
    "nonlinear_diffusion": NonlinearDiffusion,
    "p_laplacian": PLaplacian,
    "elasticity": Elasticity,
    "helmholtz": Helmholtz,
    "identity": Identity,
}

TRANSIENT: dict[str, Callable[..., TransientEquation]] = {"heat": Heat}
"""Those that go on in time."""
