"""Regularisation chosen from the data: one look at J, and then algebra alone.

With J ≈ QĴ at the current coefficient, all that a quadratic regularisation R does to the linearised problem
follows from S = ĴR⁻¹Ĵᵀ: its solution, what it predicts of readings left out, and so what R and which weight w
predict best. docs/method.md derives the formulas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.flow.look import Look
from app.flow.protocols import InnerProduct, Regularisation
from app.flow.smoother import Smoother, interior_minimum
from app.parallel import gram, timed

FOLDS, FEWEST = 5, 2
"""Folds, and the fewest readings in each: with fewer no R that depends on m is considered."""

LAGS = 4
"""Times that an R which depends on m is built from the solution with the one before."""

UNSEEN = 0.03
"""Data directions in which J is weaker than this share of the weight play no part."""


@dataclass(frozen=True)
class Contender:
    """A regularisation that may be chosen."""

    kind: str
    length: float
    regularisation: Regularisation
    parameters: Mapping[str, float] = field(default_factory=dict)
    """What else describes it, by the names that the case knows."""

    def __str__(self) -> str:
        others = "".join(f", {name} {value:g}" for name, value in self.parameters.items())
        return f"{self.kind} (length {self.length:.3g}{others})"


@dataclass(frozen=True)
class Score:
    """How well a contender predicts readings that were left out, by weight."""

    contender: Contender
    weights: np.ndarray
    left_out: np.ndarray
    """Mean square of the leave-one-out residuals; of an R that depends on m it is too low."""
    folds: np.ndarray | None
    """Mean square of the residuals of the folds, where R depends on m."""
    best: int
    """Index of the weight, never the first or the last."""

    @property
    def by_folds(self) -> bool:
        """Whether `best` was judged by the folds."""
        return self.folds is not None

    @property
    def weight(self) -> float:
        return float(self.weights[self.best])

    @property
    def score(self) -> float:
        """The mean square at the best weight."""
        return float(self.judged[self.best])

    @property
    def judged(self) -> np.ndarray:
        """The mean squares that count, by weight."""
        return self.left_out if self.folds is None else self.folds


@dataclass(frozen=True)
class Choice:
    """What was chosen, why, and among what."""

    score: Score
    R: InnerProduct
    scores: list[Score]
    reason: str
    freedom: float
    """Degrees of freedom that the fit uses."""
    spread: float
    """Standard deviation of the whitened noise as the fit finds it: 1 where the noise is as stated."""

    @property
    def weight(self) -> float:
        return self.score.weight

    @property
    def contender(self) -> Contender:
        return self.score.contender


def choose(
    look: Look,
    start: Contender,
    contenders: Sequence[Contender],
    reference: np.ndarray,
    rng: np.random.Generator,
) -> Choice:
    """The contender and the weight that predict best; the fixed `start` is where lagged ones begin.

    Fixed R are judged by leave-one-out. An R that depends on m has seen the data and looks better than it is:
    it is judged by folds whose R comes from the fold's own fit, against the best fixed R on the same folds,
    and has to be better by more than a standard error of the difference. Collective; alike on all ranks.
    """
    with timed("krylov"):
        order = rng.permutation(len(look.data))
        enough = len(order) >= FEWEST * FOLDS
        study = _Study(look, start, reference, np.array_split(order, FOLDS) if enough else [])
        fixed = [contender for contender in contenders if contender.regularisation.fixed]
        scores = [study.score(contender) for contender in (contenders if enough or not fixed else fixed)]
        best, reason = _preferred(study, scores)
        R, smoother = study.whole(best.contender)
        misfit, freedom = smoother.fit(np.array([best.weight]))
        left = max(len(look.data) - freedom[0], 1.0)
        return Choice(best, R, scores, reason, float(freedom[0]), float(np.sqrt(2 * misfit[0] / left)))


def _preferred(study: "_Study", scores: Sequence[Score]) -> tuple[Score, str]:
    """The best score and why."""
    fixed = [score for score in scores if not score.by_folds]
    lagged = [score for score in scores if score.by_folds]
    if not fixed or not lagged:
        return min(scores, key=_by_score), "the least score"
    best, challenger = min(fixed, key=_by_score), min(lagged, key=_by_score)
    better, doubt = study.advantage(challenger, best)
    if better > doubt:
        gain = f"{better:.3g} ± {doubt:.2g} a reading below those of {best.contender}"
        return challenger, f"on folds its squares are {gain}"
    verdict = f"on folds {challenger.contender} takes {better:.3g} ± {doubt:.2g} a reading off"
    return best, f"the least leave-one-out score; {verdict}: not beyond doubt"


def _by_score(score: Score) -> float:
    return score.score


class _Study:
    """All contenders on one look, along the directions that matter."""

    def __init__(
        self, look: Look, start: Contender, reference: np.ndarray, folds: Sequence[np.ndarray]
    ) -> None:
        self._reference, self._folds = reference, folds
        R = start.regularisation.at(reference)
        inverse = R.riesz(look.rows)
        S = gram(R.comm, look.rows, inverse)
        smoother = Smoother(S, look.directions, look.data)
        seen = smoother.values > UNSEEN * smoother.best_weight()
        seen[-1] = True
        U = smoother.vectors[:, seen]
        self._look, self._inverse, self._S = look.compressed(U), inverse @ U, U.T @ S @ U
        self._readings = np.arange(len(look.data))
        self._folded: dict[int, np.ndarray] = {}

    def score(self, contender: Contender) -> Score:
        """The score by leave-one-out, or by the folds where R depends on m."""
        _, smoother = self.whole(contender)
        weights = smoother.weights
        left_out = np.mean(smoother.left_out(weights) ** 2, axis=0)
        if contender.regularisation.fixed or not self._folds:
            return Score(contender, weights, left_out, None, interior_minimum(left_out))
        self._folded[id(contender)] = self.folded(contender, weights)
        folds = np.mean(self._folded[id(contender)] ** 2, axis=0)
        return Score(contender, weights, left_out, folds, interior_minimum(folds))

    def folded(self, contender: Contender, weights: np.ndarray) -> np.ndarray:
        """Residual of each reading by the fit without its fold, one column a weight."""
        look = self._look
        S = self._fixed(contender)[2] if contender.regularisation.fixed else None
        residuals = np.empty((len(self._readings), len(weights)))
        for fold in self._folds:
            kept = np.setdiff1d(self._readings, fold)
            if S is None:
                _, part, image = self._lagged(contender, kept)
            else:
                Q, B = np.linalg.qr(look.directions[kept])
                part, image = Smoother(B @ S @ B.T, Q, look.data[kept]), S @ B.T
            predicted = look.directions[fold] @ (image @ part.coefficients(weights))
            residuals[fold] = look.data[fold, None] - predicted
        return residuals

    def whole(self, contender: Contender) -> tuple[InnerProduct, Smoother]:
        """R, of the solution of all readings if it depends on m, and the linearised problem with it."""
        if contender.regularisation.fixed:
            return self._fixed(contender)[:2]
        return self._lagged(contender, self._readings)[:2]

    def advantage(self, one: Score, other: Score) -> tuple[float, float]:
        """By how much the folds' square residuals are smaller in the mean, and its standard error."""
        squares = []
        for score in (one, other):
            residuals = self._folded.get(id(score.contender))
            if residuals is None:
                residuals = self.folded(score.contender, score.weights)
            squares.append(residuals[:, interior_minimum(np.mean(residuals**2, axis=0))] ** 2)
        difference = squares[1] - squares[0]
        return float(np.mean(difference)), float(np.std(difference) / np.sqrt(len(difference)))

    def _fixed(self, contender: Contender) -> tuple[InnerProduct, Smoother, np.ndarray]:
        """R, the linearised problem with it, and S."""
        look, R = self._look, contender.regularisation.at(self._reference)
        S = gram(R.comm, look.rows, R.riesz(look.rows))
        return R, Smoother(S, look.directions, look.data), S

    def _lagged(self, contender: Contender, kept: np.ndarray) -> tuple[InnerProduct, Smoother, np.ndarray]:
        """R from the solution of these readings alone, their linearised problem, and ĴR⁻¹ of its rows'
        transpose.

        Each R comes from the solution with the one before, its weight by leave-one-out.
        """
        look = self._look
        Q, B = np.linalg.qr(look.directions[kept])
        rows, inverse = np.asfortranarray(look.rows @ B.T), self._inverse @ B.T
        smoother = Smoother(B @ self._S @ B.T, Q, look.data[kept])
        for _ in range(LAGS):
            weight = np.array([smoother.best_weight()])
            solution = self._reference + inverse @ smoother.coefficients(weight)[:, 0]
            R = contender.regularisation.at(solution)
            inverse = R.riesz(rows)
            smoother = Smoother(gram(R.comm, rows, inverse), Q, look.data[kept])
        return R, smoother, gram(R.comm, look.rows, inverse)
