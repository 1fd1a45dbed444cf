"""Regularisation chosen from the data: one sketch of J, and then algebra alone.

With J ≈ QĴ at the current coefficient, all that a quadratic regularisation R does to the linearised problem
follows from S = ĴR⁻¹Ĵᵀ: its solution, what it predicts of readings left out, and so what R and which weight w
predict best. docs/method.md derives the formulas.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from app.flow import doubt
from app.flow.evidence import at_weight, by_evidence
from app.flow.scores import Candidate, Choice, Criterion, Folds, Score
from app.flow.sketch import Sketch
from app.flow.study import Study
from app.method import SelectionMethod
from app.parallel import timed

DEFAULT = SelectionMethod()


def choose(
    sketch: Sketch,
    start: Candidate,
    candidates: Sequence[Candidate],
    reference: np.ndarray,
    rng: np.random.Generator,
    method: SelectionMethod = DEFAULT,
    *,
    variance: float | None = None,
    fallback: float | None = None,
    groups: np.ndarray | None = None,
    criterion: Criterion = "cross_validation",
) -> Choice:
    """The candidate and the weight that predict best; the fixed `start` is where lagged ones begin.

    Fixed R are judged by leave-one-out. An R that depends on m has seen the data and looks better than it is:
    it is judged by folds whose R comes from the fold's own fit, against the best fixed R on the same folds,
    and has to be better by more than a standard error of the difference. Where predictions do not tell
    weights or candidates apart, or leave less of the data than noise of the `variance` (if it is known)
    accounts for, app.flow.doubt decides; `fallback` is the weight where nothing does. Readings of one of the
    `groups`, if these are given, are of one place, and are left out together. The criterion evidence judges
    fixed R and their weights alone. Collective; alike on all ranks.
    """
    with timed("selection"):
        if groups is not None:
            sketch = _together(sketch, start, reference, groups)
        if criterion == "evidence":
            study = Study(sketch, start, reference, [], method)
            study.look_at(fixed := _fixed(candidates))
            scores = by_evidence(study, fixed, variance)
            return _choice(study, min(scores, key=_by_score), scores, "the greatest evidence")
        order = _in_order(sketch.data)[rng.permutation(len(sketch.data))]
        enough = len(order) >= method.fewest * method.folds
        folds = np.array_split(order, method.folds) if enough else []
        study = Study(sketch, start, reference, folds, method)
        fixed = _fixed(candidates)
        study.look_at(fixed)
        known = {id(candidate): study.score(candidate) for candidate in fixed}
        rival = min(known.values(), key=_by_score, default=None)
        considered = candidates if enough or not fixed else fixed
        scores = [known.get(id(each)) or study.score(each, rival) for each in considered]
        best, reason, lagged = _preferred(study, scores)
        if best.candidate.regularisation.fixed:
            rules = doubt.Rules(method, start, variance, fallback, enough)
            tables = [study.tables[id(score)] for score in scores if id(score) in study.tables]
            best, notes = rules.settled(tables, study.tables[id(best)])
            scores = [best if score.candidate is best.candidate else score for score in scores]
            reason = "; ".join([reason, *notes])
        left_out = Folds(study.left_out(best), lagged) if enough else None
        return replace(_choice(study, best, scores, reason), folds=left_out)


def taken_over(
    sketch: Sketch,
    start: Candidate,
    candidates: Sequence[Candidate],
    weight: float,
    reference: np.ndarray,
    method: SelectionMethod = DEFAULT,
    *,
    variance: float | None = None,
    reason: str = "",
) -> Choice:
    """At a weight that is given for the `reason`: the only candidate, or the one of greatest evidence there,
    with what these data say of it; collective."""
    with timed("selection"):
        study = Study(sketch, start, reference, [], method)
        study.look_at(_fixed(candidates))
        scores = at_weight(study, candidates, weight, variance)
        if len(scores) > 1:
            reason = f"{reason}; the greatest evidence there"
        return _choice(study, min(scores, key=_by_score), scores, reason)


def _fixed(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.regularisation.fixed]


def _choice(study: Study, best: Score, scores: list[Score], reason: str) -> Choice:
    """With what the fit is, and R."""
    fit = study.fit(best.candidate)
    misfit, freedom = fit.hat.fit(np.array([best.weight]))
    left = max(study.readings - freedom[0], 1.0)
    spread = float(np.sqrt(2 * misfit[0] / left))
    R = best.candidate.regularisation.at(study.reference if fit.lagged is None else fit.lagged)
    return Choice(best, R, fit.lagged, scores, reason, float(freedom[0]), spread)


def _together(sketch: Sketch, start: Candidate, reference: np.ndarray, groups: np.ndarray) -> Sketch:
    """With one reading for each group; collective."""
    with closing(start.regularisation.at(reference)) as R:
        S = R.dual_square(sketch.rows, {})
    Q = sketch.directions
    return sketch.together(groups, np.sqrt(np.maximum(np.sum((Q @ S) * Q, axis=1), 0.0)))


def _in_order(data: np.ndarray) -> np.ndarray:
    """Numbers of the readings by the size of their data, so that no fold depends on the order of a file; data
    that differ by rounding only stay as they are."""
    size = float(np.abs(data).max(initial=0.0)) or 1.0
    return np.argsort(np.round(data / size, 9), kind="stable")


def _preferred(study: Study, scores: Sequence[Score]) -> tuple[Score, str, float]:
    """The best score and why, and by how many standard errors the best one with an R that depends on m is
    better on folds than the best other."""
    fixed = [score for score in scores if not score.by_folds]
    lagged = [score for score in scores if score.by_folds]
    if not fixed or not lagged:
        return min(scores, key=_by_score), "the least score", -np.inf
    best, challenger = min(fixed, key=_by_score), min(lagged, key=_by_score)
    better, doubt = study.advantage(challenger, best)
    apart = f"{abs(better):.3g} ± {doubt:.2g} a reading {'smaller' if better > 0 else 'larger'}"
    if better > doubt:
        told = f"of readings left out in folds its squared errors are {apart} than those of {best.candidate}"
        return challenger, told, better / doubt if doubt > 0 else np.inf
    why = ", which may be chance" if better > 0 else ""
    told = f"of readings left out in folds the squared errors of {challenger.candidate} are {apart}{why}"
    return best, f"the least leave-one-out score; {told}", better / doubt if doubt > 0 else -np.inf


def _by_score(score: Score) -> float:
    return score.score
