"""The linearised problem in the data's space: for one R, all weights at once."""

import numpy as np
from scipy import linalg

from app.flow.method import SelectionMethod

DEFAULT = SelectionMethod()

HALVINGS = 50
"""Of the logarithmic range in which a weight for a level is sought."""


class Smoother:
    """The linearised problem for one R and every w, in the data's space.

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
        self._data = data

    @property
    def weights(self) -> np.ndarray:
        """The weights to consider, falling."""
        largest = max(self.values[-1], np.finfo(float).tiny)
        return np.geomspace(
            self._method.largest * largest, self._method.least * largest, self._method.weights
        )

    def best_weight(self) -> float:
        """The weight by leave-one-out."""
        weights = self.weights
        return float(weights[interior_minimum(np.mean(self.left_out(weights) ** 2, axis=0))])

    def weight_for(self, level: float, upper: float) -> tuple[float, bool]:
        """The weight, at most `upper`, with which half of the squared residual is `level`, or the least one
        that is considered; and whether the level is met."""
        low, high = np.log([self._method.least * self.values[-1], min(upper, 1e9 * self.values[-1])])
        if self.fit(np.exp([low]))[0][0] > level:
            return float(np.exp(low)), False
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            met = self.fit(np.exp([middle]))[0][0] <= level
            low, high = (middle, high) if met else (low, middle)
        return float(np.exp(low)), True

    def coefficients(self, weights: np.ndarray) -> np.ndarray:
        """α, one column a weight."""
        return self.vectors @ (self._seen[:, None] / (self.values[:, None] + weights))

    def left_out(self, weights: np.ndarray) -> np.ndarray:
        """Residual of each reading by the solution without it, one column a weight: r_i / (1 − H_ii)."""
        residual, share = self._residual(weights)
        return residual / np.maximum(1.0 - self._P**2 @ share, 1e-12)

    def fit(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """½‖residual‖² and the degrees of freedom tr H, by weight."""
        residual, share = self._residual(weights)
        return 0.5 * np.sum(residual**2, axis=0), share.sum(axis=0)

    def _residual(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y − Hy with H = P diag(share) Pᵀ, and share = Λ/(Λ + w)."""
        share = self.values[:, None] / (self.values[:, None] + weights)
        return self._data[:, None] - self._P @ (share * self._seen[:, None]), share


def interior_minimum(scores: np.ndarray) -> int:
    """Index of the least score that is not at the edge of the range."""
    return 1 + int(np.argmin(scores[1:-1]))
