"""The hat matrix of the linearised problem: for one R, all weights at once."""

import numpy as np
from scipy import linalg

from app.flow.discrepancy import weight_for
from app.method import SelectionMethod

DEFAULT = SelectionMethod()


class HatMatrix:
    """The hat matrix H(w) of the linearised problem for one R, in the data's space, and what follows from it.

    `S` = ĴR⁻¹Ĵᵀ = UΛUᵀ; predictions are QSα with α = U(Λ + w)⁻¹UᵀQᵀy, and the solution is R⁻¹Ĵᵀα.
    """

    def __init__(
        self,
        S: np.ndarray,
        directions: np.ndarray,
        data: np.ndarray,
        method: SelectionMethod = DEFAULT,
    ) -> None:
        self._method = method
        values, self.vectors = linalg.eigh(0.5 * (S + S.T))
        self.values = np.maximum(values, 0.0)
        self._P = directions @ self.vectors
        self._seen = self._P.T @ data
        whole = directions.shape[0] == directions.shape[1]
        self._outside = np.zeros_like(data) if whole else data - self._P @ self._seen
        """What no weight follows of the data, and below the share of each reading in that."""
        self._outer = np.zeros(len(data)) if whole else np.maximum(1.0 - np.sum(self._P**2, axis=1), 0.0)

    @property
    def weights(self) -> np.ndarray:
        """The weights to consider, falling."""
        method, largest = self._method, self._largest
        return np.geomspace(method.largest * largest, method.least * largest, method.weights)

    def best_weight(self) -> float:
        """The weight by leave-one-out."""
        weights = self.weights
        return float(weights[interior_minimum(np.mean(self.left_out(weights) ** 2, axis=0))])

    def weight_for(self, level: float, upper: float) -> tuple[float, bool]:
        """The weight, at most `upper`, with which half of the squared residual is `level`, or the least one
        that is considered; and whether the level is met."""
        largest = self._largest

        def misfit(weight: float) -> float:
            return float(self.fit(np.array([weight]))[0][0])

        return weight_for(misfit, level, self._method.least * largest, min(upper, 1e9 * largest))

    def coefficients(self, weights: np.ndarray) -> np.ndarray:
        """α, one column a weight."""
        result: np.ndarray = self.vectors @ (self._seen[:, None] / (self.values[:, None] + weights))
        return result

    def left_out(self, weights: np.ndarray) -> np.ndarray:
        """Residual of each reading by the solution without it, one column a weight: r_i / (1 − H_ii)."""
        residual, rest = self._residual(weights)
        result: np.ndarray = residual / np.maximum(self._outer[:, None] + self._P**2 @ rest, 1e-12)
        return result

    def evidence(self, weights: np.ndarray, variance: float | None) -> np.ndarray:
        """−2/n log p(y) by weight, but for a constant, with y ~ N(0, v(S/w + I)) of n readings.

        v is the variance of the noise, or, where that is None, the one that makes the readings most probable
        (MacKay 1992; with v unknown this is generalised maximum likelihood, Wahba 1985).
        """
        rest = self._rest(weights)
        count = len(self._outside)
        determinant = -np.log(rest).sum(axis=0) / count
        square = (rest.T @ np.square(self._seen) + np.square(self._outside).sum()) / count
        if variance is None:
            result: np.ndarray = determinant + np.log(np.maximum(square, np.finfo(float).tiny)) + 1.0
        else:
            result = determinant + square / variance + np.log(variance)
        return result

    def fit(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """½‖residual‖² and the degrees of freedom tr H, by weight."""
        residual, _ = self._residual(weights)
        share = self.values[:, None] / (self.values[:, None] + weights)
        return 0.5 * np.sum(residual**2, axis=0), share.sum(axis=0)

    def left(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tr(I − H), the degrees of freedom that the fit leaves, and tr(I − H)², by weight."""
        rest = self._rest(weights)
        unseen = len(self._outside) - len(self.values)
        return unseen + np.sum(rest, axis=0), unseen + np.sum(rest**2, axis=0)

    @property
    def _largest(self) -> float:
        """The largest eigenvalue, or next to nothing."""
        return max(float(self.values[-1]), float(np.finfo(float).tiny))

    def _rest(self, weights: np.ndarray) -> np.ndarray:
        """w/(Λ + w), one column a weight."""
        result: np.ndarray = weights / (self.values[:, None] + weights)
        return result

    def _residual(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y − Hy with H = P diag(Λ/(Λ + w)) Pᵀ, and the rest w/(Λ + w); no difference of large numbers is
        taken where the directions are all that there are."""
        rest = self._rest(weights)
        return self._outside[:, None] + self._P @ (rest * self._seen[:, None]), rest


def interior_minimum(scores: np.ndarray) -> int:
    """Index of the least score that is not at the edge of the range."""
    return 1 + int(np.argmin(scores[1:-1]))
