"""Whether the readings ask for phases: whether these predict what was left out better beyond doubt.

What follows one another costs more each time, so that a smooth coefficient pays for next to nothing: the
folds of the selection say whether edges help at all, phases fitted to the linearised problem whether they
help more than the regularisation that was chosen, and phases fitted to the problem itself whether that is so.
"""

from dataclasses import dataclass

import numpy as np

from app.flow.minimiser import Minimiser
from app.flow.phases.fitted import (
    Fitted,
    fitted,
    on_fold,
    refitted,
    simplest,
    standard_error,
    tolerated,
)
from app.flow.phases.objective import Objective, Sensitivity
from app.flow.phases.protocols import PhasesOf
from app.flow.phases.surrogate import Surrogate
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation, InnerProduct
from app.flow.scores import Folds
from app.flow.state import FlowState
from app.method import Method
from app.types import Untyped


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the readings say."""

    fitted: Fitted | None
    """The phases that are taken; None for none."""
    reason: str


def judged(
    problem: Minimisation, method: Method, state: FlowState, objective: Objective, target: float
) -> Verdict:
    """The phases that are taken, or none, at a complete state of the minimisation: of those that predict
    better than what was selected the fewest that leave no more than noise. Collective, raises SolveFailed."""
    phases, at, selected = problem.phases, state.evaluation, state.selected
    assert phases is not None and at is not None and selected is not None
    folds, rng = selected.folds, phases.rng()
    if not phases.asked and (why := _unasked(len(at.residual), folds, method)):
        return Verdict(None, why)
    linear = _linearised(objective, at)
    smooth = _Smooth.of(problem, state, linear)
    m = smooth.solution(np.arange(len(at.residual)))
    found, told = [], ""
    for number in _screened(phases):
        found.append(fitted(linear, phases, m, number, target, rng))
        told = "" if phases.asked else _refused(smooth, phases, folds, found[-1], method, rng)
        if not told:
            break
    if told:
        return Verdict(None, told)
    fits: list[Fitted] = []
    for number in phases.numbers:
        own = [one for one in found if one.number == number]
        while len(own) < method.phases.starts:
            own.append(fitted(linear, phases, m, number, target, rng))
        fits.append(refitted(objective, phases, simplest(own, 0.0), target, rng))
        told = "" if phases.asked or folds is None else _against(folds, fits[-1], method)
        if told:
            fits.pop()
        elif fits[-1].fit.point.misfit <= tolerated(target):
            return _taken(fits[-1], phases, folds)
    if not fits:
        return Verdict(None, told)
    return _taken(simplest(fits, method.phases.simpler), phases, folds)


def _unasked(readings: int, folds: Folds | None, method: Method) -> str:
    """Why phases are not considered; empty where they are."""
    if folds is None or len(folds.residuals) != readings:
        return "the selection has left out no reading by itself"
    if not folds.edges > 0:
        return "regularisations that keep edges predict no better than others"
    if readings > method.sketch.most_rows:
        return f"of {readings} readings J is not taken row by row, unless the representation is phases"
    return ""


def _taken(found: Fitted, phases: PhasesOf, folds: Folds | None) -> Verdict:
    """With why."""
    said = f"{found.number} beside the one around {'it' if found.number == 1 else 'them'}"
    if phases.asked or folds is None:
        return Verdict(found, f"{said}, as the case asks for phases")
    return Verdict(found, f"{said}: {_gain(folds.residuals**2 - found.left_out)}")


def _screened(phases: PhasesOf) -> list[int]:
    """Numbers of phases in the order in which they are tried: two, above and below what is around them, are
    the least likely to be too few or too many."""
    return sorted(phases.numbers, key=lambda number: abs(number - 2))


def _refused(
    smooth: "_Smooth",
    phases: PhasesOf,
    folds: Folds | None,
    found: Fitted,
    method: Method,
    rng: np.random.Generator,
) -> str:
    """Why phases of the linearised problem do not predict better; empty where they do beyond doubt."""
    assert folds is not None
    told = _against(folds, found, method)
    if not told and len(folds.residuals) < method.phases.few:
        told = _on_folds(smooth, phases, folds, found, method, rng)
    return told


def _linearised(objective: Objective, at: AnyEvaluation) -> Objective:
    """The objective of the problem linearised there, by one block of adjoint solves."""
    surrogate = Surrogate.of(at, objective.comm)
    energy_at: Untyped = surrogate.at
    return Objective(energy_at, objective.comm, objective.method, 0.0, None, Sensitivity(surrogate.rows))


def _against(folds: Folds, found: Fitted, method: Method) -> str:
    """Why phases do not predict better than what was selected; empty where they do beyond doubt."""
    better = folds.residuals**2 - found.left_out
    if better.mean() > method.phases.doubt * standard_error(better):
        return ""
    return f"{found.number} beside the one around them: {_gain(better)}, which is not beyond doubt"


@dataclass(frozen=True, eq=False)
class _Smooth:
    """The linearised problem with the regularisation that was selected."""

    linear: Objective
    reference: np.ndarray
    R: InnerProduct
    weight: float
    data: np.ndarray
    """J(m − m_ref) − e of each reading."""

    @staticmethod
    def of(problem: Minimisation, state: FlowState, linear: Objective) -> "_Smooth":
        """At a state; collective."""
        at, exact, selected = state.evaluation, state.exact, state.selected
        assert at is not None and isinstance(exact, Minimiser) and selected is not None
        assert linear.J is not None
        data = linear.J.along(at, at.m - problem.reference, linear.comm) - at.residual
        return _Smooth(linear, problem.reference, exact.chosen.R, selected.weight, data)

    def solution(self, kept: np.ndarray) -> np.ndarray:
        """m that these readings alone make, by a solve with R for each; collective."""
        J = self.linear.J
        assert J is not None and J.rows is not None
        X = self.R.riesz(np.asfortranarray(J.rows[:, kept]))
        S = J.along(None, X, self.linear.comm)[kept]
        m: np.ndarray = self.reference + X @ np.linalg.solve(
            S + self.weight * np.eye(len(kept)), self.data[kept]
        )
        return m


def _on_folds(
    smooth: _Smooth, phases: PhasesOf, folds: Folds, found: Fitted, method: Method, rng: np.random.Generator
) -> str:
    """Why phases do not predict better, by folds of the linearised problem, each from the smooth coefficient
    that its own readings make; empty where they do beyond doubt."""
    residuals = np.empty(len(smooth.data))
    order = rng.permutation(len(residuals))
    for fold in np.array_split(order, method.selection.folds):
        kept = np.setdiff1d(order, fold)
        residuals[fold] = on_fold(smooth.linear, phases, smooth.solution(kept), found, kept, rng)[fold]
    better = folds.residuals**2 - residuals**2
    if better.mean() > method.phases.doubt_on_folds * standard_error(better):
        return ""
    return f"{found.number} beside the one around them: {_gain(better)} on folds, which is not beyond doubt"


def _gain(better: np.ndarray) -> str:
    return f"{better.mean():.3g} ± {standard_error(better):.2g} off the squares of readings left out"
