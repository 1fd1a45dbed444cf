"""Levenberg–Marquardt on the energy of phases, and the way from a wide interface to a sharp one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from app.flow.phases.growth import grown_by
from app.flow.phases.objective import Objective, Point, Sensitivity
from app.flow.state import Representation
from app.parallel import SolveFailed, timed
from app.types import Untyped


@dataclass(frozen=True, eq=False)
class Fit:
    """Phases on their way to the least energy."""

    point: Point
    J: Sensitivity
    fresh: bool
    """Whether J is of this very point."""
    damping: float
    """Of the next step, added to H."""
    rejected: int = 0
    """Trials so far that were not accepted."""
    steps: int = 0
    """Accepted ones."""
    gained: float = np.inf
    """By how much the last one lowered the energy."""
    over: bool = False
    """Whether no step lowers the energy any more."""


def begun(objective: Objective, point: Point) -> Fit:
    """The fit before its first step; collective, raises SolveFailed."""
    return Fit(point, objective.sensitivity(point), True, objective.method.damping)


def stepped(objective: Objective, fit: Fit) -> Fit:
    """After one more accepted step, or over; collective, raises SolveFailed.

    J is of an earlier point while its model is good enough: where a step gains little of what it promises, or
    nothing, it is taken anew. The gradient is always that of the point. The damping follows Nielsen (1999).
    """
    method, damping, rejected = objective.method, fit.damping, fit.rejected
    J, fresh = fit.J, fit.fresh
    model = objective.quadratic(fit.point, J)
    for _ in range(method.max_rejections):
        step, promised = _step(model.H, model.gradient, damping)
        trial = _tried(objective, fit.point, step)
        ratio = -np.inf if trial is None else (fit.point.energy - trial.energy) / promised
        if trial is not None and ratio > method.accept:
            if rejected == fit.rejected:  # what was just too little is not tried again
                damping *= max(method.least_factor, 1.0 - (2.0 * min(ratio, 1.0) - 1.0) ** 3)
            damping = max(damping, method.least_damping)
            gained = fit.point.energy - trial.energy
            if ratio < method.stale and J.rows is not None:
                J, fresh = objective.sensitivity(trial), True
            else:
                fresh = J.rows is None
            return Fit(trial, J, fresh, damping, rejected, fit.steps + 1, gained)
        rejected += 1
        if not fresh:
            J, fresh = objective.sensitivity(fit.point), True
            model = objective.quadratic(fit.point, J)
        else:
            damping *= method.rejected
    return replace(fit, J=J, fresh=fresh, damping=damping, rejected=rejected, gained=0.0, over=True)


def _step(H: np.ndarray, gradient: np.ndarray, damping: float) -> tuple[np.ndarray, float]:
    """The step of a damped model, and by how much the model without damping falls."""
    with timed("retraction"):
        factor = linalg.cho_factor(H + damping * np.eye(len(gradient)))
        step: np.ndarray = -linalg.cho_solve(factor, gradient)
    return step, max(-float(gradient @ step + 0.5 * step @ H @ step), np.finfo(float).tiny)


def _tried(objective: Objective, point: Point, step: np.ndarray) -> Point | None:
    """The energy after a step in units of the scales; None where it has none."""
    theta = point.own.theta + point.network.scales * step
    try:
        trial = objective.point(replace(point.own, theta=theta), point.at)
    except SolveFailed:
        return None
    return trial if np.isfinite(trial.energy) else None


def settled(objective: Objective, fit: Fit, most: int) -> Fit:
    """After at most so many steps, or when two running gain next to nothing; collective."""
    slow = 0
    for _ in range(most):
        fit = stepped(objective, fit)
        if fit.over:
            return fit
        slow = slow + 1 if fit.gained < objective.method.slow * fit.point.energy else 0
        if slow == 2:
            return fit
    return fit


def sharpened(objective: Objective, fit: Fit, sharpness: float) -> Fit:
    """The same phases with interfaces of another width; collective."""
    network: Untyped = fit.point.network.sharpened(sharpness)
    point = objective.point(replace(fit.point.own, network=network), fit.point.at)
    return replace(fit, point=point, fresh=False, damping=objective.method.damping)


def from_wide(objective: Objective, own: Representation, widths: Sequence[float]) -> Fit:
    """Phases fitted with interfaces that become sharp step by step; collective, raises SolveFailed."""
    method, fit = objective.method, None
    for number, width in enumerate(widths):  # the first one is of the start
        if fit is None:
            network: Untyped = own.network
            fit = begun(objective, objective.point(replace(own, network=network.sharpened(width))))
        else:
            fit = sharpened(objective, fit, width)
        last = number == len(widths) - 1
        fit = settled(objective, fit, method.most_steps if last else method.few_steps)
    assert fit is not None
    return fit


def grown(objective: Objective, fit: Fit, rng: np.random.Generator) -> Fit | None:
    """With the neurons that promise most, and m unchanged; None where there is no room or no promise.
    Collective."""
    own = grown_by(objective, fit.point, fit.J, rng)
    if own is None:
        return None
    point = objective.weighed(own, fit.point.at)
    return replace(fit, point=point, damping=objective.method.damping, gained=np.inf, over=False)


def reweighed(objective: Objective, fit: Fit) -> Fit:
    """The same phases by an objective of another weight."""
    point = objective.weighed(fit.point.own, fit.point.at)
    return replace(fit, point=point, damping=objective.method.damping, gained=np.inf, over=False)


def met(objective: Objective, fit: Fit, target: float, rng: np.random.Generator) -> tuple[Objective, Fit]:
    """With the weight halved, or more neurons, until the misfit is down to the target or neither helps.

    Neurons join where half of the weight does not take enough off what the misfit is above the target.
    Collective.
    """
    method = objective.method
    for _ in range(method.halvings):
        excess = fit.point.misfit - target
        if excess <= 0:
            break
        worth = max(method.least_progress * excess, method.least_share * fit.point.misfit)
        lighter = objective.weighing(0.5 * objective.weight)
        trial = settled(lighter, reweighed(lighter, fit), method.most_steps)
        if fit.point.misfit - trial.point.misfit >= worth:
            objective, fit = lighter, trial
            continue
        joined = grown(objective, fit, rng)
        if joined is not None:
            joined = settled(objective, joined, method.most_steps)
        if joined is None or fit.point.misfit - joined.point.misfit < worth:
            break
        fit = joined
    return objective, fit
