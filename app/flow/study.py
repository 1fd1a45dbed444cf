"""What each regularisation makes of the linearised problem, known by its S = ĴR⁻¹Ĵᵀ alone."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from app.flow import doubt
from app.flow.hat_matrix import HatMatrix, interior_minimum
from app.flow.protocols import InnerProduct, Solutions
from app.flow.scores import Candidate, Score
from app.flow.sketch import Sketch
from app.method import SelectionMethod


@dataclass(frozen=True)
class Fit:
    """The linearised problem of some readings with an R."""

    S: np.ndarray
    """ĴR⁻¹Ĵᵀ, of all rows of the sketch."""
    hat: HatMatrix
    B: np.ndarray
    """What takes rows of the sketch to those that the readings see."""
    solution: np.ndarray | None = None
    """m of the weight that leave-one-out finds (owned,), where an R is to be made from it."""
    lagged: np.ndarray | None = None
    """The coefficient from which R was made, where R depends on it."""

    def solutions(self, weights: np.ndarray) -> np.ndarray:
        """Combinations of R⁻¹Ĵᵀ that give the solution less m_ref, one column a weight."""
        result: np.ndarray = self.B.T @ self.hat.coefficients(weights)
        return result


class Study:
    """All candidates on one sketch, along the directions that matter.

    Each is known by S = ĴR⁻¹Ĵᵀ alone, and its solutions by one solve with R for one weight.
    """

    def __init__(
        self,
        sketch: Sketch,
        start: Candidate,
        reference: np.ndarray,
        folds: Sequence[np.ndarray],
        method: SelectionMethod,
    ) -> None:
        self.reference, self._start, self._folds, self._method = reference, start, folds, method
        with closing(start.regularisation.at(reference)) as R:
            S = R.dual_square(sketch.rows, {})
        hat = HatMatrix(S, sketch.directions, sketch.data, self._method)
        # Of few readings no weight is known before the noise is asked, so nothing is too weak for it.
        seen = hat.values > (method.unseen * hat.best_weight() if folds else -1.0)
        seen[-1] = True
        U = hat.vectors[:, seen]
        self._sketch = sketch.compressed(U)
        self._readings = np.arange(len(sketch.data))
        self._kept = [np.setdiff1d(self._readings, fold) for fold in folds]
        self._squares = {id(start): U.T @ S @ U}
        self._fits: dict[int, Fit] = {}
        self._folded: dict[int, np.ndarray] = {}
        self.tables: dict[int, doubt.Table] = {}
        """Of scores of fixed candidates, by their ids."""

    @property
    def readings(self) -> int:
        """How many there are."""
        return len(self._readings)

    def look_at(self, fixed: Sequence[Candidate]) -> None:
        """Work out S of fixed candidates; those of one length may share solves."""
        new = [candidate for candidate in fixed if id(candidate) not in self._squares]
        for _, alike in groupby(sorted(new, key=_length), key=_length):
            solutions: Solutions = {}
            for candidate in alike:
                with closing(candidate.regularisation.at(self.reference)) as R:
                    self._squares[id(candidate)] = R.dual_square(self._sketch.rows, solutions)

    def score(self, candidate: Candidate, rival: Score | None = None) -> Score:
        """The score by leave-one-out, or, where R depends on m, by folds against the best fixed `rival`."""
        hat = self.fit(candidate).hat
        weights = hat.weights
        squares = hat.left_out(weights) ** 2
        left_out = np.mean(squares, axis=0)
        if candidate.regularisation.fixed or not self._folds:
            score = Score(candidate, weights, left_out, None, interior_minimum(left_out))
            if candidate.regularisation.fixed:
                self.tables[id(score)] = doubt.Table.of(score, squares, hat)
            return score
        self._folded[id(candidate)] = self._lagged_on_folds(candidate, weights, rival)
        folds = np.mean(self._folded[id(candidate)] ** 2, axis=0)
        return Score(candidate, weights, left_out, folds, interior_minimum(folds))

    def fit(self, candidate: Candidate) -> Fit:
        """The linearised problem of all readings."""
        if id(candidate) in self._fits:
            return self._fits[id(candidate)]
        if candidate.regularisation.fixed:
            self.look_at([candidate])
            fit = self._seen(self._squares[id(candidate)], self._readings)
        else:
            fit = self._begun(self._readings)
            for _ in range(self._lags):
                fit = self._lagged(candidate, fit, self._readings)
        self._fits[id(candidate)] = fit
        return fit

    def advantage(self, one: Score, other: Score) -> tuple[float, float]:
        """By how much the folds' square residuals are smaller in the mean, and its standard error."""
        return _advantage(self._folds_of(one), self._folds_of(other))

    def left_out(self, score: Score) -> np.ndarray:
        """Residual of each reading by the fit without its fold, at the score's weight."""
        column: np.ndarray = self._folds_of(score)[:, score.best]
        return column

    @property
    def _lags(self) -> int:
        return max(1, self._method.lags)

    def _folds_of(self, score: Score) -> np.ndarray:
        """Residual of each reading by the fit without its fold, one column a weight."""
        key = id(score.candidate)
        if key not in self._folded:
            fits = [self._seen(self._squares[key], kept) for kept in self._kept]
            self._folded[key] = self._predicted(fits, score.weights)
        return self._folded[key]

    def _lagged_on_folds(self, candidate: Candidate, weights: np.ndarray, rival: Score | None) -> np.ndarray:
        """The same where each fold has an R of its own, made from its solution again while the rival predicts
        as well within a standard error."""
        fits = [self._begun(kept) for kept in self._kept]
        for _ in range(self._lags):
            fits = [self._lagged(candidate, fit, kept) for fit, kept in zip(fits, self._kept, strict=True)]
            residuals = self._predicted(fits, weights)
            if rival is not None:
                better, doubt = _advantage(residuals, self._folds_of(rival))
                if abs(better) > doubt:
                    break
        return residuals

    def _predicted(self, fits: Sequence[Fit], weights: np.ndarray) -> np.ndarray:
        """Residual of each reading by the fit of its fold, one column a weight."""
        sketch, residuals = self._sketch, np.empty((self.readings, len(weights)))
        for fold, fit in zip(self._folds, fits, strict=True):
            predicted = sketch.directions[fold] @ (fit.S @ fit.solutions(weights))
            residuals[fold] = sketch.data[fold, None] - predicted
        return residuals

    def _begun(self, kept: np.ndarray) -> Fit:
        """The linearised problem of these readings with the start's R."""
        with closing(self._start.regularisation.at(self.reference)) as R:
            return self._solved(self._seen(self._squares[id(self._start)], kept), R)

    def _lagged(self, candidate: Candidate, fit: Fit, kept: np.ndarray) -> Fit:
        """The linearised problem of these readings with R from the solution of a fit."""
        assert fit.solution is not None
        with closing(candidate.regularisation.at(fit.solution)) as R:
            S = R.dual_square(self._sketch.rows, {})
            return self._solved(replace(self._seen(S, kept), lagged=fit.solution), R)

    def _solved(self, fit: Fit, R: InnerProduct) -> Fit:
        """With the solution of the weight that leave-one-out finds."""
        share = fit.solutions(np.array([fit.hat.best_weight()]))[:, 0]
        return replace(fit, solution=self.reference + R.riesz(self._sketch.rows @ share))

    def _seen(self, S: np.ndarray, kept: np.ndarray) -> Fit:
        """The linearised problem of these readings with an R that has this S."""
        Q, B = np.linalg.qr(self._sketch.directions[kept])
        return Fit(S, HatMatrix(B @ S @ B.T, Q, self._sketch.data[kept], self._method), B)


def _advantage(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """By how much the squares of the first residuals are smaller in the mean than those of the others, both
    at their best weights, and the standard error of that."""
    first, second = (each[:, interior_minimum(np.mean(each**2, axis=0))] ** 2 for each in (one, other))
    difference = second - first
    return float(np.mean(difference)), float(np.std(difference) / np.sqrt(len(difference)))


def _length(candidate: Candidate) -> float:
    return candidate.length
