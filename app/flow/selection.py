"""The selection: one sketch of J, from which the data choose the regularisation and its weight."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from app.flow.choice import choose, taken_over
from app.flow.method import Method
from app.flow.problem import Minimisation
from app.flow.protocols import InnerProduct, LeastSquares
from app.flow.records import Record
from app.flow.scores import Choice, Contender, Score
from app.flow.sketch import Sketch, take_sketch
from app.flow.state import Selected
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
    contest = problem.contest
    assert contest is not None
    rng = contest.rng()
    departure = at.m - problem.reference
    with closing(contest.start.regularisation.at(problem.reference)) as R:
        sketch = take_sketch(at, R, departure, rng, method.sketch, method.selection)
    if contest.weight is None:
        choice = choose(
            sketch,
            contest.start,
            contest.contenders,
            problem.reference,
            rng,
            method.selection,
            variance=contest.variance,
            fallback=last.weight,
            groups=contest.groups,
        )
    else:
        (only,), weight = contest.contenders, contest.weight
        choice = taken_over(sketch, contest.start, only, weight, problem.reference, method.selection)
    problem.owned.callback(choice.R.close)
    numbers = {id(contender): number for number, contender in enumerate(contest.contenders)}
    selected = Selected(
        candidate=numbers[id(choice.contender)],
        weight=choice.weight,
        lagged=choice.lagged,
        freedom=choice.freedom,
        spread=choice.spread,
        reason=choice.reason,
        scores=tuple(_numbers(score, numbers[id(score.contender)]) for score in choice.scores),
        iteration=last.iteration,
    )
    return Chosen(choice.R, choice), selected, sketch


def chosen_again(problem: Minimisation, selected: Selected) -> Chosen:
    """What was chosen, made from the numbers; collective."""
    contest = problem.contest
    assert contest is not None
    contender = contest.contenders[selected.candidate]
    lagged = problem.reference if selected.lagged is None else selected.lagged
    R = contender.regularisation.at(lagged)
    problem.owned.callback(R.close)
    scores = [_score(told, contest.contenders[told["candidate"]]) for told in selected.scores]
    (own,) = [score for score in scores if score.contender is contender]
    choice = Choice(own, R, selected.lagged, scores, selected.reason, selected.freedom, selected.spread)
    return Chosen(R, choice)


def _numbers(score: Score, candidate: int) -> Summary:
    return {
        "candidate": candidate,
        "weights": score.weights,
        "left_out": score.left_out,
        "folds": score.folds,
        "best": score.best,
    }


def _score(told: Json, contender: Contender) -> Score:
    folds = None if told["folds"] is None else np.asarray(told["folds"])
    return Score(
        contender, np.asarray(told["weights"]), np.asarray(told["left_out"]), folds, int(told["best"])
    )
