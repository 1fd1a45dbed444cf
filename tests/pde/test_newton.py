"""Newton's method on equations of one unknown, whose solutions are known."""

from collections.abc import Callable

import numpy as np
import pytest

from app.parallel import SolveFailed
from app.pde.newton import newton

EQUATIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float], float, float]] = {
    "a line": (lambda u: 3 * u - 6, lambda u: 3.0, 0.0, 2.0),
    "a cubic": (lambda u: u**3 + u - 10, lambda u: 3 * u**2 + 1, 0.0, 2.0),
    "a step that overshoots": (np.arctan, lambda u: 1 / (1 + u**2), 3.0, 0.0),
    "a step that overflows": (lambda u: np.exp(u) - 1, np.exp, -8.0, 0.0),
    "a step out of the domain": (lambda u: np.log(u), lambda u: 1 / u, 4.0, 1.0),
}
"""F, F′, a start and the root."""


def solve(
    function: Callable[[float], float], derivative: Callable[[float], float], start: float
) -> tuple[float, list[float]]:
    """The root, and where F′ was taken."""
    taken: list[float] = []

    def at(u: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.array([function(u[0])])

    def linearise(u: np.ndarray) -> None:
        taken.append(u[0])

    def step(f: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return f / derivative(taken[-1])

    root = newton(np.array([start]), at, linearise, step, lambda f: abs(float(f[0])))
    return root[0], taken


@pytest.mark.parametrize("title", EQUATIONS)
def test_the_root_is_found_to_rounding(title: str) -> None:
    """Also where a full step leaves the domain or raises the residual; F′ is at the root in the end."""
    function, derivative, start, root = EQUATIONS[title]
    found, taken = solve(function, derivative, start)
    assert found == pytest.approx(root, rel=1e-13, abs=1e-13)
    assert taken[-1] == found


@pytest.mark.parametrize(
    "function, derivative",
    [
        (lambda u: u**2 + 1, lambda u: 2 * u),
        (lambda u: np.nan, lambda u: 1.0),
        (lambda u: 1.0, lambda u: 1.0),
    ],
    ids=["no root", "not a number", "flat"],
)
def test_an_equation_without_root_fails(
    function: Callable[[float], float], derivative: Callable[[float], float]
) -> None:
    """SolveFailed, after no more steps than are allowed."""
    with pytest.raises(SolveFailed):
        solve(function, derivative, 1.0)
