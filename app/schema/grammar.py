"""The grammar of expressions: from text to a small tree of whitelisted operations.

Python's own parser reads the text; nothing of it is ever run. Every node is either on the
lists below or refused by name and column.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.schema.problems import nearest, shown
from app.schema.section import COORDINATES

CONSTANTS = {"pi": math.pi, "e": math.e}
LONGEST_TEXT = 10_000
DEEPEST_NESTING = 200
"""Evaluation is recursive; this keeps it far from Python's own limit of 1000 frames."""
LARGEST_INTEGER_EXPONENT = 16
"""UFL multiplies the quadrature degree by an integer exponent; a larger one stays real."""
HIGHEST_DEGREE = 30
"""Of an expression by UFL's estimate: a cell's quadrature points grow with its power of the dimension, and to
compile a form of degree 50 in three dimensions takes a minute and 2.6 GB."""


class ExpressionError(ValueError):
    """An expression outside the grammar: what was `found`, where, and what is `expected`."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected

    def __str__(self) -> str:
        return f"found {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Operation:
    """One operation of the whitelist."""

    name: str
    """By which other algebras than NumPy's know it; see Expression.translated."""
    numpy: Callable[..., Any]
    arity: int = 1
    """Number of arguments; 0 stands for two or more, taken pairwise."""
    on_conditions: bool = False
    """Whether the arguments are conditions rather than numbers."""
    is_condition: bool = False


@dataclass(frozen=True)
class Apply:
    """An operation applied to trees."""

    operation: Operation
    arguments: tuple[Tree, ...]


type Tree = float | bool | str | Apply
"""A constant, the truth of a constant condition, the name of a coordinate, or an operation."""

FUNCTIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("sin", np.sin),
        Operation("cos", np.cos),
        Operation("tan", np.tan),
        Operation("asin", np.arcsin),
        Operation("acos", np.arccos),
        Operation("atan", np.arctan),
        Operation("sinh", np.sinh),
        Operation("cosh", np.cosh),
        Operation("tanh", np.tanh),
        Operation("exp", np.exp),
        Operation("log", np.log),
        Operation("sqrt", np.sqrt),
        Operation("abs", operator.abs),
        Operation("min", np.minimum, arity=0),
        Operation("max", np.maximum, arity=0),
    )
}
OPERATORS: dict[type[ast.AST], Operation] = {
    ast.Add: Operation("+", operator.add, arity=2),
    ast.Sub: Operation("-", operator.sub, arity=2),
    ast.Mult: Operation("*", operator.mul, arity=2),
    ast.Div: Operation("/", operator.truediv, arity=2),
    ast.Pow: Operation("**", operator.pow, arity=2),
    ast.USub: Operation("negative", operator.neg),
    ast.UAdd: Operation("positive", operator.pos),
    ast.Lt: Operation("<", np.less, 2, is_condition=True),
    ast.LtE: Operation("<=", np.less_equal, 2, is_condition=True),
    ast.Gt: Operation(">", np.greater, 2, is_condition=True),
    ast.GtE: Operation(">=", np.greater_equal, 2, is_condition=True),
    ast.Eq: Operation("==", np.equal, 2, is_condition=True),
    ast.NotEq: Operation("!=", np.not_equal, 2, is_condition=True),
    ast.And: Operation("and", np.logical_and, 2, on_conditions=True, is_condition=True),
    ast.Or: Operation("or", np.logical_or, 2, on_conditions=True, is_condition=True),
    ast.Not: Operation("not", np.logical_not, 1, on_conditions=True, is_condition=True),
    ast.IfExp: Operation("if", np.where, arity=3),
}
BY_NUMPY = {operation.name: operation.numpy for operation in (*FUNCTIONS.values(), *OPERATORS.values())}
"""All operations by name."""
LINEAR = ("+", "-", "negative", "positive", "abs", "min", "max")
"""Operations that have the highest degree of their arguments."""
ACCEPTED = (
    "numbers, x, y, z, pi, e, + - * / **, comparisons, and, or, not, 'a if c else b' and the"
    f" functions {', '.join(FUNCTIONS)}"
)


