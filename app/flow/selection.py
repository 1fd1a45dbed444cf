"""The selection: one sketch of J, from which the data choose the regularisation and its weight."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from app.flow.choice import choose, taken_over
from app.flow.problem import Minimisation
from app.flow.protocols import InnerProduct, LeastSquares
from app.flow.records import Record
from app.flow.scores import Candidate, Choice, Score
from app.flow.sketch import Sketch, take_sketch
from app.flow.state import Selected
from app.method import Method
from app.types import Json, Summary


@dataclass(frozen=True, eq=False)
class Chosen:
    """The chosen regularisation as an inner product, and how it was chosen."""

    R: InnerProduct
    choice: Choice


def select(
    problem: Minimisation, method: Method, at: LeastSquares, last: Record
) -> tuple[Chosen, Selected, Sketch]:
    """What the data choose at an evaluation, after the iteration of the `last` record, the same in numbers,
    and the sketch of J they chose by; collective, raises SolveFailed."""
    selection = problem.selection
    assert selection is not None
    rng = selection.rng()
    departure = at.m - problem.reference
    with closing(selection.start.regularisation.at(problem.reference)) as R:
        sketch = take_sketch(at, R, departure, rng, method.sketch, method.selection)
    if selection.weight is None:
        choice = choose(
            sketch,
            selection.start,
            selection.candidates,
            problem.reference,
            rng,
            method.selection,
            variance=selection.variance,
            fallback=last.weight,
            groups=selection.groups,
            criterion=selection.criterion,
        )
    else:
        choice = taken_over(
            sketch,
            selection.start,
            selection.candidates,
            selection.weight,
            problem.reference,
            method.selection,
            variance=selection.variance,
            reason=selection.reason,
        )
    problem.owned.callback(choice.R.close)
    numbers = {id(candidate): number for number, candidate in enumerate(selection.candidates)}
    selected = Selected(
        candidate=numbers[id(choice.candidate)],
        weight=choice.weight,
        lagged=choice.lagged,
        freedom=choice.freedom,
        spread=choice.spread,
        reason=choice.reason,
        scores=tuple(_numbers(score, numbers[id(score.candidate)]) for score in choice.scores),
        iteration=last.iteration,
        folds=choice.folds,
    )
    return Chosen(choice.R, choice), selected, sketch


def chosen_again(problem: Minimisation, selected: Selected) -> Chosen:
    """What was chosen, made from the numbers; collective."""
    selection = problem.selection
    assert selection is not None
    candidate = selection.candidates[selected.candidate]
    lagged = problem.reference if selected.lagged is None else selected.lagged
    R = candidate.regularisation.at(lagged)
    problem.owned.callback(R.close)
    scores = [_score(told, selection.candidates[told["candidate"]]) for told in selected.scores]
    (own,) = [score for score in scores if score.candidate is candidate]
    told = selected.reason, selected.freedom, selected.spread, selected.folds
    choice = Choice(own, R, selected.lagged, scores, *told)
    return Chosen(R, choice)


def _numbers(score: Score, number: int) -> Summary:
    return {
        "candidate": number,
        "weights": score.weights,
        "left_out": score.left_out,
        "folds": score.folds,
        "evidence": score.evidence,
        "best": score.best,
    }


def _score(told: Json, candidate: Candidate) -> Score:
    arrays = {key: None if told[key] is None else np.asarray(told[key]) for key in ("folds", "evidence")}
    weights, left_out = np.asarray(told["weights"]), np.asarray(told["left_out"])
    return Score(candidate, weights, left_out, best=int(told["best"]), **arrays)
