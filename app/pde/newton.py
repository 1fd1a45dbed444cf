"""Newton's method with a backtracking line search, for whoever can assemble a residual and its derivative.

PETSc's SNES takes the same steps, to the last bit on `nonlinear`, `power_law` and `cubic`. It is not used: a
solver that counts, fails on all ranks alike and is kept for tangent and adjoint would have to hide in a shell
matrix and a shell preconditioner, and SolveFailed to pass through C, which is more code than the loop below.
"""

from collections.abc import Callable

import numpy as np

from app.parallel import SolveFailed

MOST_STEPS = 50

HALVINGS = 40
"""Of a step that does not lower the residual; the first from zero may be too long by any power of ten."""

DECREASE = 1e-4
"""A step of length t has to lower the residual's norm by this share of t at least (Armijo)."""

SMALL = 1e-8
"""A step shorter than this share of the state is the last: what is left is its square, which is rounding."""

type Vector = np.ndarray


def newton(
    start: Vector,
    residual: Callable[[Vector], Vector],
    linearise: Callable[[Vector], None],
    solve: Callable[[Vector], Vector],
    norm: Callable[[Vector], float],
) -> Vector:
    """The u with F(u) = 0 that is reached from `start`, the rank's owned part; collective.

    `linearise(u)` sets up F′(u), with which `solve` then solves; when this returns, it is set up at the
    solution. `norm` is the same on all ranks, so that they agree on every decision. Raises SolveFailed on all
    ranks where no decrease is found, or the solver's own.
    """
    u, f = start, residual(start)
    if not np.isfinite(norm(f)):
        raise SolveFailed("the residual of the state equation is not finite at this coefficient")
    for _ in range(MOST_STEPS):
        linearise(u)
        step = -solve(f)
        if not np.isfinite(norm(step)):
            raise SolveFailed("Newton's method found no state: a step is not finite")
        after: Vector = u + step
        if norm(step) <= SMALL * norm(after):
            linearise(after)
            return after
        u, f = _backtracked(u, f, step, residual, norm)
    raise SolveFailed(f"Newton's method found no state in {MOST_STEPS} steps")


def _backtracked(
    u: Vector, f: Vector, step: Vector, residual: Callable[[Vector], Vector], norm: Callable[[Vector], float]
) -> tuple[Vector, Vector]:
    """The first of u + step, u + step/2, u + step/4, … that lowers the residual, and its residual."""
    size, t = norm(f), 1.0
    for _ in range(HALVINGS):
        trial = u + t * step
        f = residual(trial)
        if norm(f) <= (1 - DECREASE * t) * size:  # never so for one that is not a number
            return trial, f
        t /= 2
    raise SolveFailed("Newton's method found no state: its line search finds no decrease of the residual")
