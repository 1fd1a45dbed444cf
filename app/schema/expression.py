"""Expressions in the coordinates, as a case writes them: evaluated by NumPy or translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic_core import PydanticSerializationUnexpectedValue, core_schema

from app.schema.grammar import BY_NUMPY, Apply, ExpressionError, Tree, parse
from app.schema.problems import shown
from app.schema.section import COORDINATES, refuse
from app.types import Summary

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler


class Expression:
    """A real function of x, y and z, from text such as `1 + 0.5*sin(pi*x)` or from a number.

    Immutable, compared by its text and pickled as its text. The grammar is a whitelist
    (see grammar.py); anything else raises ExpressionError on construction.
    """

    __slots__ = ("_tree", "text")

    _names: ClassVar[tuple[str, ...]] = COORDINATES

    text: str
    _tree: Tree

    def __init__(self, source: str | float) -> None:
        match source:
            case bool() | None:
                raise ExpressionError(shown(source), "a number or an expression")
            case int():
                text = str(source) if abs(source) < 10**300 else "1e999"
            case float():
                text = repr(float(source))
            case str():
                text = " ".join(source.split())  # YAML folds long expressions over lines
            case _:
                raise ExpressionError(shown(source), "a number or an expression")
        if text in ("inf", "-inf", "nan", "1e999"):
            raise ExpressionError(shown(source), "a finite number")
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "_tree", parse(text, self._names))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Expression is immutable, {name} cannot be set")

    @property
    def variables(self) -> frozenset[str]:
        """The coordinates the value depends on, a part of {x, y, z} and, in time, t."""
        return frozenset(_coordinates(self._tree))

    @property
    def constant(self) -> float | None:
        """The value of an expression without coordinates, None for any other."""
        return self._tree if isinstance(self._tree, float) else None

    def numpy(self, points: np.ndarray, t: float | None = None) -> np.ndarray:
        """Values at `points` (n, dim) and, if it depends on it, time t; float64 of shape (n,).

        Outside a function's domain (`sqrt(x)` left of 0) the values are nan or inf; callers look.
        """
        return self._evaluate(points, {"t": t})

    def _evaluate(self, points: np.ndarray, others: Mapping[str, float | None]) -> np.ndarray:
        """Values at points and at one value of each of the other names."""
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2:
            raise ValueError(f"found points of shape {points.shape}, expected (n, dim)")
        self.check_dimension(points.shape[1])
        columns = dict(zip(COORDINATES, points.T, strict=False)) | dict(others)
        with np.errstate(all="ignore"):  # np.where computes both branches
            values = _folded(self._tree, BY_NUMPY, columns, _itself)
        return np.array(np.broadcast_to(values, len(points)), dtype=np.float64)

    def translated[T](
        self,
        operations: Mapping[str, Callable[..., T]],
        variables: Mapping[str, T],
        constant: Callable[[float], T],
    ) -> T:
        """The value in another algebra than NumPy's, such as UFL's.

        `operations` are those of the grammar by name (BY_NUMPY has them all), `variables` the coordinates
        that there are and, if the expression depends on it, the time t; `constant` is what stands for a
        number. Raises ExpressionError where a coordinate is missing or the algebra refuses.
        """
        self.check_dimension(sum(name in variables for name in COORDINATES))
        try:
            return _folded(self._tree, operations, variables, constant)
        except (ArithmeticError, ValueError) as cause:  # UFL folds 0*x, and then 1/(0*x)
            found = f"{shown(self.text)}, which cannot be translated ({cause})"
            raise ExpressionError(found, "an expression with finite values") from cause

    def check_dimension(self, dimension: int) -> None:
        """Raise ExpressionError where a coordinate is used that `dimension` does not have."""
        known = COORDINATES[:dimension]
        strangers = sorted(self.variables.intersection(COORDINATES).difference(known))
        if strangers:
            found = f"{', '.join(strangers)} in {shown(self.text)}"
            raise ExpressionError(found, f"{', '.join(known)} (dimension {dimension})")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[type[Expression], tuple[str, *tuple[tuple[str, ...], ...]]]:
        return type(self), (self.text,)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            partial(_from_yaml, cls),
            serialization=core_schema.plain_serializer_function_ser_schema(_to_yaml, when_used="always"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> Summary:
        return {"type": ["string", "number"], "format": "expression"}


class SpaceTimeExpression(Expression):
    """A real function of x, y, z and the time t."""

    __slots__ = ()
    _names = (*COORDINATES, "t")


class ParametricExpression(Expression):
    """A real function of x, y, z and of parameters with names."""

    __slots__ = ("_names", "parameters")

    parameters: tuple[str, ...]

    def __init__(self, source: str | float, parameters: tuple[str, ...] = ()) -> None:
        """`parameters` are the names that the text may use beside the coordinates."""
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "_names", (*COORDINATES, *parameters))
        super().__init__(source)

    def at(self, points: np.ndarray, parameters: Mapping[str, float]) -> np.ndarray:
        """Values at `points` (n, dim) for one value of each parameter; see Expression.numpy."""
        return self._evaluate(points, parameters)

    def __reduce__(self) -> tuple[type[Expression], tuple[str, tuple[str, ...]]]:
        return type(self), (self.text, self.parameters)


def _from_yaml(kind: type[Expression], value: Any, info: core_schema.ValidationInfo[Any]) -> Expression:
    """Validation of a field; the context tells the dimension where the case alone settles it, and the names
    of the parameters where there are some."""
    context = info.context or {}
    names = (tuple(context.get("parameters", ())),) if issubclass(kind, ParametricExpression) else ()
    try:
        expression = value if isinstance(value, kind) else kind(getattr(value, "text", value), *names)
        dimension = context.get("dimension")
        if dimension:
            expression.check_dimension(dimension)
    except ExpressionError as cause:
        raise refuse(cause.found, cause.expected) from cause
    return expression


def _to_yaml(value: object) -> str:
    """The text; a list of expressions, which a field may have in its place, is for the next member."""
    if not isinstance(value, Expression):
        raise PydanticSerializationUnexpectedValue(f"found a {type(value).__name__}, expected an Expression")
    return value.text


def _coordinates(tree: Tree) -> set[str]:
    match tree:
        case str():
            return {tree}
        case Apply():
            return set().union(*map(_coordinates, tree.arguments))
        case _:
            return set()


def _folded[T](
    tree: Tree,
    operations: Mapping[str, Callable[..., T]],
    variables: Mapping[str, T],
    constant: Callable[[float], T],
) -> T:
    match tree:
        case str():
            return variables[tree]
        case Apply():
            parts = [_folded(part, operations, variables, constant) for part in tree.arguments]
            value = operations[tree.operation.name](*parts)
            # an algebra may compute functions of its own constants to Python's numbers, as UFL does
            return constant(value) if isinstance(value, float | int) else value
        case _:
            return constant(tree)


def _itself(number: float) -> float:
    return number
