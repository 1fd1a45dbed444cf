"""What the residuals of all equations are made of: given or unknown coefficients, and boundary conditions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import ufl
from ufl.domain import extract_unique_domain

from app.fem.spaces import Field


@dataclass(frozen=True)
class BoundaryCondition:
    """What holds on named parts of the boundary, for a flux F out of which nothing is said elsewhere.

    `dirichlet`: u = value; `neumann`: F = value; `robin`: F + transfer u = value; `unknown`: F is the
    coefficient m itself. F is that of the equation, κ ∂u/∂n for diffusion, into the domain.
    """

    on: tuple[str, ...]
    kind: Literal["dirichlet", "neumann", "robin", "unknown"]
    value: Field | None = None
    transfer: Field | None = None


class Equation(Protocol):
    """A(u, m; v) = 0 for all v that vanish on Dirichlet parts."""

    @property
    def linear(self) -> bool:
        """Whether A is affine in u; Newton's method otherwise."""

    @property
    def symmetric(self) -> bool:
        """Whether ∂A/∂u is symmetric and positive definite."""

    @property
    def roles(self) -> tuple[str, ...]:
        """What the coefficient m can be in this equation, names in PHYSICAL."""

    @property
    def role(self) -> str:
        """What it is here."""

    @property
    def boundary(self) -> Mapping[str, BoundaryCondition]:
        """Conditions by name."""

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        """UFL form of A; `ds(i)` is the measure of the i-th boundary condition's part."""


PHYSICAL: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "log_diffusivity": ("exp", ufl.exp),
    "diffusivity": ("", lambda m: m),
    "log_reaction": ("exp", ufl.exp),
    "reaction": ("", lambda m: m),
    "source": ("", lambda m: m),
    "initial": ("", lambda m: m),
    "boundary_flux": ("", lambda m: m),
    "coefficient": ("", lambda m: m),
    "log_resistivity": ("exp", ufl.exp),
}
"""What the equation makes of a coefficient, by its role: a prefix for the output, none where m is itself the
physical quantity, and a function of UFL."""


def stands_for(role: str) -> str:
    """The term of the residual that a coefficient of this role takes the place of."""
    return role.removeprefix("log_")


def term(equation: Any, name: str, m: Any, x: Any, otherwise: float = 0.0) -> Any:
    """A coefficient of the residual: made of m if that is its role, else as the equation was given it."""
    if stands_for(equation.role) == name:
        return PHYSICAL[equation.role][1](m)
    given = getattr(equation, name)
    return ufl.as_ufl(otherwise) if given is None else given.ufl(x)


def cells(x: Any) -> Any:
    """The measure of the cells; said with its mesh, which a source of zero does not know."""
    return ufl.dx(extract_unique_domain(x))


def inflow(equation: Equation, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
    """∫ F v over the parts of the boundary where the flux F is said; the residual subtracts it."""
    form: Any = 0
    for index, condition in enumerate(equation.boundary.values()):
        if condition.kind == "unknown":
            form += m * v * ds(index)
        elif condition.kind != "dirichlet":
            assert condition.value is not None
            form += condition.value.ufl(x) * v * ds(index)
        if condition.transfer is not None:
            form -= condition.transfer.ufl(x) * u * v * ds(index)
    return form
