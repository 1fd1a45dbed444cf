"""Partial differential equations, each as one UFL residual A(u, m; v); its derivatives come from UFL."""

from collections.abc import Callable

from app.fem.advection import AdvectionDiffusion
from app.fem.diffusion import Diffusion, ReactionDiffusion
from app.fem.elasticity import Elasticity
from app.fem.helmholtz import Helmholtz
from app.fem.nonlinear import NonlinearDiffusion, PLaplacian
from app.fem.terms import PHYSICAL, BoundaryCondition, Equation, components, stands_for

__all__ = ["EQUATIONS", "PHYSICAL", "BoundaryCondition", "Diffusion", "Equation", "components", "stands_for"]

EQUATIONS: dict[str, Callable[..., Equation]] = {
    "diffusion": Diffusion,
    "reaction_diffusion": ReactionDiffusion,
    "advection_diffusion": AdvectionDiffusion,
    "nonlinear_diffusion": NonlinearDiffusion,
    "p_laplacian": PLaplacian,
    "elasticity": Elasticity,
    "helmholtz": Helmholtz,
}
