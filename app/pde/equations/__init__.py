"""Partial differential equations, each as one UFL residual A(u, m; v); its derivatives come from UFL."""

from collections.abc import Callable

from app.pde.equations.advection import AdvectionDiffusion
from app.pde.equations.diffusion import Diffusion, ReactionDiffusion
from app.pde.equations.elasticity import Elasticity
from app.pde.equations.heat import Heat
from app.pde.equations.helmholtz import Helmholtz
from app.pde.equations.identity import Identity
from app.pde.equations.nonlinear import NonlinearDiffusion, PLaplacian
from app.pde.equations.terms import PHYSICAL, BoundaryCondition, Equation, components, stands_for
from app.pde.time_steps import TransientEquation

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
