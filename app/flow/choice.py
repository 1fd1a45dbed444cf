"""Regularisation chosen from the data: one sketch of J, and then algebra alone.

With J ≈ QĴ at the current coefficient, all that a quadratic regularisation R does to the linearised problem
follows from S = ĴR⁻¹Ĵᵀ: its solution, what it predicts of readings left out, and so what R and which weight w
predict best. docs/method.md derives the formulas.
"""

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from app.flow import doubt
from app.flow.hat_matrix import HatMatrix, interior_minimum
from app.flow.method import SelectionMethod
from app.flow.protocols import ClosableProduct
from app.flow.scores import Candidate, Choice, Score
from app.flow.sketch import Sketch
from app.parallel import gram, timed

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
) -> Choice:
    """The candidate and the weight that predict best; the fixed `start` is where lagged ones begin.

    Fixed R are judged by leave-one-out. An R that depends on m has seen the data and looks better than it is:
    it is judged by folds whose R comes from the fold's own fit, against the best fixed R on the same folds,
    and has to be better by more than a standard error of the difference. Where predictions do not tell
    weights or candidates apart, or leave less of the data than noise of the `variance` (if it is known)
    accounts for, app.flow.doubt decides; `fallback` is the weight where nothing does. Readings of one of the
    `groups`, if these are given, are of one place, and are left out together. Collective; alike on all ranks.
    """
    with timed("krylov"):
        if groups is not None:
            sketch = _together(sketch, start, reference, groups)
        order = _in_order(sketch.data)[rng.permutation(len(sketch.data))]
        enough = len(order) >= method.fewest * method.folds
        folds = np.array_split(order, method.folds) if enough else []
        study = _Study(sketch, start, reference, folds, method)
        fixed = [candidate for candidate in candidates if candidate.regularisation.fixed]
        scores = [study.score(candidate) for candidate in (candidates if enough or not fixed else fixed)]
        best, reason = _preferred(study, scores)
        if best.candidate.regularisation.fixed:
            rules = doubt.Rules(method, start, variance, fallback, enough)
            tables = [study.tables[id(score)] for score in scores if id(score) in study.tables]
            best, notes = rules.settled(tables, study.tables[id(best)])
            scores = [best if score.candidate is best.candidate else score for score in scores]
            reason = "; ".join([reason, *notes])
        return _choice(study, best, scores, reason)


def taken_over(
    sketch: Sketch,
    start: Candidate,
    candidate: Candidate,
    weight: float,
    reference: np.ndarray,
    method: SelectionMethod = DEFAULT,
) -> Choice:
    """A candidate at a weight that an earlier run has chosen, with what these data say of it; collective."""
    with timed("krylov"):
        study = _Study(sketch, start, reference, [], method)
        R, hat, _ = study.whole(candidate)
        R.close()
        weights = np.sort(np.append(hat.weights, weight))[::-1]
        left_out = np.mean(hat.left_out(weights) ** 2, axis=0)
        score = Score(candidate, weights, left_out, None, int(np.flatnonzero(weights == weight)[0]))
        return _choice(study, score, [score], "that of the run that is continued")


def _choice(study: "_Study", best: Score, scores: list[Score], reason: str) -> Choice:
    """With what the fit is, and R."""
    R, hat, lagged = study.whole(best.candidate)
    misfit, freedom = hat.fit(np.array([best.weight]))
    left = max(study.readings - freedom[0], 1.0)
    spread = float(np.sqrt(2 * misfit[0] / left))
    return Choice(best, R, lagged, scores, reason, float(freedom[0]), spread)


def _together(sketch: Sketch, start: Candidate, reference: np.ndarray, groups: np.ndarray) -> Sketch:
    """With one reading for each group; collective."""
    with closing(start.regularisation.at(reference)) as R:
        S = gram(R.comm, sketch.rows, R.riesz(sketch.rows))
    Q = sketch.directions
    return sketch.together(groups, np.sqrt(np.maximum(np.sum((Q @ S) * Q, axis=1), 0.0)))


def _in_order(data: np.ndarray) -> np.ndarray:
    """Numbers of the readings by the size of their data, so that no fold depends on the order of a file; data
    that differ by rounding only stay as they are."""
    size = float(np.abs(data).max(initial=0.0)) or 1.0
    return np.argsort(np.round(data / size, 9), kind="stable")


def _preferred(study: "_Study", scores: Sequence[Score]) -> tuple[Score, str]:
    """The best score and why."""
    fixed = [score for score in scores if not score.by_folds]
    lagged = [score for score in scores if score.by_folds]
    if not fixed or not lagged:
        return min(scores, key=_by_score), "the least score"
    best, challenger = min(fixed, key=_by_score), min(lagged, key=_by_score)
    better, doubt = study.advantage(challenger, best)
    if better > doubt:
        gain = f"{better:.3g} ± {doubt:.2g} a reading below those of {best.candidate}"
        return challenger, f"on folds its squares are {gain}"
    verdict = f"on folds {challenger.candidate} takes {better:.3g} ± {doubt:.2g} a reading off"
    return best, f"the least leave-one-out score; {verdict}: not beyond doubt"


def _by_score(score: Score) -> float:
    return score.score


