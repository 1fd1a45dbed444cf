"""What decides where the least leave-one-out score is not believed: known noise, few readings, repeats."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from choice_toys import RULE, Problem, edges, fixed, random_problem, steps_or_waves

from app.flow import Choice
from app.flow.choice import choose
from app.flow.doubt import Table
from app.flow.hat_matrix import HatMatrix
from app.flow.scores import Score
from app.method import SelectionMethod

WHOLE = replace(RULE, unseen=0.0)
"""All directions of the data play a part."""

NEVER = replace(WHOLE, doubtful=0.0, little=0.0)
"""Leave-one-out alone."""


def chosen(problem: Problem, method: SelectionMethod = WHOLE, **known: Any) -> Choice:
    """Among three fixed ones, from the first."""
    candidates, rng = fixed(problem), np.random.default_rng(0)
    return choose(problem.sketch, candidates[0], candidates, problem.reference, rng, method, **known)


def table_of(choice: Choice, problem: Problem) -> Table:
    """The linearised problem with the chosen R by all of its weights."""
    score = choice.score
    R = score.candidate.regularisation.at(problem.reference).matrix
    S = problem.J @ np.linalg.solve(R, problem.J.T)
    hat = HatMatrix(S, np.eye(len(problem.y)), problem.y)
    return Table.of(score, hat.left_out(score.weights) ** 2, hat)


def twice(problem: Problem) -> Problem:
    """Every reading told twice with √2 times its noise: the same likelihood."""
    return Problem(
        np.repeat(problem.J, 2, axis=0) / np.sqrt(2), np.repeat(problem.y, 2) / np.sqrt(2), problem.reference
    )


@pytest.mark.parametrize("seed", range(3))
def test_fit_leaves_what_its_prior_and_noise_account_for(seed: int) -> None:
    """Of data from the prior with weight w and noise of variance v, ‖y − Hy‖² is v(n − tr H) in the mean, and
    as often below its tenth part as the probability says (400 draws, four standard errors)."""
    rng, problem = np.random.default_rng(seed), random_problem(seed)
    S, w, v = problem.J @ problem.J.T, 2.0, 0.3
    root = np.linalg.cholesky(v * (S / w + np.eye(len(S))))
    leaves, probabilities = [], []
    for _ in range(400):
        hat = HatMatrix(S, np.eye(len(S)), root @ rng.standard_normal(len(S)))
        score = Score(fixed(problem)[0], np.array([w]), np.zeros(1), None, 0)
        table = Table.of(score, np.zeros((len(S), 1)), hat)
        leaves.append(table.leaves(v)[0])
        probabilities.append(table.probability(v)[0])
    assert abs(np.mean(leaves) - 1.0) < 4 * np.std(leaves) / 20
    assert abs(np.mean(np.array(probabilities) < 0.1) - 0.1) < 4 * np.sqrt(0.09 / 400)


def test_repeats_are_left_out_together() -> None:
    """Readings that stand twice give the choice of those that stand once, R, weight and degrees of freedom;
    without it each is predicted by the others and the fit follows them all."""
    problem = steps_or_waves(0, sharp=False, sigma=0.3)
    once, double = chosen(problem), twice(problem)
    groups = np.repeat(np.arange(len(problem.y)), 2)
    again, blind = chosen(double, groups=groups), chosen(double)
    assert str(again.candidate) == str(once.candidate)
    assert again.weight == pytest.approx(once.weight, rel=1e-6)
    assert again.freedom == pytest.approx(once.freedom, rel=1e-6)
    assert again.spread == pytest.approx(once.spread, rel=1e-6)
    assert blind.freedom > 1.5 * once.freedom


def test_fit_that_noise_contradicts_is_not_believed() -> None:
    """Leave-one-out of repeated readings takes a weight that leaves next to nothing; with known noise the
    largest one is taken that leaves no more than n − tr H, and the reason says so."""
    problem = twice(steps_or_waves(0, sharp=False, sigma=0.3))
    alone, choice = chosen(problem, NEVER), chosen(problem, replace(WHOLE, against=np.inf), variance=1.0)
    before, table = table_of(alone, problem), table_of(choice, problem)
    assert before.probability(1.0)[alone.score.best] < 1e-3
    assert choice.weight > alone.weight and "not believed" in choice.reason
    leaves = table.leaves(1.0)
    assert leaves[choice.score.best] <= 1.0 < leaves[choice.score.best - 1]


def test_noise_that_predictions_contradict_is_not_believed() -> None:
    """Noise stated five times too large asks for a weight that predicts far worse: leave-one-out is kept, and
    the reason says that the noise is smaller."""
    problem = steps_or_waves(1, sharp=False, sigma=0.02)
    alone, choice = chosen(problem, NEVER), chosen(problem, variance=25.0)
    assert (choice.weight, str(choice.candidate)) == (alone.weight, str(alone.candidate))
    assert "smaller than stated" in choice.reason


@pytest.mark.parametrize("seed", [0, 2])
def test_noise_as_it_is_changes_nothing(seed: int) -> None:
    """Of data whose fit leaves what it should, known noise is not needed."""
    problem = steps_or_waves(seed, sharp=False, sigma=0.3)
    alone = chosen(problem, NEVER)
    assert table_of(alone, problem).probability(1.0)[alone.score.best] > RULE.doubtful
    assert chosen(problem, replace(WHOLE, little=0.0), variance=1.0).weight == alone.weight


def test_readings_that_say_little_get_the_simplest_fit() -> None:
    """Noise of the size of the function: of all fits within a standard error of the best, that with the
    fewest degrees of freedom; a precise function keeps its own."""
    noisy, precise = (steps_or_waves(0, sharp=False, sigma=sigma) for sigma in (2.0, 0.02))
    alone, choice = chosen(noisy, NEVER), chosen(noisy)
    assert choice.freedom < min(RULE.little, alone.freedom) and "say little" in choice.reason
    best, taken = table_of(alone, noisy).best, table_of(choice, noisy).best
    assert np.mean(taken - best) <= np.std(taken - best) / np.sqrt(len(best))
    assert chosen(precise).weight == chosen(precise, NEVER).weight


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_one_reading_is_left_to_the_first(order: list[int]) -> None:
    """One reading is predicted by no other: all R and weights are alike, the first R wins, in whatever order
    they come, and its weight is that of the noise or, where that is unknown, the fallback."""
    problem = random_problem(0, readings=1)
    candidates = fixed(problem)

    def choice(**known: float) -> Choice:
        given, rng = [candidates[i] for i in order], np.random.default_rng(0)
        return choose(problem.sketch, candidates[0], given, problem.reference, rng, **known)

    by_noise, by_fallback = choice(variance=0.01), choice(fallback=0.5)
    assert by_noise.candidate is by_fallback.candidate is candidates[0]
    assert "cannot tell 3" in by_noise.reason and "no weight" in by_noise.reason
    leaves = table_of(by_noise, problem).leaves(0.01)
    assert leaves[by_noise.score.best] <= 1.0 < leaves[by_noise.score.best - 1]
    assert by_fallback.weight == pytest.approx(0.5, rel=0.4)  # the nearest of those considered


def test_the_noise_of_two_readings_is_met_in_a_weak_direction() -> None:
    """Two readings that are nearly alike are far apart in units of their noise: what tells them apart is weak
    beside the weight by which one predicts the other, and is followed all the same."""
    rng = np.random.default_rng(0)
    row = rng.standard_normal(8)
    J = 100.0 * np.vstack([row, row + 0.02 * rng.standard_normal(8)])
    problem = Problem(J, np.array([10.0, -10.0]), np.zeros(8))
    choice = chosen(problem, RULE, variance=1.0)
    assert "so few readings" in choice.reason
    assert table_of(choice, problem).leaves(1.0)[choice.score.best] <= 1.0


@pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])
def test_choice_does_not_depend_on_the_order_of_readings_or_their_unit(sharp: bool) -> None:
    """Permuted readings have the same folds, and so the same scores; whitened data have no unit."""
    problem = steps_or_waves(2, sharp)
    order = np.random.default_rng(1).permutation(len(problem.y))
    permuted = Problem(problem.J[order], problem.y[order], problem.reference)
    choices = []
    for each in (problem, permuted):
        candidates = [*fixed(each), edges(each)]
        rng = np.random.default_rng(0)
        choices.append(choose(each.sketch, candidates[0], candidates, each.reference, rng, variance=1.0))
    one, other = choices
    assert str(one.candidate) == str(other.candidate)
    assert one.weight == pytest.approx(other.weight, rel=1e-6)
    for first, second in zip(one.scores, other.scores, strict=True):
        inner = first.weights > 1e-6 * first.weights[0]
        np.testing.assert_allclose(first.judged[inner], second.judged[inner], rtol=1e-6)
