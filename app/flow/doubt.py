"""What decides where the least leave-one-out score is not to be believed, or is no better than others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammainc

from app.flow.hat_matrix import HatMatrix
from app.flow.scores import Candidate, Score
from app.method import SelectionMethod

ROUNDING = 1e-9
"""Weights below this share of the largest leave residuals of a few digits, which tell nothing of ties."""


@dataclass(frozen=True)
class Table:
    """What the linearised problem with a fixed R does with each weight.

    With the weight w of the data's own prior, y ~ N(0, v(S/w + I)) for noise of the variance v, the fit
    leaves ‖y − Hy‖² = v Σ d_i z_i², z_i independent standard normals and d_i = w/(Λ_i + w) the eigenvalues of
    I − H. The mean is v(n − tr H): noise times the degrees of freedom that are left (Hall and Titterington
    1987); the distribution is close to that of a multiple of χ² with the same mean and variance
    (Satterthwaite 1946).
    """

    score: Score
    squares: np.ndarray
    """Squares of the leave-one-out residuals, shape (readings, weights)."""
    misfit: np.ndarray
    """½‖y − Hy‖²."""
    freedom: np.ndarray
    """tr H, the degrees of freedom that the fit uses."""
    left: np.ndarray
    """tr(I − H), those that it leaves."""
    left_square: np.ndarray
    """tr(I − H)²."""

    @staticmethod
    def of(score: Score, squares: np.ndarray, hat: HatMatrix) -> "Table":
        """From the linearised problem."""
        return Table(score, squares, *hat.fit(score.weights), *hat.left(score.weights))

    @property
    def best(self) -> np.ndarray:
        """Squares of the leave-one-out residuals at the best weight, shape (readings,)."""
        column: np.ndarray = self.squares[:, self.score.best]
        return column

    def leaves(self, variance: float) -> np.ndarray:
        """‖y − Hy‖² over its mean under noise of this variance, by weight."""
        result: np.ndarray = 2.0 * self.misfit / (variance * self.left)
        return result

    def probability(self, variance: float) -> np.ndarray:
        """That noise of this variance leaves less than the fit does, by weight."""
        shape = 0.5 * self.left**2 / self.left_square
        result: np.ndarray = gammainc(shape, shape * self.leaves(variance))
        return result

    def weight_by_noise(self, variance: float) -> int | None:
        """Index of the largest weight, not at the edge of the range, that leaves no more than noise does in
        the mean; None where none does."""
        met = np.flatnonzero(self.leaves(variance)[1:-1] <= 1.0)
        return 1 + int(met[0]) if len(met) else None


@dataclass(frozen=True)
class Rules:
    """What is done where leave-one-out does not decide, or takes a fit that the noise contradicts."""

    method: SelectionMethod
    first: Candidate
    """Wins where candidates predict alike."""
    variance: float | None
    """Of the whitened noise, where it is known."""
    fallback: float | None
    """The weight where nothing else tells one."""
    enough: bool
    """Whether there are enough readings for a standard error."""

    def settled(self, tables: Sequence[Table], best: Table) -> tuple[Score, list[str]]:
        """The candidate and weight that are taken, and what is to be said of it; `best` is the least score of
        the tables."""
        notes = []
        alike = [table for table in tables if self._alike(table, best)]
        if len(alike) > 1:
            best = next((table for table in alike if table.score.candidate is self.first), best)
            notes.append(f"the data cannot tell {len(alike)} regularisations apart: they predict alike")
        if self._undecided(best):
            return self._by_other_means(best, notes), notes
        if self.enough:
            return self._believed(self._simplest(tables, best, notes), notes), notes
        return self._by_noise(best, notes), notes

    def _alike(self, table: Table, best: Table) -> bool:
        return table.score.score <= (1.0 + self.method.alike) * best.score.score

    def _undecided(self, table: Table) -> bool:
        """Whether all weights predict alike."""
        score = table.score
        told = score.left_out[1:-1][score.weights[1:-1] > ROUNDING * score.weights[0]]
        return bool(np.ptp(told) <= self.method.alike * told.max())

    def _by_other_means(self, table: Table, notes: list[str]) -> Score:
        """The score with the weight that the noise asks for, or the fallback."""
        score, index, said = table.score, self._asked_for(table), "the one that the noise asks for"
        if index is None and self.fallback is not None:
            inner = np.abs(np.log(score.weights[1:-1] / self.fallback))
            index, said = 1 + int(np.argmin(inner)), "the last one before this choice"
        if index is None:
            index, said = 1, "the largest"
        notes.append(f"no weight predicts better: {said} is taken")
        return replace(score, best=index)

    def _asked_for(self, table: Table) -> int | None:
        """Index of the weight that the noise asks for, None where it is not known or asks for none."""
        return None if self.variance is None else table.weight_by_noise(self.variance)

    def _by_noise(self, table: Table, notes: list[str]) -> Score:
        """The score of few readings, with the weight that the noise asks for if it is known."""
        index = self._asked_for(table)
        if index is None:
            return table.score
        notes.append("so few readings choose no weight: the one that the noise asks for is taken")
        return replace(table.score, best=index)

    def _simplest(self, tables: Sequence[Table], best: Table, notes: list[str]) -> Table:
        """With the fewest degrees of freedom within a standard error, where these are few; else the best."""
        found = []
        for number, table in enumerate(tables):
            worse = table.squares - best.best[:, None]
            within = worse.mean(axis=0) <= worse.std(axis=0) / np.sqrt(len(worse))
            within &= table.freedom < min(self.method.little, best.freedom[best.score.best])
            if self.variance is not None:
                within &= table.probability(self.variance) < 1.0 - self.method.doubtful
            inner = 1 + np.flatnonzero(within[1:-1])
            found += [(table.freedom[index], number, int(index)) for index in inner]
        if not found:
            return best
        freedom, number, index = min(found)
        score = replace(tables[number].score, best=index)
        notes.append(
            f"the readings say little: {score.candidate} predicts as well within a standard error with "
            f"{freedom:.2g} degrees of freedom"
        )
        return replace(tables[number], score=score)

    def _believed(self, table: Table, notes: list[str]) -> Score:
        """The score, with the weight that the noise asks for where the fit leaves too little of the data."""
        score, variance, method = table.score, self.variance, self.method
        if variance is None or table.probability(variance)[score.best] >= method.doubtful:
            return score
        index = table.weight_by_noise(variance)
        if index is None or index >= score.best:
            return score
        worse = table.squares[:, index] - table.best
        error = worse.std() / np.sqrt(len(worse))
        said = f"its fit leaves {table.leaves(variance)[score.best]:.2g} of what the noise accounts for"
        if worse.mean() > method.against * error:
            notes.append(
                f"{said}, but the weight that the noise asks for predicts worse by {worse.mean():.2g} ± "
                f"{error:.2g} a reading: the noise is smaller than stated, or less independent"
            )
            return score
        notes.append(f"{said}: not believed, the weight that the noise asks for is taken")
        return replace(score, best=index)