class _Study:
    """All candidates on one sketch, along the directions that matter."""

    def __init__(
        self,
        sketch: Sketch,
        start: Candidate,
        reference: np.ndarray,
        folds: Sequence[np.ndarray],
        method: SelectionMethod,
    ) -> None:
        self._reference, self._folds, self._method = reference, folds, method
        with closing(start.regularisation.at(reference)) as R:
            inverse = R.riesz(sketch.rows)
            S = gram(R.comm, sketch.rows, inverse)
        hat = HatMatrix(S, sketch.directions, sketch.data, self._method)
        # Of few readings no weight is known before the noise is asked, so nothing is too weak for it.
        seen = hat.values > (method.unseen * hat.best_weight() if folds else -1.0)
        seen[-1] = True
        U = hat.vectors[:, seen]
        self._sketch, self._inverse, self._S = sketch.compressed(U), inverse @ U, U.T @ S @ U
        self._readings = np.arange(len(sketch.data))
        self._folded: dict[int, np.ndarray] = {}
        self.tables: dict[int, doubt.Table] = {}
        """Of scores of fixed candidates, by their ids."""

    @property
    def readings(self) -> int:
        """How many there are."""
        return len(self._readings)

    def score(self, candidate: Candidate) -> Score:
        """The score by leave-one-out, or by the folds where R depends on m."""
        R, hat, _ = self.whole(candidate)
        R.close()
        weights = hat.weights
        squares = hat.left_out(weights) ** 2
        left_out = np.mean(squares, axis=0)
        if candidate.regularisation.fixed or not self._folds:
            score = Score(candidate, weights, left_out, None, interior_minimum(left_out))
            if candidate.regularisation.fixed:
                self.tables[id(score)] = doubt.Table.of(score, squares, hat)
            return score
        self._folded[id(candidate)] = self.folded(candidate, weights)
        folds = np.mean(self._folded[id(candidate)] ** 2, axis=0)
        return Score(candidate, weights, left_out, folds, interior_minimum(folds))

    def folded(self, candidate: Candidate, weights: np.ndarray) -> np.ndarray:
        """Residual of each reading by the fit without its fold, one column a weight."""
        sketch = self._sketch
        S = None
        if candidate.regularisation.fixed:
            R, _, S = self._fixed(candidate)
            R.close()
        residuals = np.empty((len(self._readings), len(weights)))
        for fold in self._folds:
            kept = np.setdiff1d(self._readings, fold)
            if S is None:
                R, part, image, _ = self._lagged(candidate, kept)
                R.close()
            else:
                Q, B = np.linalg.qr(sketch.directions[kept])
                part, image = HatMatrix(B @ S @ B.T, Q, sketch.data[kept], self._method), S @ B.T
            predicted = sketch.directions[fold] @ (image @ part.coefficients(weights))
            residuals[fold] = sketch.data[fold, None] - predicted
        return residuals

    def whole(self, candidate: Candidate) -> tuple[ClosableProduct, HatMatrix, np.ndarray | None]:
        """R, of the solution of all readings if it depends on m, the linearised problem with it, and that
        solution."""
        if candidate.regularisation.fixed:
            return (*self._fixed(candidate)[:2], None)
        R, hat, _, solution = self._lagged(candidate, self._readings)
        return R, hat, solution

    def advantage(self, one: Score, other: Score) -> tuple[float, float]:
        """By how much the folds' square residuals are smaller in the mean, and its standard error."""
        squares = []
        for score in (one, other):
            residuals = self._folded.get(id(score.candidate))
            if residuals is None:
                residuals = self.folded(score.candidate, score.weights)
            squares.append(residuals[:, interior_minimum(np.mean(residuals**2, axis=0))] ** 2)
        difference = squares[1] - squares[0]
        return float(np.mean(difference)), float(np.std(difference) / np.sqrt(len(difference)))

    def _fixed(self, candidate: Candidate) -> tuple[ClosableProduct, HatMatrix, np.ndarray]:
        """R, the linearised problem with it, and S."""
        sketch, R = self._sketch, candidate.regularisation.at(self._reference)
        S = gram(R.comm, sketch.rows, R.riesz(sketch.rows))
        return R, HatMatrix(S, sketch.directions, sketch.data, self._method), S

    def _lagged(
        self, candidate: Candidate, kept: np.ndarray
    ) -> tuple[ClosableProduct, HatMatrix, np.ndarray, np.ndarray]:
        """R from the solution of these readings alone, their linearised problem, ĴR⁻¹ of its rows' transpose,
        and that solution.

        Each R comes from the solution with the one before, its weight by leave-one-out.
        """
        sketch = self._sketch
        Q, B = np.linalg.qr(sketch.directions[kept])
        rows, inverse = np.asfortranarray(sketch.rows @ B.T), self._inverse @ B.T
        hat = HatMatrix(B @ self._S @ B.T, Q, sketch.data[kept], self._method)
        R: ClosableProduct | None = None
        for _ in range(max(1, self._method.lags)):
            weight = np.array([hat.best_weight()])
            solution = self._reference + inverse @ hat.coefficients(weight)[:, 0]
            if R is not None:
                R.close()
            R = candidate.regularisation.at(solution)
            inverse = R.riesz(rows)
            hat = HatMatrix(gram(R.comm, rows, inverse), Q, sketch.data[kept], self._method)
        assert R is not None
        return R, hat, gram(R.comm, sketch.rows, inverse), solution
