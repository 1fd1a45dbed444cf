"""Linear problems for the choice of a regularisation, and what it should find by brute force: a fit anew for
every reading or fold that is left out, by dense normal equations."""

from dataclasses import dataclass

import numpy as np
from flow_toys import Dense, FixedR, Made, h1_on_interval, spd

from app.flow import Candidate
from app.flow.protocols import Regularisation
from app.flow.sketch import Sketch
from app.method import SelectionMethod

RULE = SelectionMethod()

EPSILON = 1e-2
"""The mass in R of the toys that look at slopes."""


class EdgeR:
    """Differences of neighbours, the larger ones of the coefficient weighted less, plus a small mass."""

    fixed = False

    def __init__(self, size: int, beta: float = 0.01) -> None:
        self.size, self.beta = size, beta

    def at(self, coefficient: np.ndarray) -> Made:
        D = np.diff(np.eye(self.size), axis=0)
        rho = self.beta / np.sqrt((D @ coefficient) ** 2 + self.beta**2)
        return Made(D.T @ (rho[:, None] * D) + EPSILON * np.eye(self.size))


@dataclass(frozen=True)
class Problem:
    """y = Jx + noise, x = m − m_ref."""

    J: np.ndarray
    y: np.ndarray
    reference: np.ndarray

    @property
    def size(self) -> int:
        return self.J.shape[1]

    @property
    def sketch(self) -> Sketch:
        """As from all readings."""
        return Sketch(np.asfortranarray(self.J.T), np.eye(len(self.y)), self.y)


def random_problem(seed: int, size: int = 12, readings: int = 25) -> Problem:
    """More readings than variables, so that no weight fits all of them."""
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((readings, size)) * np.geomspace(3.0, 0.3, size)
    y = J @ rng.standard_normal(size) + 0.5 * rng.standard_normal(readings)
    return Problem(J, y, rng.standard_normal(size))


def steps_or_waves(
    seed: int, sharp: bool, sigma: float = 0.02, readings: int = 60, size: int = 40
) -> Problem:
    """Local averages of a step function or of a smooth one, with noise, whitened."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, size)
    centres = rng.uniform(0.02, 0.98, readings)
    J = np.exp(-0.5 * ((x - centres[:, None]) / 0.03) ** 2)
    J /= J.sum(axis=1, keepdims=True) * sigma
    truth = 1.0 * (x > 0.3) - 2.0 * (x > 0.62) if sharp else np.sin(2 * np.pi * x) + 0.5 * np.cos(5 * x)
    return Problem(J, J @ truth + rng.standard_normal(readings), np.zeros(size))


def fixed(problem: Problem, seed: int = 0, count: int = 3) -> list[Candidate]:
    """The H1 of an interval, and random ones."""
    rng = np.random.default_rng(seed + 100)
    made = [Dense(h1_on_interval(problem.size))] + [Dense(spd(rng, problem.size)) for _ in range(count - 1)]
    return [Candidate(f"fixed {i}", float(i + 1), FixedR(R)) for i, R in enumerate(made)]


def edges(problem: Problem, beta: float = 0.01) -> Candidate:
    return Candidate("lagged", 1.0, EdgeR(problem.size, beta), {"edge_share": beta})


def ridge(J: np.ndarray, y: np.ndarray, R: np.ndarray, weight: float) -> np.ndarray:
    """x of min ½‖y − Jx‖² + ½w‖x‖²_R."""
    return np.linalg.solve(J.T @ J + weight * R, J.T @ y)


def residuals_left_out(J: np.ndarray, y: np.ndarray, R: np.ndarray, weight: float) -> np.ndarray:
    """y_i − (Jx)_i for the x that all other readings give."""
    found = []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        found.append(y[i] - J[i] @ ridge(J[others], y[others], R, weight))
    return np.array(found)


def weights_for(J: np.ndarray, R: np.ndarray) -> np.ndarray:
    """The weights that are considered for R."""
    largest = np.linalg.eigvalsh(J @ np.linalg.solve(R, J.T))[-1]
    return np.geomspace(RULE.largest * largest, RULE.least * largest, RULE.weights)


def best_by_leave_one_out(J: np.ndarray, y: np.ndarray, R: np.ndarray) -> float:
    """The weight, not at the edge of the range, with the least mean square of the readings left out."""
    weights = weights_for(J, R)
    scores = [np.mean(residuals_left_out(J, y, R, w) ** 2) for w in weights]
    return float(weights[1 + np.argmin(scores[1:-1])])


def lagged_R(
    J: np.ndarray,
    y: np.ndarray,
    start: Dense,
    law: Regularisation,
    reference: np.ndarray,
    lags: int = RULE.lags,
) -> Dense:
    """R from its own solution with these readings, so many times, from the solution with the start's R."""
    R = start
    for _ in range(lags):
        x = ridge(J, y, R.matrix, best_by_leave_one_out(J, y, R.matrix))
        R = law.at(reference + x)
    return R


def fold_residuals(
    problem: Problem, start: Candidate, candidate: Candidate, rng_seed: int, lags: int = RULE.lags
) -> np.ndarray:
    """Residuals of each reading by the fit without its fold, one column a weight considered; an R that
    depends on m comes from the fold's own fit, so many times. Folds are drawn from the readings by the size
    of y."""
    J, y, law = problem.J, problem.y, candidate.regularisation
    R0 = start.regularisation.at(problem.reference)

    def of(J: np.ndarray, y: np.ndarray, lags: int) -> np.ndarray:
        R = law.at(problem.reference) if law.fixed else lagged_R(J, y, R0, law, problem.reference, lags)
        return R.matrix

    weights = weights_for(J, of(J, y, RULE.lags))
    found = np.empty((len(y), len(weights)))
    for fold in np.array_split(
        np.argsort(y)[np.random.default_rng(rng_seed).permutation(len(y))], RULE.folds
    ):
        kept = np.setdiff1d(np.arange(len(y)), fold)
        R = of(J[kept], y[kept], lags)
        for column, weight in enumerate(weights):
            found[fold, column] = y[fold] - J[fold] @ ridge(J[kept], y[kept], R, weight)
    return found


def advantage(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean difference of the squares of residuals at the best weight of each, and its standard error."""
    squares = []
    for residuals in (one, other):
        at = 1 + np.argmin(np.mean(residuals**2, axis=0)[1:-1])
        squares.append(residuals[:, at] ** 2)
    difference = squares[1] - squares[0]
    return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))


def judged_on_folds(
    problem: Problem, start: Candidate, candidate: Candidate, rival: Candidate, rng_seed: int
) -> tuple[np.ndarray, float, float]:
    """Residuals of a candidate that lags, and what it is better by than the rival: lagged once, and again
    while they differ by no more than a standard error."""
    theirs = fold_residuals(problem, start, rival, rng_seed)
    for lags in range(1, RULE.lags + 1):
        residuals = fold_residuals(problem, start, candidate, rng_seed, lags)
        better, doubt = advantage(residuals, theirs)
        if abs(better) > doubt:
            break
    return residuals, better, doubt
