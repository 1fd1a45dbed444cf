"""Energies of variational problems as densities in UFL; what the program needs beside comes from UFL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import ufl

from app.mesh.fields import Field, in_ufl
from app.types import Symbol


class Functional(Protocol):
    """E(u) = ∫ density(u) dx, convex, but for what comes in through the boundary."""

    @property
    def quadratic(self) -> bool:
        """Whether the Hessian is the same everywhere."""

    @property
    def diffusivity(self) -> Field:
        """κ > 0, with which lifting and cut-off are made."""

    def density(self, u: Symbol, x: Symbol) -> Symbol:
        """UFL expression."""


@dataclass(frozen=True)
class ReactionDiffusion:
    """½κ|∇u|² + ½ru² − fu, of −∇·(κ∇u) + ru = f; Poisson's equation without r."""

    diffusivity: Field
    reaction: Field
    source: Field

    quadratic = True

    def density(self, u: Symbol, x: Symbol) -> Symbol:
        """See Functional."""
        kappa, r, f = in_ufl(self.diffusivity, x), in_ufl(self.reaction, x), in_ufl(self.source, x)
        return 0.5 * kappa * _square(u) + 0.5 * r * u**2 - f * u


@dataclass(frozen=True)
class Semilinear:
    """½κ|∇u|² + ½ru² + ¼cu⁴ − fu, of −∇·(κ∇u) + ru + cu³ = f."""

    diffusivity: Field
    reaction: Field
    cubic: Field
    source: Field

    quadratic = False

    def density(self, u: Symbol, x: Symbol) -> Symbol:
        """See Functional."""
        linear = ReactionDiffusion(self.diffusivity, self.reaction, self.source)
        return linear.density(u, x) + 0.25 * in_ufl(self.cubic, x) * u**4


@dataclass(frozen=True)
class PLaplacian:
    """(κ/p)(ε² + |∇u|²)^{p/2} − fu, of −∇·(κ(ε² + |∇u|²)^{p/2 − 1}∇u) = f."""

    diffusivity: Field
    source: Field
    exponent: float
    """p > 1."""
    epsilon: float
    """ε > 0, in the unit of the gradient."""

    quadratic = False

    def density(self, u: Symbol, x: Symbol) -> Symbol:
        """See Functional."""
        steep = (self.epsilon**2 + _square(u)) ** (self.exponent / 2)
        return in_ufl(self.diffusivity, x) * steep / self.exponent - in_ufl(self.source, x) * u


FUNCTIONALS: dict[str, Callable[..., Functional]] = {
    "reaction_diffusion": ReactionDiffusion,
    "semilinear": Semilinear,
    "p_laplacian": PLaplacian,
}


def _square(u: Symbol) -> Symbol:
    """|∇u|²."""
    return ufl.inner(ufl.grad(u), ufl.grad(u))