def parse(text: str, coordinates: tuple[str, ...] = COORDINATES) -> Tree:
    """The tree of an expression; constant parts are already computed. Raises ExpressionError."""
    if len(text) > LONGEST_TEXT:
        expected = f"at most {LONGEST_TEXT} characters"
        raise ExpressionError(f"an expression of {len(text)} characters", expected)
    if not text:
        raise ExpressionError("an empty expression", ACCEPTED)
    if "#" in text:  # Python would silently drop the rest as a comment
        raise ExpressionError(f"'#' at column {text.index('#') + 1} of {shown(text)}", ACCEPTED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1if x else 2" is deprecated, yet clear
            body = ast.parse(text, mode="eval").body
    except SyntaxError as cause:
        found = f"{cause.msg} at column {cause.offset or 1} of {shown(text)}"
        raise ExpressionError(found, "an expression such as 1 + 0.5*sin(pi*x)") from None
    except (RecursionError, MemoryError, ValueError):
        raise _too_deep() from None
    tree = _Parser(text, coordinates).number(body, 0)
    if (high := degree(tree)) > HIGHEST_DEGREE:
        counted = "factors add up, a power multiplies, a function or a root adds 2"
        expected = f"at most {HIGHEST_DEGREE} ({counted})"
        raise ExpressionError(f"the polynomial degree {high} of {shown(text)}", expected)
    return tree


def degree(tree: Tree) -> int:
    """The polynomial degree by which UFL chooses the quadrature of an expression on straight cells."""
    if not isinstance(tree, Apply):
        return 1 if isinstance(tree, str) else 0
    name = tree.operation.name
    if name == "if":
        return max(map(degree, tree.arguments[1:]))
    parts = [degree(part) for part in tree.arguments]
    if name in ("*", "/"):
        return sum(parts)
    if name == "**":
        exponent = tree.arguments[1]
        whole = isinstance(exponent, int) and exponent >= 0
        return parts[0] * int(exponent) if whole else parts[0] + 2  # type: ignore[arg-type]  # an int
    if name in LINEAR:
        return max(parts)
    return parts[0] + 2 if parts[0] else 0


class _Parser:
    """Turns syntax nodes into trees; `text` is at hand so that refusals can tell the column."""

    def __init__(self, text: str, coordinates: tuple[str, ...]) -> None:
        self.text = text
        self.coordinates = coordinates

    def number(self, node: ast.expr, depth: int) -> Tree:
        tree, is_condition = self.tree(node, depth)
        if is_condition:
            raise self.refusal(node, "a condition", "a number (write 1 if ... else 0)")
        return tree

    def condition(self, node: ast.expr, depth: int) -> Tree:
        tree, is_condition = self.tree(node, depth)
        if not is_condition:
            raise self.refusal(node, "a number", "a condition such as x < 0.5")
        return tree

    def tree(self, node: ast.expr, depth: int) -> tuple[Tree, bool]:
        """The tree of a node, and whether it is a condition."""
        if depth > DEEPEST_NESTING:
            raise _too_deep()
        match node:
            case ast.Constant(value=bool()):
                raise self.refusal(node, shown(node.value), ACCEPTED)
            case ast.Constant(value=int() | float()):
                return self.constant(node), False
            case ast.Name():
                return self.name(node), False
            case ast.UnaryOp() if type(node.op) in OPERATORS:
                operands = [node.operand]
                operation = OPERATORS[type(node.op)]
            case ast.BinOp() if type(node.op) in OPERATORS:
                operands = [node.left, node.right]
                operation = OPERATORS[type(node.op)]
            case ast.BoolOp():
                operands = node.values
                operation = OPERATORS[type(node.op)]
            case ast.Call(func=ast.Name()):
                operands = node.args
                operation = self.function(node)
            case ast.Compare():
                return self.comparison(node, depth), True
            case ast.IfExp():
                test = self.condition(node.test, depth + 1)
                branches = [self.number(b, depth + 1) for b in (node.body, node.orelse)]
                return self.apply(node, OPERATORS[ast.IfExp], [test, *branches]), False
            case _:
                raise self.refusal(node, _construct(node), ACCEPTED)
        read = self.condition if operation.on_conditions else self.number
        trees = [read(operand, depth + 1) for operand in operands]
        return self.pairwise(node, operation, trees), operation.is_condition

    def constant(self, node: ast.Constant) -> float:
        try:
            value = float(node.value)  # type: ignore[arg-type]  # the caller saw an int or a float
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.refusal(node, "a number too large for double precision", "finite numbers")
        return value

    def name(self, node: ast.Name) -> Tree:
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id in self.coordinates:
            return node.id
        if node.id in FUNCTIONS:
            raise self.refusal(node, f"function {node.id!r} without arguments", f"{node.id}(...)")
        names = [*self.coordinates, *CONSTANTS]
        near = nearest(node.id, [*names, *FUNCTIONS])
        expected = f"one of {', '.join(names)} or a function ({', '.join(FUNCTIONS)}){near}"
        raise self.refusal(node, f"unknown name {node.id!r}", expected)

    def function(self, node: ast.Call) -> Operation:
        name = node.func.id  # type: ignore[attr-defined]  # the caller saw a Name
        if name not in FUNCTIONS:
            expected = f"one of {', '.join(FUNCTIONS)}{nearest(name, FUNCTIONS)}"
            raise self.refusal(node, f"unknown function {name!r}", expected)
        if node.keywords:
            raise self.refusal(node, f"a keyword argument of {name}", "arguments without names")
        arity, count = FUNCTIONS[name].arity, len(node.args)
        if count != arity and not (arity == 0 and count >= 2):
            expected = f"{arity or 'two or more'} for {name}"
            raise self.refusal(node, f"{count} arguments", expected)
        return FUNCTIONS[name]

    def comparison(self, node: ast.Compare, depth: int) -> Tree:
        """`a < b < c` is `a < b and b < c`."""
        trees = [self.number(n, depth + 1) for n in (node.left, *node.comparators)]
        links: list[Tree] = []
        for left, right, op in zip(trees[:-1], trees[1:], node.ops, strict=True):
            if type(op) not in OPERATORS:
                raise self.refusal(node, _construct(op), "one of < <= > >= == !=")
            links.append(self.apply(node, OPERATORS[type(op)], [left, right]))
        return self.pairwise(node, OPERATORS[ast.And], links)

    def pairwise(self, node: ast.expr, operation: Operation, trees: list[Tree]) -> Tree:
        if operation.arity == 1:
            return self.apply(node, operation, trees)
        return functools.reduce(lambda a, b: self.apply(node, operation, [a, b]), trees)

    def apply(self, node: ast.expr, operation: Operation, trees: list[Tree]) -> Tree:
        """The operation on the trees, computed at once where they are constant.

        Constants are computed in double precision by NumPy, the same for all ways of evaluation.
        """
        if all(isinstance(tree, float | int) for tree in trees):
            with np.errstate(all="ignore"):
                value = operation.numpy(*(np.asarray(tree)[()] for tree in trees))
            if not np.isfinite(value):
                raise self.refusal(node, f"the value {value}", "finite constants")
            return bool(value) if operation.is_condition else float(value)
        if operation is OPERATORS[ast.IfExp] and isinstance(trees[0], bool):
            return trees[1] if trees[0] else trees[2]
        if operation.on_conditions and any(isinstance(tree, bool) for tree in trees):
            return self.known_link(operation, trees)
        if operation is OPERATORS[ast.Pow] and isinstance(trees[1], float):
            trees = [trees[0], _exponent(trees[1])]
        return Apply(operation, tuple(trees))

    def known_link(self, operation: Operation, trees: list[Tree]) -> Tree:
        """`and` or `or` where one side is known beforehand."""
        known, open_ = sorted(trees, key=lambda tree: not isinstance(tree, bool))
        decides = operation is OPERATORS[ast.Or]
        return known if known is decides else open_

    def refusal(self, node: ast.expr, found: str, expected: str) -> ExpressionError:
        prefix = self.text.encode()[: node.col_offset].decode(errors="ignore")  # offset in bytes
        place = f"at column {len(prefix) + 1} of {shown(self.text)}"
        return ExpressionError(f"{found} {place}", expected)


def _exponent(value: float) -> float:
    """Whole exponents as integers: UFL then knows polynomials, and their quadrature is exact."""
    small = abs(value) <= LARGEST_INTEGER_EXPONENT
    return int(value) if small and value == int(value) else value


def _construct(node: ast.AST) -> str:
    """A syntax node in words."""
    match node:
        case ast.Attribute():
            return f"the attribute access '.{node.attr}'"
        case ast.Constant():
            return f"the constant {shown(node.value)}"
        case ast.BinOp() | ast.UnaryOp():
            return f"the operator {type(node.op).__name__}"
        case ast.Call():
            return "a call of something that is no function name"
        case _:
            return f"the construct {type(node).__name__}"


def _too_deep() -> ExpressionError:
    found = "an expression nested too deeply"
    return ExpressionError(found, f"at most {DEEPEST_NESTING} levels (a sum counts one a term)")
