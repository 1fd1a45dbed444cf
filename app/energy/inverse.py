"""The misfit of an inverse problem, ½‖e‖² with the whitened residual e = Γ^(−½)(y(m) − d)."""

from typing import Protocol

import numpy as np

from app.energy import huber


class Forward(Protocol):
    """A map from coefficients to predicted readings, with its derivative at the last solved coefficient."""

    def solve(self, values: np.ndarray) -> np.ndarray:
        """Readings, whole on every rank; raises SolveFailed on all ranks."""

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block."""

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data."""


class InverseProblem:
    """Whitened residual, its tangent and its adjoint; data are whole on every rank.

    `sigma` holds the standard deviation of each reading's noise, Γ = diag(sigma²). Of readings that are
    `logarithmic` the logarithms are compared, and sigma is theirs. Residuals beyond a finite `threshold`
    count by Huber's loss: e is then the pseudo-residual of app.energy.huber. All have shape (readings,).
    """

    def __init__(
        self,
        forward: Forward,
        data: np.ndarray,
        sigma: np.ndarray,
        *,
        logarithmic: np.ndarray | None = None,
        threshold: np.ndarray | None = None,
    ) -> None:
        self.forward = forward
        self.logarithmic = np.zeros(len(data), dtype=bool) if logarithmic is None else logarithmic
        self._threshold = np.full(len(data), np.inf) if threshold is None else threshold
        self._data = self._compared(data)
        self._sigma = sigma
        self._scale = sigma

    @property
    def robust(self) -> bool:
        """Whether large residuals of any reading count less than their square."""
        return bool(np.isfinite(self._threshold).any())

    @property
    def expectation(self) -> float:
        """The mean of ‖e‖² where the residuals are nothing but Gaussian noise of these sigma."""
        return float(huber.expectation(self._threshold).sum())

    def residual(self, coefficient: np.ndarray) -> np.ndarray:
        """e(m), shape (readings,); raises SolveFailed on all ranks where the state has no finite solution.

        Infinite where a reading is not positive whose logarithm is compared.
        """
        readings = self.forward.solve(coefficient)
        with np.errstate(over="ignore"):  # an infinite misfit is refused by those who look at it
            whitened = (self._compared(readings) - self._data) / self._sigma
            slope = huber.slope(whitened, self._threshold)
            self._scale = self._sigma * np.where(self.logarithmic, readings, 1.0) / slope
            return huber.pseudo_residual(whitened, self._threshold)

    def misfit(self, residual: np.ndarray) -> float:
        """½‖e‖²."""
        return 0.5 * float(residual @ residual)

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        """Jᵀe at the coefficient that was evaluated last: one adjoint right-hand side."""
        return self.forward.adjoint(self._whiten(residual), incremental=False)

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J @ block: one incremental right-hand side a column."""
        return self._whiten(self.forward.tangent(block))

    def adjoint(self, data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data: one incremental right-hand side a column."""
        return self.forward.adjoint(self._whiten(data))

    def _compared(self, readings: np.ndarray) -> np.ndarray:
        """Readings or their logarithms, −∞ where they have none."""
        compared = np.array(readings, dtype=float)
        own = np.where(self.logarithmic, readings, 1.0)
        compared[self.logarithmic] = -np.inf
        np.log(own, out=compared, where=self.logarithmic & (own > 0))
        return compared

    def _whiten(self, data: np.ndarray) -> np.ndarray:
        """∂e/∂y times readings, one column or several."""
        return data / (self._scale if data.ndim == 1 else self._scale[:, None])
