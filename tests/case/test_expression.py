"""Expressions: the two ways of evaluation agree, and nothing outside the grammar gets in."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import ufl
from basix.ufl import element
from hypothesis import given, settings
from hypothesis import strategies as st

from app.case import Expression, ExpressionError, ParametricExpression
from app.mesh import in_ufl
from app.mesh.fields import OPERATIONS as IN_UFL
from app.schema.grammar import ACCEPTED, BY_NUMPY, DEEPEST_NESTING, FUNCTIONS, LONGEST_TEXT

POINTS = np.array([[0.3, 0.4], [0.25, 0.75], [0.9, 0.1], [0.5, 0.5]])
X = ufl.SpatialCoordinate(ufl.Mesh(element("Lagrange", "triangle", 1, shape=(2,))))
REFERENCE = {
    **{name: getattr(math, name) for name in FUNCTIONS if hasattr(math, name)},
    **{"abs": abs, "min": min, "max": max, "pi": math.pi, "e": math.e},
}
OPERATIONS = ["{}+{}", "{}-{}", "{}*{}", "{}/(1.5+({})**2)", "({})**2*{}", "2**sin({})-{}"]
CONDITIONS = [
    "{} < {}",
    "{} <= {}",
    "not {} > {}",
    "{} >= {} or x < 0.4",
    "{} != {} and y > 0.2",
    "{} == {}",
    "0.2 < {} < {}",
]


def by_python(text: str, point: np.ndarray) -> float:
    """The oracle: Python's own evaluation of a text that the tests wrote themselves."""
    return eval(text, {"__builtins__": {}}, {**REFERENCE, "x": point[0], "y": point[1]})


