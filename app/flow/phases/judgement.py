"""Which phases the readings ask for, if any: those that predict readings left out better beyond doubt."""

from collections.abc import Sequence

import numpy as np

from app.flow.minimiser import Minimiser
from app.flow.phases.contest import Fitted
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation
from app.flow.state import FlowState, PhaseChoice


def preferred(problem: Minimisation, state: FlowState, found: Sequence[Fitted]) -> PhaseChoice:
    """The phases that are taken, or none; collective."""
    assert problem.phases is not None
    scores = {one.number: _left_out(one) for one in found}
    best = min(found, key=lambda one: float(f"{np.mean(scores[one.number]):.9g}"))
    squares = scores[best.number]
    variance = 1.0 if problem.target is not None else state.selected.spread**2 if state.selected else 1.0
    told = f"{best.number} phase{'s' if best.number > 1 else ''} beside the one around"
    if problem.phases.asked:
        reason = f"{told}, as the case asks for phases"
        return PhaseChoice(True, best.number, best.objective.weight, best.freedom, variance, reason)
    better = _smooth(problem, state) - squares
    gain, error = float(better.mean()), float(better.std() / np.sqrt(len(better)))
    taken = gain > error
    said = f"{gain:.3g} ± {error:.2g} a reading off the squares of readings left out"
    reason = f"{told}: {said}, {'taken' if taken else 'not beyond doubt'}"
    return PhaseChoice(taken, best.number, best.objective.weight, best.freedom, variance, reason)


def _left_out(one: Fitted) -> np.ndarray:
    """Squares of the leave-one-out residuals of the linearised problem at phases."""
    squares: np.ndarray = (one.fit.point.at.residual / np.maximum(1.0 - one.leverages, 1e-3)) ** 2
    return squares


def _smooth(problem: Minimisation, state: FlowState) -> np.ndarray:
    """The same of what was found before, with its R; a block of adjoint solves, and of solves with R."""
    at: AnyEvaluation = state.evaluation
    exact, selected = state.exact, state.selected
    assert isinstance(exact, Minimiser) and selected is not None
    rows = at.vjp(np.asfortranarray(np.eye(len(at.residual))))
    S = exact.chosen.choice.R.dual_square(rows, {})
    hat = np.linalg.solve(S + selected.weight * np.eye(len(S)), S)
    squares: np.ndarray = (at.residual / (1.0 - np.diag(hat))) ** 2
    return squares
