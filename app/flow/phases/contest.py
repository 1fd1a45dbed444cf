"""Phases as all readings have them: fitted from what a smooth regularisation has found."""

from dataclasses import dataclass

import numpy as np

from app.flow.phases.fits import Fit, from_wide, met
from app.flow.phases.objective import Objective
from app.flow.phases.protocols import PhasesOf
from app.flow.state import Representation
from app.types import Untyped


@dataclass(frozen=True, eq=False)
class Fitted:
    """Phases of one number as all readings have them."""

    objective: Objective
    fit: Fit

    @property
    def number(self) -> int:
        """Phases beside the one around them."""
        return self.fit.point.network.number

    @property
    def freedom(self) -> float:
        """Degrees of freedom that the fit uses, tr A(AᵀA + P)⁻¹Aᵀ."""
        return float(self.leverages.sum())

    @property
    def leverages(self) -> np.ndarray:
        """Derivative of each predicted reading by itself as it was measured, shape (readings,)."""
        model = self.objective.quadratic(self.fit.point, self.fit.J)
        H = model.H + self.objective.method.least_damping * np.eye(len(model.gradient))
        found: np.ndarray = np.sum(model.images.T * np.linalg.solve(H, model.images.T), axis=0)
        return found


def fitted(
    objective: Objective,
    phases: PhasesOf,
    m: np.ndarray,
    number: int,
    target: float,
    rng: np.random.Generator,
) -> Fitted:
    """Phases of this number close to a coefficient, fitted to the readings; collective.

    Of several random starts the one of the least energy; without a weight of its own its perimeter's is
    halved until the misfit is down to the target.
    """
    method, fits = objective.method, list[Fit]()
    objective = objective.weighing(phases.weight or 0.0)
    for _ in range(method.starts):
        own = phases.start(m, number, rng)
        if phases.weight is None and not fits:
            objective = objective.weighing(method.first * target / _cost(phases, own))
        fits.append(from_wide(objective, own, method.widths))
    fit = min(fits, key=lambda one: float(f"{one.point.energy:.9g}"))
    if phases.weight is None:
        objective, fit = met(objective, fit, target, rng)
    return Fitted(objective, fit)


def _cost(phases: PhasesOf, own: Representation) -> float:
    """Σ|step| · perimeter at a start."""
    network: Untyped = own.network
    values, perimeters = network.of_values(own.theta), network.perimeters(own.theta)
    whole = phases.comm.allreduce(perimeters)
    return max(float(np.abs(values[1:] - values[0]) @ whole), np.finfo(float).tiny)
