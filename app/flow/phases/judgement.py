"""Whether the readings ask for phases: whether these predict what was left out better beyond doubt.

What follows one another costs more each time, so that a smooth coefficient pays for next to nothing: the
folds of the selection say whether edges help at all, phases fitted to the linearised problem whether they
help more than the regularisation that was chosen, and phases fitted to the problem itself whether that is so.
"""

from dataclasses import dataclass

import numpy as np

from app.flow.minimiser import Minimiser
from app.flow.phases.contest import Fitted, fitted, on_fold, refitted, simplest, standard_error
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
    """The phases that are taken, or none, at a complete state of the minimisation; collective, raises
    SolveFailed."""
    phases, at, selected = problem.phases, state.evaluation, state.selected
    assert phases is not None and at is not None and selected is not None
    folds, rng = selected.folds, phases.rng()
    if not phases.asked and (folds is None or not folds.edges > 0):
        return Verdict(None, "regularisations that keep edges predict no better than others")
    linear = _linearised(objective, at)
    most = max(phases.numbers)
    first = fitted(linear, phases, at.m, most, target, rng)
    if not phases.asked:
        assert folds is not None
        told = _against(folds, first, method)
        if told is None and len(folds.residuals) < method.phases.few:
            told = _on_folds(problem, method, state, linear, first, rng)
        if told is not None:
            return Verdict(None, told)
    others = [
        fitted(linear, phases, at.m, number, target, rng)
        for number in phases.numbers
        for _ in range(method.phases.starts - (number == most))
    ]
    found = refitted(objective, phases, simplest([first, *others]), target, rng)
    said = f"{found.number} beside the phase around {'it' if found.number == 1 else 'them'}"
    if phases.asked:
        return Verdict(found, f"{said}, as the case asks for phases")
    assert folds is not None
    if (told := _against(folds, found, method)) is not None:
        return Verdict(None, told)
    return Verdict(found, f"{said}: {_gain(folds.residuals**2 - found.left_out)}")


def _linearised(objective: Objective, at: AnyEvaluation) -> Objective:
    """The objective of the problem linearised there, by one block of adjoint solves."""
    surrogate = Surrogate.of(at, objective.comm)
    energy_at: Untyped = surrogate.at
    return Objective(energy_at, objective.comm, objective.method, 0.0, None, Sensitivity(surrogate.rows))


def _against(folds: Folds, found: Fitted, method: Method) -> str | None:
    """Why phases do not predict better than what was selected, None where they do beyond doubt."""
    better = folds.residuals**2 - found.left_out
    if better.mean() > method.phases.doubt * standard_error(better):
        return None
    return f"{found.number} beside the phase around them: {_gain(better)}, which is not beyond doubt"


def _on_folds(
    problem: Minimisation,
    method: Method,
    state: FlowState,
    linear: Objective,
    found: Fitted,
    rng: np.random.Generator,
) -> str | None:
    """The same by folds of the linearised problem, each from what its own readings make of it."""
    phases, selected, exact = problem.phases, state.selected, state.exact
    assert phases is not None and selected is not None and selected.folds is not None
    assert isinstance(exact, Minimiser) and linear.J is not None
    at: AnyEvaluation = state.evaluation
    data = linear.J.along(at, at.m - problem.reference, phases.comm) - at.residual
    residuals = np.empty(len(data))
    order = rng.permutation(len(data))
    for fold in np.array_split(order, method.selection.folds):
        kept = np.setdiff1d(order, fold)
        m = problem.reference + _smooth(exact.chosen.R, linear.J, data, kept, selected.weight, phases)
        residuals[fold] = on_fold(linear, phases, m, found, kept, rng)[fold]
    better = selected.folds.residuals**2 - residuals**2
    if better.mean() > method.phases.doubt * standard_error(better):
        return None
    return f"{found.number} beside the phase around them: {_gain(better)} on folds, which is not beyond doubt"


def _smooth(
    R: InnerProduct, J: Sensitivity, data: np.ndarray, kept: np.ndarray, weight: float, phases: PhasesOf
) -> np.ndarray:
    """The linearised problem's solution for the readings that are kept, less m_ref."""
    assert J.rows is not None
    X = R.riesz(np.asfortranarray(J.rows[:, kept]))
    S = J.along(None, X, phases.comm)[kept]
    solution: np.ndarray = X @ np.linalg.solve(S + weight * np.eye(len(kept)), data[kept])
    return solution


def _gain(better: np.ndarray) -> str:
    return f"{better.mean():.3g} ± {standard_error(better):.2g} off the squares of readings left out"
