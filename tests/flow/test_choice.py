"""The choice of a regularisation and its weight against brute force."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from choice_toys import (
    RULE,
    Problem,
    edges,
    fixed,
    judged_on_folds,
    lagged_R,
    random_problem,
    residuals_left_out,
    ridge,
    steps_or_waves,
)

from app.flow import Candidate, Choice
from app.flow.choice import choose
from app.method import SelectionMethod

SMALLEST = 1e-6
"""Weights below this share of the largest considered lose the digits that these tests compare."""


WHOLE = replace(RULE, unseen=0.0)
"""All data directions play a part, weak ones too."""


def chosen(
    problem: Problem,
    candidates: Sequence[Candidate],
    seed: int = 0,
    start: int = 0,
    method: SelectionMethod = RULE,
) -> Choice:
    """The choice that begins with a candidate."""
    rng = np.random.default_rng(seed)
    return choose(problem.sketch, candidates[start], candidates, problem.reference, rng, method)


def compare(found: np.ndarray, expected: np.ndarray, weights: np.ndarray) -> None:
    """Scores agree to 1e-8 relative."""
    kept = weights > SMALLEST * weights[0]
    np.testing.assert_allclose(found[kept], expected[kept], rtol=1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("readings", [25, 9], ids=["more readings", "fewer readings"])
def test_fixed_candidates_have_the_scores_of_refits(seed: int, readings: int) -> None:
    """Leave-one-out of each R and w equals fits without the reading; the least one is chosen."""
    problem = random_problem(seed, readings=readings)
    candidates = fixed(problem, seed)
    choice = chosen(problem, candidates, seed, method=WHOLE)
    assert [score.candidate for score in choice.scores] == candidates
    for score in choice.scores:
        R = score.candidate.regularisation.at(problem.reference).matrix
        one = [np.mean(residuals_left_out(problem.J, problem.y, R, w) ** 2) for w in score.weights]
        compare(score.left_out, np.array(one), score.weights)
        assert score.folds is None and not score.by_folds
        assert score.best == 1 + np.argmin(score.left_out[1:-1])
        assert score.score == score.left_out[score.best]
    assert choice.score is min(choice.scores, key=lambda score: score.score)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])
def test_lagged_candidate_is_judged_by_what_a_fold_knows(seed: int, sharp: bool) -> None:
    """The folds of R(m) equal fits whose every R comes from the solution without the fold, from the start's
    R on, the weight of each by leave-one-out; there are as many R as it takes to decide."""
    problem = steps_or_waves(seed, sharp, readings=20, size=14)
    start, lagged = fixed(problem)[0], edges(problem)
    choice = chosen(problem, [start, lagged], seed, method=WHOLE)
    score = choice.scores[1]
    assert score.by_folds and score.folds is not None
    assert score.score == score.folds[score.best] == score.folds[1:-1].min()
    residuals, *_ = judged_on_folds(problem, start, lagged, start, seed)
    kept = score.weights > SMALLEST * score.weights[0]
    np.testing.assert_allclose(score.folds[kept], np.mean(residuals**2, axis=0)[kept], rtol=1e-6)


@pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])
def test_lagged_candidate_needs_more_than_a_standard_error(sharp: bool) -> None:
    """It is chosen where its folds' square residuals are smaller than those of the best fixed R by more than
    the standard error of the difference, both computed by brute force, and only there."""
    verdicts = []
    for seed in range(3):
        problem = steps_or_waves(seed, sharp, sigma=0.03, readings=20, size=14)
        candidates = [*fixed(problem, count=2), edges(problem)]
        choice = chosen(problem, candidates, seed, method=WHOLE)
        best = min(choice.scores[:2], key=lambda score: score.score)
        _, better, doubt = judged_on_folds(problem, candidates[0], candidates[2], best.candidate, seed)
        beyond = better > doubt
        assert choice.candidate is (candidates[2] if beyond else best.candidate)
        assert ("the least leave-one-out score" in choice.reason) != beyond
        assert ("which may be chance" in choice.reason) == (0 < better <= doubt)
        told = re.search(r"(\S+) ± (\S+) a reading (\w+)", choice.reason)
        assert told is not None
        assert told[3] == ("smaller" if better > 0 else "larger")
        assert float(told[1]) == pytest.approx(abs(better), rel=0.01)
        assert float(told[2]) == pytest.approx(doubt, rel=0.1)
        verdicts.append(beyond)
    assert any(verdicts) == sharp  # the toys show both


def test_steps_ask_for_edges_and_waves_do_not() -> None:
    """On precise readings of a step function the R that lets edges stand wins by most draws of the folds, of
    a smooth one another."""
    for sharp in (True, False):
        problem = steps_or_waves(0, sharp)
        candidates = [*fixed(problem), edges(problem)]
        won = [chosen(problem, candidates, seed).candidate is candidates[-1] for seed in range(5)]
        assert (sum(won) > 2) == sharp


@pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])
def test_lagged_candidate_alone_has_nothing_to_beat(sharp: bool) -> None:
    """A single one is chosen, however it compares with the start that is not a candidate."""
    problem = steps_or_waves(1, sharp)
    only = edges(problem)
    rng = np.random.default_rng(0)
    choice = choose(problem.sketch, fixed(problem)[0], [only], problem.reference, rng)
    assert choice.candidate is only and len(choice.scores) == 1


@pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])
@pytest.mark.parametrize("order", [[3, 1, 0, 2], [1, 2, 3, 0]], ids=str)
def test_choice_does_not_depend_on_the_order(sharp: bool, order: list[int]) -> None:
    """Candidates in another order have the same scores, and the same one is chosen with the same weight."""
    problem = steps_or_waves(2, sharp)
    candidates = [*fixed(problem), edges(problem)]
    first = chosen(problem, candidates)
    again = chosen(problem, [candidates[i] for i in order], start=order.index(0))
    assert again.candidate is first.candidate
    assert (again.weight, again.reason) == (first.weight, first.reason)
    for i, score in zip(order, again.scores, strict=True):
        np.testing.assert_array_equal(score.judged, first.scores[i].judged)


def test_choice_is_that_of_its_seed() -> None:
    """The same seed gives the same numbers; another one other folds, and the same leave-one-out."""
    problem = steps_or_waves(3, sharp=True)
    candidates = [*fixed(problem), edges(problem)]
    first, again, other = (chosen(problem, candidates, seed) for seed in (4, 4, 5))
    for one, two, three in zip(first.scores, again.scores, other.scores, strict=True):
        np.testing.assert_array_equal(one.judged, two.judged)
        np.testing.assert_array_equal(one.left_out, three.left_out)
        assert np.array_equal(one.judged, three.judged) != one.by_folds
    assert (first.reason, first.weight, first.spread) == (again.reason, again.weight, again.spread)


@pytest.mark.parametrize("lags", [True, False], ids=["lagged", "fixed"])
def test_chosen_r_and_its_figures(lags: bool) -> None:
    """R is the candidate's, of the solution of all readings where it depends on m; freedom = tr H and
    spread² = ‖y − Jx‖² / (n − tr H) with the solution x of that R and w."""
    problem = steps_or_waves(0, sharp=True, readings=30, size=20)
    start = fixed(problem)[0]
    candidate = edges(problem) if lags else start
    rng = np.random.default_rng(0)
    choice = choose(problem.sketch, start, [candidate], problem.reference, rng, WHOLE)
    J, y, reference = problem.J, problem.y, problem.reference
    R = start.regularisation.at(reference)
    if lags:
        R = lagged_R(J, y, R, candidate.regularisation, reference)
    np.testing.assert_allclose(choice.R.apply(np.eye(problem.size)), R.matrix, rtol=0, atol=1e-8)
    hat = J @ np.linalg.solve(J.T @ J + choice.weight * R.matrix, J.T)
    left = y - J @ ridge(J, y, R.matrix, choice.weight)
    assert choice.freedom == pytest.approx(np.trace(hat), rel=1e-6)
    assert choice.spread == pytest.approx(np.sqrt(left @ left / (30 - np.trace(hat))), rel=1e-6)


def test_spread_finds_the_level_of_the_noise() -> None:
    """Noise k times what sigma says gives a spread of k within a tenth, for 400 readings, whose own sample
    deviation is good to 1/√800."""
    for factor in (1.0, 5.0):
        problem = steps_or_waves(6, sharp=False, readings=400)
        clean = problem.J @ ridge(problem.J, problem.y, fixed(problem)[0].regularisation.inner.matrix, 1e-2)
        y = clean + factor * np.random.default_rng(7).standard_normal(400)
        louder = Problem(problem.J, y, problem.reference)
        assert chosen(louder, fixed(problem)).spread == pytest.approx(factor, rel=0.1)


def test_weak_directions_play_no_part() -> None:
    """Scores near the best weight change by less than a per cent when the directions that the regularisation
    outweighs are left out, and so the choice stays."""
    problem = steps_or_waves(1, sharp=False, sigma=0.2)
    candidates = fixed(problem)
    short = chosen(problem, candidates)
    full = chosen(problem, candidates, method=WHOLE)
    assert short.candidate is full.candidate
    assert short.score.score == pytest.approx(full.score.score, rel=0.01)
    assert short.spread == pytest.approx(full.spread, rel=0.01)


@pytest.mark.parametrize("readings", [1, 2, 3, 6])
def test_a_handful_of_readings_is_enough(readings: int) -> None:
    """Fewer readings than folds, or just as many, give finite scores and a weight within the range."""
    problem = random_problem(0, size=8, readings=readings)
    choice = chosen(problem, [*fixed(problem), edges(problem)])
    for score in choice.scores:
        assert np.isfinite(score.judged).all() and np.isfinite(score.left_out).all()
        assert 0 < score.best < len(score.weights) - 1
    assert np.isfinite(choice.spread) and choice.weight > 0