def numbers() -> st.SearchStrategy[str]:
    """Texts of real expressions in x and y that are finite on the unit square."""
    leaves = st.sampled_from(["x", "y", "pi", "e", "2", "0.5", "1/3", "1e-3", "0"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        bounded = ["sin", "cos", "atan", "tanh"]
        calls = st.builds("{}({})".format, st.sampled_from(bounded), inner)
        pairs = st.builds(lambda form, a, b: f"({form.format(f'({a})', f'({b})')})",
                          st.sampled_from(OPERATIONS), inner, inner)  # fmt: skip
        extremes = st.builds("{}({}, {}, x)".format, st.sampled_from(["min", "max"]), inner, inner)
        tests = st.builds(lambda form, a, b: form.format(f"({a})", f"({b})"),
                          st.sampled_from(CONDITIONS), inner, inner)  # fmt: skip
        choices = st.builds("({} if {} else {})".format, inner, tests, inner)
        signs = st.builds("(-{})".format, inner)
        return calls | pairs | extremes | choices | signs

    return st.recursive(leaves, grow, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(numbers())
def test_numpy_and_ufl_agree_with_python(text: str) -> None:
    """At every point both evaluations give what Python's own arithmetic gives."""
    expression = Expression(text)
    expected = [by_python(expression.text, point) for point in POINTS]
    values = expression.numpy(POINTS)
    assert values.shape == (4,) and values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
    form = in_ufl(expression, X)
    np.testing.assert_allclose([form(tuple(p)) for p in POINTS], expected, rtol=1e-12, atol=1e-12)


def test_ufl_knows_every_operation_of_the_grammar() -> None:
    """And no other."""
    assert IN_UFL.keys() == BY_NUMPY.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("arguments", ["x", "0.5"])
def test_every_function_agrees_with_python(name: str, arguments: str) -> None:
    """The whole whitelist gives Python's values, of a coordinate and of a constant."""
    text = f"{name}({arguments}, y, 0.45)" if name in ("min", "max") else f"{name}({arguments})"
    expected = [by_python(text, point) for point in POINTS]
    expression = Expression(text)
    np.testing.assert_allclose(expression.numpy(POINTS), expected, rtol=1e-14)
    form = in_ufl(expression, X)
    np.testing.assert_allclose([form(tuple(p)) for p in POINTS], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1/3", 1 / 3),
        (10, 10),
        (2.5, 2.5),
        ("2**-1", 0.5),
        ("10**20 * 10**20", 1e40),
        ("-2**2", -4),
        ("1 if 2 > 1 and not 1 > 2 else 0", 1),
        ("  1 +\n  2 ", 3),
        ("1e-3", 1e-3),
    ],
)
def test_constants_are_real_numbers(source: str | float, value: float) -> None:
    """Constants divide and grow as real numbers do, are broadcast, and become UFL constants."""
    expression = Expression(source)
    assert expression.constant == value and expression.variables == frozenset()
    np.testing.assert_array_equal(expression.numpy(POINTS), [value] * 4)
    assert in_ufl(expression, X)(()) == value


def test_small_whole_exponents_stay_integers() -> None:
    """UFL sees polynomials as such, while a large exponent does not blow up the quadrature."""

    def degree(text: str) -> int:
        return ufl.algorithms.estimate_total_polynomial_degree(in_ufl(Expression(text), X))

    assert degree("x**3 + 1") == degree("x**3.0 + 1") == 3
    assert degree("x**1000") < 10


def test_variables_are_those_the_value_depends_on() -> None:
    """A branch never taken does not count, a coordinate beyond the dimension is refused."""
    assert Expression("x*cos(z) if y < 1 else 2").variables == {"x", "y", "z"}
    assert Expression("x if 1 < 2 else z").variables == {"x"}
    for evaluate in (lambda: Expression("z").numpy(POINTS), lambda: in_ufl(Expression("z"), X)):
        with pytest.raises(ExpressionError, match=r"found z in 'z', expected x, y"):
            evaluate()


BAD = {
    "1 + q": ("unknown name 'q' at column 5 of '1 + q'", "x, y, z, pi, e"),
    "cosh + 1": ("function 'cosh' without arguments at column 1", "cosh(...)"),
    "1 + sine(x)": ("unknown function 'sine' at column 5", "(did you mean 'sin'?)"),
    "pie": ("unknown name 'pie'", "(did you mean 'pi'?)"),
    "x.real": ("attribute access '.real' at column 1", "sin, cos"),
    "π*x": ("unknown name 'π' at column 1", "pi"),
    "'é' + x.a": ("the constant 'é' at column 1", "numbers"),
    "x*y.imag": ("attribute access '.imag' at column 3", "numbers"),
    "x[0]": ("construct Subscript", "numbers"),
    "x()": ("unknown function 'x'", "sin"),
    "x.sin(1)": ("a call of something that is no function name", "functions"),
    "(lambda: 1)()": ("a call of something", "functions"),
    "lambda: 1": ("construct Lambda", "numbers"),
    "[1]": ("construct List", "numbers"),
    "(x := 1)": ("construct NamedExpr", "numbers"),
    "f'{x}'": ("construct JoinedStr", "numbers"),
    "[x for x in y]": ("construct ListComp", "numbers"),
    "sin(x=1)": ("a keyword argument of sin", "without names"),
    "sin(*x)": ("construct Starred", "numbers"),
    "sin()": ("0 arguments", "1 for sin"),
    "sin(x, y)": ("2 arguments", "1 for sin"),
    "min(x)": ("1 arguments", "two or more for min"),
    "x % 2": ("operator Mod", "+ - * / **"),
    "x // 2": ("operator FloorDiv", "+ - * / **"),
    "~x": ("operator Invert", "numbers"),
    "x ^ 2": ("operator BitXor", "**"),
    "1j": ("the constant 1j", "numbers"),
    "True": ("true at column 1", "numbers"),
    "None": ("the constant nothing", "numbers"),
    "'x'": ("the constant 'x'", "numbers"),
    "x < 1": ("a condition at column 1", "write 1 if"),
    "1 + (x < 1)": ("a condition at column 6", "a number"),
    "x and y": ("a number at column 1", "a condition such as"),
    "1 if x else 0": ("a number at column 6", "a condition such as"),
    "1 if x in y else 2": ("construct In", "< <="),
    "1 if x is y else 2": ("construct Is", "< <="),
    "1/0": ("the value inf at column 1 of '1/0'", "finite"),
    "x + log(-1)": ("the value nan at column 5", "finite"),
    "10**400 + x": ("the value inf", "finite"),
    "x + 1e999": ("a number too large", "finite"),
    "x + " + "9" * 400: ("a number too large", "finite"),
    "x + " + "9" * 9000: ("", ""),
    "1 +": ("invalid syntax", "an expression such as"),
    "x = 1": ("invalid syntax", "an expression such as"),
    "import os": ("invalid syntax", "an expression such as"),
    "1 # one": ("'#' at column 3", "numbers"),
    "x\0": ("", ""),
    "": ("an empty expression", "numbers"),
    "  ": ("an empty expression", "numbers"),
    "nan": ("'nan'", "a finite number"),
    "(" * 5000 + "x" + ")" * 5000: ("characters", f"at most {LONGEST_TEXT}"),
    "(" * 4000 + "x" + ")" * 4000: ("", ""),
    "-" * 9000 + "x": ("nested too deeply", f"{DEEPEST_NESTING} levels"),
    "x" + "+x" * 4000: ("nested too deeply", f"{DEEPEST_NESTING} levels"),
    "x" + "**x" * 3000: ("nested too deeply", f"{DEEPEST_NESTING} levels"),
    "x" * 100_000: ("100000 characters", f"at most {LONGEST_TEXT}"),
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_everything_else_is_refused_by_name_and_column(text: str) -> None:
    """Each construct outside the grammar raises with what was found and expected."""
    with pytest.raises(ExpressionError) as caught:
        Expression(text)
    found, expected = BAD[text]
    assert found in caught.value.found and expected in caught.value.expected
    assert len(str(caught.value)) < 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("source", [True, None, [1], math.inf, -math.inf, math.nan, 10**400])
def test_sources_that_are_neither_text_nor_finite_numbers_are_refused(source: object) -> None:
    """Truth values, lists and infinities from YAML are no expressions."""
    with pytest.raises(ExpressionError, match="expected a"):
        Expression(source)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="xyz()+-*/.,<>= 0123456789esincoqrtaif_[]'", max_size=30))
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    """No text, however odd, escapes as another exception."""
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    assert expression.numpy(np.zeros((2, 3))).shape == (2,)
    assert pickle.loads(pickle.dumps(expression)) == expression


def test_functions_are_told_in_the_message() -> None:
    """What is accepted is the whitelist itself."""
    assert all(name in ACCEPTED for name in FUNCTIONS)


def test_parameters_are_names_beside_the_coordinates() -> None:
    """Values at points for one value of each, also after the way to another rank; other names are refused."""
    expression = pickle.loads(pickle.dumps(ParametricExpression("a*x + y**2 if b > 0 else -a", ("a", "b"))))
    points = np.array([[0.5, 2.0], [1.0, -1.0]])
    np.testing.assert_array_equal(expression.at(points, {"a": 4.0, "b": 1.0}), [6.0, 5.0])
    np.testing.assert_array_equal(expression.at(points, {"a": 4.0, "b": -1.0}), [-4.0, -4.0])
    assert expression.variables == {"x", "y", "a", "b"}
    expression.check_dimension(2)
    with pytest.raises(ExpressionError, match="found y in"):
        expression.check_dimension(1)
    with pytest.raises(ExpressionError, match=r"unknown name 'c'.*x, y, z, a, b, pi"):
        ParametricExpression("c*x", ("a", "b"))
    with pytest.raises(ExpressionError, match="unknown name 'a'"):
        Expression("a*x")
