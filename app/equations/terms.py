"""What the residuals of all equations are made of: given or unknown coefficients, and boundary conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.types import BoundaryMeasure, Form, Symbol, Untyped

if TYPE_CHECKING:
    from app.equations.specs import EquationSpec
    from app.mesh.fields import Field

type Starts = dict[str, float | None]
"""What an unknown m can be in an equation, with the m_ref that it has unless the case says one, None where
the data tell it. In the role TERM it takes the place of that term, in the role log_TERM exp(m) does. A term
that no state allows to be zero, as a diffusivity, starts from one."""

DIFFUSIVITY: Starts = {"log_diffusivity": 0.0, "diffusivity": 1.0}
SOURCE: Starts = {"source": 0.0}
BOUNDARY_FLUX: Starts = {"boundary_flux": 0.0}
"""Roles that several equations have."""

LOGARITHM = "log_"
"""With which the name of a role begins whose coefficient is the natural logarithm of a term."""


@dataclass(frozen=True)
class BoundaryCondition:
    """What holds on named parts of the boundary, for a flux F out of which nothing is said elsewhere.

    `dirichlet`: u = value; `neumann`: F = value; `robin`: F + transfer u = value, or transfer ambient;
    `absorbing`: F − iω√s u = value, of waves only; `unknown`: F is the unknown of the role boundary_flux. F
    is that of the equation, κ ∂u/∂n for diffusion, into the domain.

    A state of several components has them all conditioned, by a value each or by one for all, or that of the
    index `component` alone.
    """

    on: tuple[str, ...]
    kind: Literal["dirichlet", "neumann", "robin", "absorbing", "unknown"]
    value: Field | tuple[Field, ...] | None = None
    transfer: Field | None = None
    component: int | None = None
    ambient: Field | tuple[Field, ...] | None = None
    """In place of the value."""

    def by_component(self, count: int) -> list[tuple[int, Untyped]]:
        """Index and value, or ambient, of each conditioned component of a state that has `count`."""
        chosen = range(count) if self.component is None else (self.component,)
        given = self.given
        values = given if isinstance(given, tuple) else (given,) * len(chosen)
        return list(zip(chosen, values, strict=True))

    @property
    def given(self) -> Untyped:
        """The value, or what is given in its place."""
        return self.value if self.ambient is None else self.ambient

    def enters(self, given: Field, x: Symbol) -> Symbol:
        """The flux into the domain where the state is zero, in UFL, of what is given of a component."""
        from app.mesh.fields import in_ufl

        return in_ufl(given, x) if self.ambient is None else in_ufl(self.transfer, x) * in_ufl(given, x)


Roles = str | tuple[str, ...]
"""What the unknown coefficient is in an equation; of several unknowns, what each of them is."""


class Equation(Protocol):
    """A(u, m; v) = 0 for all v that vanish on Dirichlet parts; m holds the unknown coefficients.

    One whose state u has several components also has a method components(dimension): their names.
    """

    @property
    def linear(self) -> bool:
        """Whether A is affine in u; Newton's method otherwise."""

    @property
    def symmetric(self) -> bool:
        """Whether ∂A/∂u is symmetric and positive definite."""

    @property
    def roles(self) -> Starts:
        """What an unknown can be in this equation."""

    @property
    def role(self) -> Roles:
        """What it is here."""

    @property
    def boundary(self) -> Mapping[str, BoundaryCondition]:
        """Conditions by name."""

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        """UFL form of A; `m` maps roles to unknowns, which `term` and `inflow` look up, and `ds(i)` is the
        measure of the i-th boundary condition's part."""


class EquationClass(Protocol):
    """A class of equations."""

    @property
    def roles(self) -> Starts:
        """See Equation."""

    @property
    def spec(self) -> type[EquationSpec]:
        """What a case says of one; its keys are the names of the terms."""

    def __call__(self, *arguments: Any, **terms: Any) -> Equation:
        """The equation with these terms."""


class TransientEquation(Equation, Protocol):
    """d/dt S(u; v) + A(u, m; v) = 0, linear in u with coefficients of u that do not depend on time."""

    @property
    def initial(self) -> Field | None:
        """u at time 0 where it is not the unknown, zero for None."""

    def storage(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol) -> Form:
        """UFL form of S, linear in u."""


def roles_of(equation: Equation) -> tuple[str, ...]:
    """The roles of the unknowns, in the order of the coefficients."""
    return (equation.role,) if isinstance(equation.role, str) else equation.role


def components(equation: Any, dimension: int) -> tuple[str, ...]:
    """Names of the components that the state of an equation (or of its class) has on a mesh of this
    dimension; none of a scalar."""
    return equation.components(dimension) if hasattr(equation, "components") else ()


def stands_for(role: str) -> str:
    """The term of the residual that a coefficient of this role takes the place of."""
    return role.removeprefix(LOGARITHM)


def prefix_of(role: str) -> str:
    """What the output calls the physical quantity before the unknown's name, empty where m is itself it."""
    return "exp" if role.startswith(LOGARITHM) else ""


def physical(role: str, m: Symbol) -> Symbol:
    """The term that a coefficient of this role stands for, in UFL."""
    import ufl

    return ufl.exp(m) if role.startswith(LOGARITHM) else m


def term(equation: Untyped, name: str, m: Mapping[str, Symbol], x: Symbol, otherwise: float = 0.0) -> Symbol:
    """A coefficient of the residual: made of the unknown of that role, else as the equation was given it."""
    import ufl

    from app.mesh.fields import in_ufl

    for role, unknown in m.items():
        if stands_for(role) == name:
            return physical(role, unknown)
    given = getattr(equation, name)
    return ufl.as_ufl(otherwise) if given is None else in_ufl(given, x)


def vector(fields: Sequence[Field], x: Symbol) -> Symbol:
    """What is given as one field a component."""
    import ufl

    from app.mesh.fields import in_ufl

    return ufl.as_vector([in_ufl(field, x) for field in fields])


def cells(x: Symbol) -> Symbol:
    """The measure of the cells; said with its mesh, which a source of zero does not know."""
    import ufl
    from ufl.domain import extract_unique_domain

    return ufl.dx(extract_unique_domain(x))


def inflow(
    equation: Equation, u: Symbol, m: Mapping[str, Symbol], v: Symbol, x: Symbol, ds: BoundaryMeasure
) -> Form:
    """∫ F v over the parts of the boundary where the flux F is said; the residual subtracts it."""
    from app.mesh.fields import in_ufl

    form: Form = 0
    for index, condition in enumerate(equation.boundary.values()):
        if condition.kind == "unknown":
            form += m["boundary_flux"] * v * ds(index)
        elif condition.kind != "dirichlet":
            for state, test, given in _conditioned(condition, u, v):
                form += condition.enters(given, x) * test * ds(index)
                if condition.transfer is not None:
                    form -= in_ufl(condition.transfer, x) * state * test * ds(index)
    return form


def _conditioned(condition: BoundaryCondition, u: Symbol, v: Symbol) -> list[tuple[Symbol, Symbol, Untyped]]:
    """State, test function and value, or ambient, of each component that a condition is about."""
    if v.ufl_shape == ():
        return [(u, v, condition.given)]
    return [(u[i], v[i], given) for i, given in condition.by_component(len(v))]
