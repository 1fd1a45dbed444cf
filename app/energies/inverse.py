"""The misfit of an inverse problem, ½‖e‖² with the whitened residual e = Γ^(−½)(Bu(m) − d)."""

from typing import Protocol

import numpy as np


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

    `sigma` holds the standard deviation of each reading's noise, Γ = diag(sigma²).
    """

    def __init__(self, forward: Forward, data: np.ndarray, sigma: np.ndarray) -> None:
        self.forward = forward
        self._data = data
        self._sigma = sigma

    def residual(self, coefficient: np.ndarray) -> np.ndarray:
        """e(m), shape (readings,); raises SolveFailed on all ranks where the state has no finite solution."""
        difference = self.forward.solve(coefficient) - self._data
        with np.errstate(over="ignore"):  # an infinite misfit is refused by those who look at it
            return difference / self._sigma

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        """Jᵀe at the coefficient that was evaluated last: one adjoint right-hand side."""
        return self.forward.adjoint(residual / self._sigma, incremental=False)

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J @ block: one incremental right-hand side a column."""
        return self._whiten(self.forward.tangent(block))

    def adjoint(self, data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data: one incremental right-hand side a column."""
        return self.forward.adjoint(self._whiten(data))

    def _whiten(self, data: np.ndarray) -> np.ndarray:
        return data / (self._sigma if data.ndim == 1 else self._sigma[:, None])
