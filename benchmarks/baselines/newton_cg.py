"""Gauss-Newton-CG on nodal values, the classical method for such problems.

Inexact Newton steps by preconditioned conjugate gradients and a line search, as hIPPYlib has them (Villa,
Petra and Ghattas 2021). A given weight is the method proper; without one, users solve for several weights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.baselines.problem import Counts, Point, Problem, SolveFailed
from benchmarks.baselines.trace import Result, Trace

ARMIJO, BACKTRACKS = 1e-4, 10
COARSEST, CG_ITERATIONS = 0.5, 100  # the loosest relative tolerance of CG, and its limit
GRADIENT, ITERATIONS = 1e-4, 50
"""Share of the start's gradient norm at which a minimum is reached, and the limit of Newton steps."""
ROUGH, CLOSE = 0.1, 5e-2
"""GRADIENT of the optima that only lead to the next weight, before and after one was too small."""
WINDOW, NARROW = (0.9, 1.0), 1.2
"""Misfit over target that the discrepancy principle accepts, and the factor between two weights below which
no optimum between them is expected to lie in it."""
FIRST, COOLING, WEIGHTS = 1e-2, (10.0, 30.0), 30
"""The first weight relative to the largest eigenvalue of R⁻¹JᵀJ; the least and largest factor between weights
while cooling; how many weights at most. Chosen for few right-hand sides: FIRST and ROUGH on two
cases, COOLING and CLOSE on eight."""

Vector = np.ndarray
Pairs = list[tuple[float, float]]


@dataclass(frozen=True)
class Optimum:
    """Where Newton's iteration ended, why, and ‖E′‖ in M⁻¹ at the last step's start, or at the minimum."""

    point: Point
    reason: str
    norm: float


def newton_cg(problem: Problem, weight: float | Literal["discrepancy"]) -> Result:
    """Run a problem from its start, whose solves count. `weight` is a number or `discrepancy`, found so that
    the optimum's misfit lies in WINDOW, every solve counted."""
    trace, more = Trace(problem, since=Counts()), dict[str, Any]()
    if weight == "discrepancy":
        optimum, more["weights"] = by_discrepancy(problem, trace)
    else:
        optimum = minimise(problem, problem.start, weight, trace)
    return trace.summary("newton_cg", optimum.reason, **more), trace.rows


def minimise(
    problem: Problem, start: Point, weight: float, trace: Trace, tolerance: float = GRADIENT, floor: float = 0
) -> Optimum:
    """Minimise E from `start` by a step at least.

    Stops when the gradient's norm ‖E′‖ in M⁻¹, M the mass matrix, is `tolerance` times that at the start, or
    below `floor`. CG's tolerance is min(½, √(‖E′‖/‖E′ at the start‖)) (Eisenstat and Walker 1996).
    """
    point, value = start, problem.energy(start, weight)
    if not trace.rows:
        trace.row(point, weight, problem.size)
    first = norm = 0.0
    for iteration in range(ITERATIONS):
        slope = problem.derivative(point, weight)
        norm = gradient_norm(problem, slope)
        first = first or norm
        if norm == 0.0 or (iteration > 0 and norm <= max(tolerance * first, floor)):
            return Optimum(point, "minimum", norm)
        forcing = min(COARSEST, math.sqrt(norm / first))
        step, vectors = steihaug(problem, gauss_newton(problem, point, weight), -slope, forcing)
        found, trials = search(problem, point, step, value, float(slope @ step), weight)
        trace.row(found or point, weight, problem.size, vectors, trials)
        if found is None:
            return Optimum(point, "no_accepted_step", norm)
        point, value = found, problem.energy(found, weight)
    return Optimum(point, "max_iterations", norm)


def gradient_norm(problem: Problem, slope: Vector) -> float:
    """√(slopeᵀM⁻¹slope), the L2 norm of the gradient."""
    return math.sqrt(slope @ problem.mass.riesz(slope))


def gauss_newton(problem: Problem, point: Point, weight: float) -> Callable[[Vector], Vector]:
    """v ↦ (JᵀJ + wR)v at the point: two incremental right-hand sides."""
    return lambda v: point.vjp(point.jvp(v)) + weight * problem.R.apply(v)


