"""Functions of position that are given, and what they are in UFL."""

import operator
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import ufl
from ufl.algebra import Abs
from ufl.constantvalue import ComplexValue

from app.types import Symbol, Untyped


class Field(Protocol):
    """A function of position: either `Symbolic`, or with a method ufl(x) of its own.

    One of `ByNodes` has that method in place of `numpy`.
    """

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, dimension)."""


@runtime_checkable
class Symbolic(Protocol):
    """A function that is made of named operations, as the case writes it."""

    def translated(
        self,
        operations: Mapping[str, Callable[..., Symbol]],
        variables: Mapping[str, Symbol],
        constant: Callable[[float], Symbol],
    ) -> Symbol:
        """The value by these operations of these variables, `constant` making what stands for a number."""


@runtime_checkable
class ByNodes(Protocol):
    """A function that depends on the cells of its mesh, and so tells itself what it is at nodes."""

    def nodal(self, space: Untyped) -> np.ndarray:
        """Values at all owned nodes of an app.mesh.CoefficientSpace on the mesh; collective."""


def _absolute(value: Symbol) -> Symbol:
    """|value|; UFL (2026.1) makes of |(|value|)| a term that contains itself."""
    return value if isinstance(value, Abs) else abs(value)


def _real(operation: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """The operation; raises ValueError where UFL computes a complex number of its constants."""

    def checked(*arguments: Symbol) -> Symbol:
        value = operation(*arguments)
        if isinstance(value, ComplexValue | complex):
            raise ValueError("a complex number")
        return value

    return checked


OPERATIONS: dict[str, Callable[..., Symbol]] = {
    "sin": ufl.sin,
    "cos": ufl.cos,
    "tan": ufl.tan,
    "asin": ufl.asin,
    "acos": ufl.acos,
    "atan": ufl.atan,
    "sinh": ufl.sinh,
    "cosh": ufl.cosh,
    "tanh": ufl.tanh,
    "exp": ufl.exp,
    "log": ufl.ln,
    "sqrt": _real(ufl.sqrt),
    "abs": _absolute,
    "min": ufl.min_value,
    "max": ufl.max_value,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _real(operator.pow),
    "negative": operator.neg,
    "positive": operator.pos,
    "<": ufl.lt,
    "<=": ufl.le,
    ">": ufl.gt,
    ">=": ufl.ge,
    "==": ufl.eq,
    "!=": ufl.ne,
    "and": ufl.And,
    "or": ufl.Or,
    "not": ufl.Not,
    "if": ufl.conditional,
}
"""The operations of expressions by their names, in UFL."""


def in_ufl(field: Untyped, x: Symbol, t: Symbol = None) -> Symbol:
    """The UFL expression of a `Field` on the coordinates `x`, a ufl.SpatialCoordinate, and, if it depends on
    it, the time `t`, in UFL.

    Raises ValueError, as the field does, where it needs a coordinate that there is not or is not finite.
    """
    if isinstance(field, Symbolic):
        variables = {name: x[i] for i, name in enumerate("xyz"[: len(x)])}
        return field.translated(OPERATIONS, {**variables, "t": t}, ufl.as_ufl)
    return field.ufl(x)
