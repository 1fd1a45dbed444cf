"""Gauss-Newton-CG on nodal values, the classical method for such problems.

Inexact Newton steps by preconditioned conjugate gradients and a line search, as hIPPYlib has them (Villa,
Petra and Ghattas 2021). A given weight is the method proper; without one, users solve for several weights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI

from app.case import Case
from app.flow import StopReason
from app.parallel import SolveFailed, timed
from app.pde import Counts
from benchmarks.baselines.trace import Point, Problem, Show, Trace, write

ARMIJO, BACKTRACKS = 1e-4, 10
COARSEST, CG_ITERATIONS = 0.5, 100
"""The loosest relative tolerance of CG, and its limit."""

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

PATIENCE = 4
"""Weights that the oracle tries after its best."""

Vector = np.ndarray
Weight = float | Literal["discrepancy", "oracle"]


@dataclass(frozen=True)
class Optimum:
    """Where Newton's iteration ended, and why."""

    point: Point
    reason: StopReason
    norm: float
    """‖E′‖ in M⁻¹ at the last step's start, or at the minimum."""


def newton_cg(
    case: Case,
    folder: Path,
    *,
    weight: Weight = "discrepancy",
    show: Show | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> dict[str, Any]:
    """Run, write the results into the folder and return the summary; collective.

    `weight` is a number; `discrepancy`, found so that the optimum's misfit lies in WINDOW, every solve
    counted; or `oracle`, the one of a grid whose optimum is nearest the truth: no method could know it, so
    only a run with that weight is counted, and what the search took is told apart.
    """
    problem = Problem(comm, case)
    more: dict[str, Any] = {}
    if weight == "oracle":
        weight, more = oracle(problem)
        trace = Trace(problem, show)
        optimum = minimise(problem, problem.at(problem.reference), weight, trace)
    else:
        trace = Trace(problem, show, since=Counts())
        if weight == "discrepancy":
            more["weight_rule"] = "discrepancy"
            optimum, more["weights"] = by_discrepancy(problem, trace)
        else:
            more["weight_rule"] = "given"
            optimum = minimise(problem, problem.start, float(weight), trace)
    summary = trace.summary("newton_cg", optimum.reason, **more, first_met=trace.first_met)
    write(problem, folder, trace, summary)
    return summary


def minimise(
    problem: Problem,
    start: Point,
    weight: float,
    trace: Trace,
    *,
    tolerance: float = GRADIENT,
    floor: float = 0.0,
) -> Optimum:
    """Minimise E from `start`, the coefficient that was solved last, by a step at least.

    Stops when the gradient's norm ‖E′‖ in M⁻¹, M the mass matrix, is `tolerance` times that at the start, or
    below `floor`. CG's tolerance is min(½, √(‖E′‖/‖E′ at the start‖)) (Eisenstat and Walker 1996).
    """
    point, value, size = start, problem.value(start, weight), problem.setup.coefficient.size
    if not trace.rows:
        trace.row(point, weight, size)
    first = norm = 0.0
    for iteration in range(ITERATIONS):
        slope = problem.derivative(point, weight)
        norm = gradient_norm(problem, slope)
        first = first or norm
        if norm == 0.0 or (iteration > 0 and norm <= max(tolerance * first, floor)):
            return Optimum(point, "minimum", norm)
        forcing = min(COARSEST, math.sqrt(norm / first))
        with timed("krylov"):
            step, vectors = steihaug(problem, gauss_newton(problem, weight), -slope, forcing)
        found, trials = search(problem, point, step, value, problem.dot(slope, step), weight)
        if found is None:
            trace.row(point, weight, size, vectors=vectors, trials=trials)
            return Optimum(problem.at(point.m), "no_accepted_step", norm)
        point, value = found, problem.value(found, weight)
        trace.row(point, weight, size, vectors=vectors, trials=trials)
    return Optimum(point, "max_iterations", norm)


def gradient_norm(problem: Problem, slope: Vector) -> float:
    """√(slopeᵀM⁻¹slope), the L2 norm of the gradient."""
    return math.sqrt(problem.dot(slope, problem.mass.riesz(slope)))


def gauss_newton(problem: Problem, weight: float) -> Callable[[Vector], Vector]:
    """v ↦ (JᵀJ + wR)v at the coefficient that was solved last: two incremental right-hand sides."""
    energy, R = problem.energy, problem.R

    def apply(v: Vector) -> Vector:
        return energy.adjoint(energy.tangent(v)) + weight * R.apply(v)

    return apply


def steihaug(
    problem: Problem, apply: Callable[[Vector], Vector], right: Vector, tolerance: float
) -> tuple[Vector, int]:
    """Conjugate gradients preconditioned by R, and how often `apply` was called (Steihaug 1983).

    Ends when the residual's R⁻¹ norm is `tolerance` of the right-hand side's, or along a direction whose
    curvature is not positive: with what there is so far, or that direction itself if there is nothing.
    """
    x, residual = np.zeros_like(right), right.copy()
    direction = problem.R.riesz(residual)
    square = problem.dot(residual, direction)
    enough = tolerance**2 * square
    for iteration in range(1, CG_ITERATIONS + 1):
        image = apply(direction)
        curvature = problem.dot(direction, image)
        if curvature <= 0.0:
            return (direction if iteration == 1 else x), iteration
        length = square / curvature
        x = x + length * direction
        residual = residual - length * image
        z = problem.R.riesz(residual)
        previous, square = square, problem.dot(residual, z)
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
            trial = problem.at(point.m + length * step)
            if problem.value(trial, weight) <= value + ARMIJO * length * descent:
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
        raise ValueError("the discrepancy principle needs data with a column sigma")
    low, high = WINDOW
    aim = math.log(math.sqrt(low * high))
    point, (norm, weight) = problem.start, first_weight(problem)
    enough = GRADIENT * norm
    above: list[tuple[float, float]] = []
    below: list[tuple[float, float]] = []
    tried: list[dict[str, float]] = []
    while True:
        rough = CLOSE if below else ROUGH
        optimum = minimise(problem, point, weight, trace, tolerance=rough, floor=1e-2 * enough)
        if optimum.norm > enough and low <= optimum.point.misfit / problem.target <= high:
            optimum = minimise(problem, optimum.point, weight, trace, tolerance=0.0, floor=enough)
        point = optimum.point
        share = point.misfit / problem.target
        tried.append(
            {"weight": weight, "misfit": point.misfit, "linear_solves": trace.spent.counts.linear_solves}
        )
        if low <= share <= high or len(tried) == WEIGHTS:
            return optimum, tried
        (above if share > high else below).append((math.log(weight), math.log(share)))
        while above and below and min(above)[0] - max(below)[0] < math.log(NARROW):
            above.remove(min(above))  # a rough optimum whose misfit had not come down yet
        weight = math.exp(next_weight(above, below, aim))


def next_weight(above: list[tuple[float, float]], below: list[tuple[float, float]], aim: float) -> float:
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


def first_weight(problem: Problem) -> tuple[float, float]:
    """The gradient's norm at m_ref, and FIRST times ‖Jv‖² / ‖v‖²_R for v = R⁻¹Jᵀe, by one tangent."""
    slope = problem.start.slope
    v = problem.R.riesz(slope)
    image = problem.energy.tangent(v)
    return gradient_norm(problem, slope), FIRST * float(image @ image) / problem.dot(v, slope)


def oracle(problem: Problem) -> tuple[float, dict[str, Any]]:
    """The weight, of a grid with two a decade, whose optimum is nearest the truth; and what the search took.

    Falls from a large weight, each optimum started from the one before, until PATIENCE weights in a row were
    no better. Raises ValueError without a truth.
    """
    error = problem.setup.error
    if error is None:
        raise ValueError("the oracle needs a truth")
    trace = Trace(problem)
    point, (_, first) = problem.start, first_weight(problem)
    exponent = round(2 * math.log10(first)) / 2
    tried: list[dict[str, float]] = []
    best = 0
    while len(tried) - best <= PATIENCE:
        weight = 10.0 ** (exponent - 0.5 * len(tried))
        point = minimise(problem, point, weight, trace).point
        tried.append({"weight": weight, "misfit": point.misfit, "relative_error": error(point.m)})
        best = min(range(len(tried)), key=lambda i: tried[i]["relative_error"])
    sweep = {
        "state_solves": trace.spent.counts.state_solves,
        "linear_solves": trace.spent.counts.linear_solves,
        "seconds": sum(trace.spent.seconds.values()),
        "weights": tried,
    }
    return tried[best]["weight"], {"weight_rule": "oracle", "sweep": sweep}