def steihaug(
    problem: Problem, apply: Callable[[Vector], Vector], right: Vector, tolerance: float
) -> tuple[Vector, int]:
    """Conjugate gradients preconditioned by R, and how often `apply` was called (Steihaug 1983).

    Ends when the residual's R⁻¹ norm is `tolerance` of the right-hand side's, or along a direction whose
    curvature is not positive: with what there is so far, or that direction itself if there is nothing.
    """
    x, residual = np.zeros_like(right), right.copy()
    direction = problem.R.riesz(residual)
    square = float(residual @ direction)
    enough = tolerance**2 * square
    for iteration in range(1, CG_ITERATIONS + 1):
        image = apply(direction)
        curvature = float(direction @ image)
        if curvature <= 0.0:
            return (direction if iteration == 1 else x), iteration
        length = square / curvature
        x = x + length * direction
        residual = residual - length * image
        z = problem.R.riesz(residual)
        previous, square = square, float(residual @ z)
        if square <= enough:
            return x, iteration
        direction = z + (square / previous) * direction
    return x, CG_ITERATIONS


def search(
    problem: Problem, point: Point, step: Vector, value: float, descent: float, weight: float
) -> tuple[Point | None, int]:
    """The first of m + step, m + step/2, ... with E ≤ E₀ + 1e-4 α E′step (Armijo); how many were rejected."""
    length = 1.0
    for rejected in range(BACKTRACKS):
        try:
            trial = problem.at(point.m + length * step, point)
            if problem.energy(trial, weight) <= value + ARMIJO * length * descent:
                return trial, rejected
        except SolveFailed:
            pass
        length *= 0.5
    return None, BACKTRACKS


def by_discrepancy(problem: Problem, trace: Trace) -> tuple[Optimum, list[dict[str, float]]]:
    """The optimum whose misfit lies in WINDOW, and all weights on the way.

    Cools from a large weight by secants of log φ over log w, then interpolates between the least weight that
    is too large and the largest that is too small; each optimum is sought from the one before. Raises
    ValueError without a noise level.
    """
    if problem.target is None:
        raise ValueError("found data without a noise level, expected a column sigma")
    low, high = WINDOW
    aim = math.log(math.sqrt(low * high))
    point, (norm, weight) = problem.start, first_weight(problem, problem.start)
    enough = GRADIENT * norm
    above, below = Pairs(), Pairs()
    tried: list[dict[str, float]] = []
    while True:
        rough = CLOSE if below else ROUGH
        optimum = minimise(problem, point, weight, trace, tolerance=rough, floor=1e-2 * enough)
        if optimum.norm > enough and low <= optimum.point.value / problem.target <= high:
            optimum = minimise(problem, optimum.point, weight, trace, tolerance=0.0, floor=enough)
        point = optimum.point
        share = point.value / problem.target
        tried.append({"weight": weight, "misfit": point.value, "linear_solves": trace.spent["linear_solves"]})
        if low <= share <= high or len(tried) == WEIGHTS:
            return optimum, tried
        (above if share > high else below).append((math.log(weight), math.log(share)))
        while above and below and min(above)[0] - max(below)[0] < math.log(NARROW):
            above.remove(min(above))  # a rough optimum whose misfit had not come down yet
        weight = math.exp(next_weight(above, below, aim))


def next_weight(above: Pairs, below: Pairs, aim: float) -> float:
    """log w at which log φ is expected to be `aim`, from the (log w, log φ) above and below it."""
    if above and below:
        (upper, high), (lower, low) = min(above), max(below)
        share = (aim - low) / (high - low) if high > low else 0.5
        return lower + min(max(share, 0.1), 0.9) * (upper - lower)
    least, most = (math.log(factor) for factor in COOLING)
    if not above:
        return max(below)[0] + least
    if len(above) < 2:
        return above[-1][0] - least
    (w0, f0), (w1, f1) = above[-2:]
    steepness = (f0 - f1) / (w0 - w1)
    wanted = (f1 - aim) / steepness if steepness > 0 else most
    return w1 - min(max(wanted, math.log(1.5)), most)


def first_weight(problem: Problem, start: Point) -> tuple[float, float]:
    """The gradient's norm at `start`, and FIRST times ‖Jv‖² / ‖v‖²_R for v = R⁻¹Jᵀe there, by one tangent."""
    slope = start.derivative()
    v = problem.R.riesz(slope)
    image = start.jvp(v)
    return gradient_norm(problem, slope), FIRST * float(image @ image) / float(v @ slope)
