"""Evidence of the linearised problem, against dense normal densities."""

import numpy as np
import pytest
from choice_toys import RULE, edges, fixed, random_problem

from app.flow.choice import choose, taken_over
from app.flow.hat_matrix import HatMatrix


def density(problem_J: np.ndarray, y: np.ndarray, R: np.ndarray, weight: float, variance: float) -> float:
    """log p(y) with y ~ N(0, v(JR⁻¹Jᵀ/w + I))."""
    covariance = variance * (problem_J @ np.linalg.solve(R, problem_J.T) / weight + np.eye(len(y)))
    logarithm = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return -0.5 * float(logarithm + y @ np.linalg.solve(covariance, y))


@pytest.mark.parametrize("whole", [True, False], ids=["all readings", "a sketch"])
@pytest.mark.parametrize("variance", [1.0, 0.3, None])
def test_evidence_is_the_density_of_the_readings(variance: float | None, whole: bool) -> None:
    """−2/n log p, but for log 2π, to 1e-10; without a variance that of the best one."""
    problem = random_problem(1)
    R = fixed(problem)[1].regularisation.inner.matrix
    J, Q = problem.J, np.eye(len(problem.y))
    if not whole:
        Q = np.linalg.qr(np.random.default_rng(0).standard_normal((len(problem.y), 5)))[0]
        J = Q @ (Q.T @ J)
    rows = Q.T @ J
    hat = HatMatrix(rows @ np.linalg.solve(R, rows.T), Q, problem.y)
    weights = hat.values[-1] * np.array([10.0, 1.0, 1e-3])
    count = len(problem.y)
    for weight, found in zip(weights, hat.evidence(weights, variance), strict=True):
        v = variance
        if v is None:
            covariance = J @ np.linalg.solve(R, J.T) / weight + np.eye(count)
            v = float(problem.y @ np.linalg.solve(covariance, problem.y)) / count
        expected = -2.0 / count * density(J, problem.y, R, weight, v) - np.log(2 * np.pi)
        assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_greatest_evidence_is_chosen_of_fixed_candidates(seed: int) -> None:
    """Of all R and weights that are considered, found by brute force; an R that depends on m is none."""
    problem = random_problem(seed)
    candidates = [*fixed(problem), edges(problem)]
    rng = np.random.default_rng(0)
    choice = choose(
        problem.sketch, candidates[0], candidates, problem.reference, rng, variance=0.25, criterion="evidence"
    )
    best = {}
    for candidate in candidates[:-1]:
        R = candidate.regularisation.inner.matrix
        largest = np.linalg.eigvalsh(problem.J @ np.linalg.solve(R, problem.J.T))[-1]
        weights = np.geomspace(RULE.largest * largest, RULE.least * largest, RULE.weights)[1:-1]
        best |= {
            (candidate.kind, float(w)): density(problem.J, problem.y, R, float(w), 0.25) for w in weights
        }
    kind, weight = max(best, key=best.__getitem__)
    assert (choice.candidate.kind, choice.weight) == (kind, pytest.approx(weight))
    assert choice.reason == "the greatest evidence" and choice.score.judge == "evidence"
    assert len(choice.scores) == len(candidates) - 1


def test_at_a_given_weight_the_evidence_chooses_among_candidates() -> None:
    """The weight is taken as it is, the candidate of the greatest density there."""
    problem, weight = random_problem(2), 3.7
    candidates = fixed(problem)
    choice = taken_over(
        problem.sketch, candidates[0], candidates, weight, problem.reference, variance=1.0, reason="given"
    )
    densities = [
        density(problem.J, problem.y, one.regularisation.inner.matrix, weight, 1.0) for one in candidates
    ]
    assert choice.candidate is candidates[int(np.argmax(densities))]
    assert choice.weight == weight and choice.reason.startswith("given")
