"""Whether the readings ask for phases: whether these predict what was left out better beyond doubt.

What follows one another costs more each time, so that a smooth coefficient pays for next to nothing: the
folds of the selection say whether edges help at all, phases fitted to the linearised problem whether they
help more than the regularisation that was chosen, and phases fitted to the problem itself whether that is so.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.flow.minimiser import Minimiser
from app.flow.phases.fitted import (
    Fitted,
    fitted,
    fitted_beside,
    on_fold,
    refitted,
    simplest,
    standard_error,
    tolerated,
)
from app.flow.phases.objective import Objective, Sensitivity
from app.flow.phases.protocols import SMOOTH, PhasesOf
from app.flow.phases.smooth import SmoothPrior
from app.flow.phases.surrogate import Surrogate
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation, InnerProduct
from app.flow.scores import Folds
from app.flow.state import FlowState
from app.method import Method
from app.types import Untyped

BESIDE = (1, 2)
"""Phases beside the one around them that are considered with something that varies smoothly, unless the case
says how many."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the readings say."""

    fitted: Fitted | None
    """The phases that are taken; None for none."""
    reason: str


def judged(
    problem: Minimisation, method: Method, state: FlowState, objective: Objective, target: float
) -> Verdict:
    """The phases that are taken, or none, at a complete state of the minimisation; collective, raises
    SolveFailed.

    Where the data choose, phases with something beside them that varies smoothly are considered where those
    without are refused.
    """
    phases, at, selected = problem.phases, state.evaluation, state.selected
    assert phases is not None and at is not None and selected is not None
    if not phases.asked and (why := _unasked(len(at.residual), selected.folds, method)):
        return Verdict(None, why)
    linear = _linearised(objective, at)
    comparison = _Comparison(
        phases, method, _Smooth.of(problem, state, linear), objective, target, selected.folds
    )
    refused = []
    for smooth in phases.smooth:
        verdict = comparison.with_beside(_prior(problem, state)) if smooth else comparison.without()
        if verdict.fitted is not None:
            return verdict
        refused.append(f"with a smooth part, {verdict.reason}" if smooth else verdict.reason)
    return Verdict(None, "; ".join(refused))


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What phases are judged by."""

    phases: PhasesOf
    method: Method
    smooth: "_Smooth"
    """What they have to beat, and the linearised problem."""
    objective: Objective
    """Of the problem itself."""
    target: float
    folds: Folds | None

    def without(self) -> Verdict:
        """On phases alone: of those that predict better than what was selected the fewest that leave no more
        than noise."""
        phases, rng, most = self.phases, self.phases.rng(), self.method.phases
        linear, m, target = self.smooth.linear, self.smooth.everything, self.target
        found, told = [], ""
        for number in _screened(phases):
            found.append(fitted(linear, phases, m, number, target, rng))
            told = self._screen(found[-1], rng)
            if not told:
                break
        if told:
            return Verdict(None, told)
        fits: list[Fitted] = []
        for number in phases.numbers:
            own = [one for one in found if one.number == number]
            while len(own) < most.starts:
                own.append(fitted(linear, phases, m, number, target, rng))
            fits.append(refitted(self.objective, phases, simplest(own, 0.0), target, rng))
            told = self._against(fits[-1])
            if told:
                fits.pop()
            elif fits[-1].fit.point.misfit <= tolerated(target):
                return _taken(fits[-1], phases, self.folds)
        if not fits:
            return Verdict(None, told)
        return _taken(simplest(fits, most.simpler), phases, self.folds)

    def with_beside(self, prior: SmoothPrior) -> Verdict:
        """On phases with something beside them that varies smoothly: the fewest that predict as well as the
        best do, since by the misfit alone what varies smoothly could stand in for any phase."""
        phases, rng, linear, target = self.phases, self.phases.rng(), self.smooth.linear, self.target
        numbers = phases.numbers if len(phases.numbers) == 1 else BESIDE

        def fit(number: int) -> Fitted:
            return fitted_beside(linear, phases, self.smooth.everything, number, target, rng, prior)

        best = simplest([fit(number) for number in numbers], self.method.phases.clearer)
        if told := self._screen(best, phases.rng()):  # the starts are the same where phases are asked for
            return Verdict(None, told)
        others = [fit(best.number) for _ in range(self.method.phases.starts - 1)]
        found = refitted(self.objective, phases, simplest([best, *others], 0.0), target, rng)
        if told := self._against(found):
            return Verdict(None, told)
        return _taken(found, phases, self.folds)

    def _screen(self, found: Fitted, rng: np.random.Generator) -> str:
        """Why phases of the linearised problem do not predict better; empty where they do beyond doubt, or
        are asked for."""
        if self.phases.asked:
            return ""
        return _refused(self.smooth, self.phases, self.folds, found, self.method, rng)

    def _against(self, found: Fitted) -> str:
        """The same of the problem itself."""
        if self.phases.asked or self.folds is None:
            return ""
        return _against(self.folds, found, self.method)


def _prior(problem: Minimisation, state: FlowState) -> SmoothPrior:
    """Of what varies smoothly: of the kind SMOOTH, with the weight that the selection has found for it."""
    phases, selection, selected = problem.phases, problem.selection, state.selected
    assert phases is not None and selection is not None and selected is not None
    candidates, length = selection.candidates, phases.smooth_length
    scores = [told for told in selected.scores if candidates[told["candidate"]].kind == SMOOTH]
    near = min(scores, key=lambda told: abs(np.log(candidates[told["candidate"]].length / length)))
    return SmoothPrior(phases.smooth_product(length), length, float(near["weights"][near["best"]]))


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
    if found.objective.smooth is not None:
        said += ", with a smooth part"
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

    @cached_property
    def everything(self) -> np.ndarray:
        """m that all readings make."""
        return self.solution(np.arange(len(self.data)))

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
