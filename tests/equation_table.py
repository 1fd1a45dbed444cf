"""Every equation with every role of its coefficient, and arguments that any of them can be given."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from app.case import Expression
from app.equations import EQUATIONS, BoundaryCondition, Equation, components, stands_for
from app.equations import ROLES as STARTS

ROLES = [(kind, role) for kind, physics in EQUATIONS.items() for role in physics.roles]
"""All pairs; a new equation is among them."""

LINEAR = [kind for kind, physics in EQUATIONS.items() if physics.linear]
NONLINEAR = [kind for kind in EQUATIONS if kind not in LINEAR]

GIVEN = {
    "source": lambda dimension: Expression("10"),
    "diffusivity": lambda dimension: Expression("1 + 0.5*sin(2*x)"),
    "reaction": lambda dimension: Expression("2 + cos(3*x)"),
    "velocity": lambda dimension: tuple(map(Expression, ("4 - x", "2*x", "1")[:dimension])),
    "anisotropy": lambda dimension: tuple(
        tuple(Expression("2 + x" if i == j else "0.5") for j in range(dimension)) for i in range(dimension)
    ),
    "youngs_modulus": lambda dimension: Expression("2 + sin(2*x)"),
    "body_force": lambda dimension: tuple(map(Expression, ("2", "x - 3", "1")[:dimension])),
    "frequency": lambda dimension: 3.0,
    "imaginary_source": lambda dimension: Expression("4*x"),
    "squared_slowness": lambda dimension: Expression("1 + 0.3*x"),
}
"""What an equation is given by the names of its fields; those of other names keep their defaults."""

CONDITIONS = {
    "wall": BoundaryCondition(("left",), "dirichlet", Expression("0.2*y")),
    "inflow": BoundaryCondition(("top",), "neumann", Expression("1 + x")),
    "loss": BoundaryCondition(("right",), "robin", Expression("1"), Expression("2 + y")),
}
"""One of each kind on the sides of the unit square; laws that take the same compile the same forms."""


def make_equation(
    kind: str,
    boundary: Mapping[str, BoundaryCondition],
    dimension: int,
    *,
    role: str | tuple[str, ...] | None = None,
    plain: bool = True,
    **given: Any,
) -> Equation:
    """The equation with all that its role, or those of several unknowns, leave known.

    `plain` leaves out what has a default. An unknown flux enters through the top, in one dimension the right
    end; waves leave at the bottom.
    """
    physics = EQUATIONS[kind]
    role = role or next(iter(physics.roles))
    sought = {stands_for(each) for each in ((role,) if isinstance(role, str) else role)}
    arguments = {}
    for field in fields(physics):
        optional = plain and field.default is not MISSING
        if field.name in GIVEN and not optional:
            arguments[field.name] = given.get(field.name, GIVEN[field.name](dimension))
    arguments = {name: None if name in sought else value for name, value in arguments.items()}
    if sought == {"boundary_flux"}:
        part = "right" if dimension == 1 else "top"
        boundary = {**boundary, "unknown": BoundaryCondition((part,), "unknown")}
    if kind == "helmholtz":
        boundary = {**boundary, "outside": BoundaryCondition(("bottom",), "absorbing", Expression("0.3"))}
    return physics(boundary=boundary, role=role, **arguments)


def coefficient_for(role: str | None, values: np.ndarray) -> np.ndarray:
    """Values of size one as a coefficient of this role: those without a logarithm that have to be are
    positive."""
    return values if role is None else values + 2.0 * (STARTS[role] or 0.0)


def each_component(equation: Equation, dimension: int, readings: int) -> np.ndarray:
    """Components that so many readings are of, one after the other; shape (readings,)."""
    return np.arange(readings) % max(1, len(components(equation, dimension)))
