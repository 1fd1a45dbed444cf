"""Phases as the readings have them, and whether they predict better than a smooth coefficient.

They are fitted to the problem linearised at what a smooth regularisation has found, which takes no solves,
and then, where that is promising, to the problem itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.flow.phases.fits import Fit, begun, from_wide, met, reweighed, settled
from app.flow.phases.objective import Objective
from app.flow.phases.protocols import PhasesOf
from app.flow.phases.smooth import SmoothPrior
from app.flow.state import Representation
from app.parallel import gram
from app.types import Untyped

LEAST = 1e-3
"""Of 1 − leverage of a reading: its prediction without it is no farther off than so."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Phases of one number as the readings that count have them."""

    objective: Objective
    fit: Fit

    @property
    def number(self) -> int:
        """Phases beside the one around them."""
        return self.fit.point.network.number

    @property
    def leverages(self) -> np.ndarray:
        """Derivative of each predicted reading by itself as it was measured, shape (readings,): the diagonal
        of A(AᵀA + P)⁻¹Aᵀ with A = J ∂m/∂θ and the penalty's P."""
        model = self.objective.quadratic(self.fit.point, self.fit.J)
        H = model.H + self.objective.method.least_damping * np.eye(len(model.gradient))
        found: np.ndarray = np.sum(model.images.T * np.linalg.solve(H, model.images.T), axis=0)
        return found

    @property
    def freedom(self) -> float:
        """Degrees of freedom that the fit uses."""
        return float(self.leverages.sum())

    @property
    def left_out(self) -> np.ndarray:
        """Squares of the leave-one-out residuals of the problem linearised here, shape (readings,)."""
        residual = self.fit.point.at.residual
        squares: np.ndarray = (residual / np.maximum(1.0 - self.leverages, LEAST)) ** 2
        return squares


def fitted(
    objective: Objective,
    phases: PhasesOf,
    m: np.ndarray,
    number: int,
    target: float,
    rng: np.random.Generator,
) -> Fitted:
    """Phases of this number that start close to a coefficient; collective.

    Without a weight of its own the perimeter's is such that the start costs what noise does, and is halved
    until the misfit is down to the target.
    """
    objective, fit = _begun(objective, phases, m, number, target, rng)
    return _met(objective, phases, fit, target, rng)


def fitted_beside(
    objective: Objective,
    phases: PhasesOf,
    m: np.ndarray,
    number: int,
    target: float,
    rng: np.random.Generator,
    prior: SmoothPrior,
) -> Fitted:
    """Phases of this number with something beside them that varies smoothly, fitted to a linear problem;
    collective.

    The prior's weight falls until the misfit is down to the target: what varies smoothly takes over as little
    of the jumps as the readings allow. If it is not down then, the perimeter's weight falls too.
    """
    method = objective.method
    objective, fit = _begun(objective, phases, m, number, target, rng)
    objective, fit = _beside(objective, phases, fit, prior.weighing(method.rigid * prior.weight), rng)
    for _ in range(method.softer):
        if fit.point.misfit <= tolerated(target):
            break
        objective = objective.softened(1.0 / method.softens)
        fit = settled(objective, reweighed(objective, fit), method.most_steps)
    return _met(objective, phases, fit, target, rng)


def _met(objective: Objective, phases: PhasesOf, fit: Fit, target: float, rng: np.random.Generator) -> Fitted:
    """With the misfit down to the target, if the perimeter has no weight of its own that says otherwise."""
    if phases.weight is None:
        objective, fit = met(objective, fit, tolerated(target), rng)
    return Fitted(objective, fit)


def _begun(
    objective: Objective,
    phases: PhasesOf,
    m: np.ndarray,
    number: int,
    target: float,
    rng: np.random.Generator,
) -> tuple[Objective, Fit]:
    """Phases from where they start, and the first weight of the perimeter."""
    own = phases.start(m, number, rng)
    weight = phases.weight
    if weight is None:
        weight = objective.method.first * target / _cost(phases, own)
    objective = objective.weighing(weight)
    return objective, from_wide(objective, own, objective.method.widths)


def _beside(
    objective: Objective, phases: PhasesOf, fit: Fit, prior: SmoothPrior, rng: np.random.Generator
) -> tuple[Objective, Fit]:
    """With something beside the phases of a linear problem, which starts with what they leave."""
    assert objective.J is not None and objective.J.rows is not None
    counted = slice(None) if objective.counted is None else objective.counted
    s = prior.solution(objective.J.rows[:, counted], -fit.point.at.residual[counted])
    objective = replace(objective, smooth=prior)
    fit = begun(objective, objective.point(phases.smoothed(fit.point.own, s, rng)))
    return objective, settled(objective, fit, objective.method.most_steps)


def refitted(
    objective: Objective, phases: PhasesOf, found: Fitted, target: float, rng: np.random.Generator
) -> Fitted:
    """The same phases fitted to the problem of another objective; collective."""
    objective = objective.like(found.objective)
    fit = begun(objective, objective.point(found.fit.point.own))
    fit = settled(objective, fit, objective.method.most_steps)
    return _met(objective, phases, fit, target, rng)


def simplest(found: Sequence[Fitted], doubt: float) -> Fitted:
    """The fewest phases that predict as well as the best do within so many standard errors, of several the
    best."""
    squares = [one.left_out for one in found]
    means = [float(f"{each.mean():.9g}") for each in squares]
    least = int(np.argmin(means))
    within = [
        (one.number, mean, place)
        for place, (one, mean, each) in enumerate(zip(found, means, squares, strict=True))
        if mean - means[least] <= doubt * standard_error(each - squares[least])
    ]
    return found[min(within)[2]]


def standard_error(differences: np.ndarray) -> float:
    """Of their mean."""
    return float(differences.std() / np.sqrt(len(differences)))


def tolerated(target: float) -> float:
    """A misfit that noise explains: ½‖e‖² has about the variance of its mean."""
    return float(target + np.sqrt(target))


def _cost(phases: PhasesOf, own: Representation) -> float:
    """What the perimeters of a start cost by a weight of 1."""
    network: Untyped = own.network
    r = network.perimeter_rows(own.theta, 1.0)
    return max(0.5 * float(gram(phases.comm, r, r)), np.finfo(float).tiny)


def on_fold(
    objective: Objective,
    phases: PhasesOf,
    m: np.ndarray,
    model: Fitted,
    kept: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Residuals of all readings by phases that were fitted to those that are kept, from a coefficient that
    only these have made; collective."""
    objective = replace(objective.weighing(model.objective.weight), counted=kept)
    fit = from_wide(objective, phases.start(m, model.number, rng), objective.method.widths)
    if model.objective.smooth is not None:
        _, fit = _beside(objective, phases, fit, model.objective.smooth, rng)
    residual: np.ndarray = fit.point.at.residual
    return residual
