"""The misfit of an inverse problem, ½‖e‖² with the whitened residual e = Γ^(−½)(y(m) − d)."""

from functools import cached_property
from typing import Protocol

import numpy as np

from app.energy import huber
from app.energy.pooling import Pooling


class Linearisation(Protocol):
    """A forward map at one coefficient: readings, whole on every rank, and J there."""

    @property
    def values(self) -> np.ndarray:
        """m, owned nodal values."""

    @property
    def readings(self) -> np.ndarray:
        """Shape (readings,), whole on every rank."""

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block."""

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data."""


class Forward[L: Linearisation](Protocol):
    """A map from coefficients to predicted readings."""

    def at(self, values: np.ndarray, near: L | None = None) -> L:
        """The map at a coefficient; raises SolveFailed on all ranks."""


class Misfit[L: Linearisation]:
    """½‖e‖² at one coefficient; e and its Jacobian J are whole on every rank in the direction of the data."""

    def __init__(self, problem: "InverseProblem[L]", forward: L) -> None:
        self._pooling = problem.pooling
        self.forward = forward
        """The forward map there, without whitening."""
        readings = forward.readings
        with np.errstate(over="ignore"):  # an infinite misfit is refused by those who look at it
            whitened = problem.whitened(readings)
            slope = huber.slope(whitened, problem.threshold)
            self._scale = problem.sigma * np.where(problem.logarithmic, readings, 1.0) / slope
            self.unpooled = huber.pseudo_residual(whitened, problem.threshold)
            """The residual of each reading, shape (readings,); infinite where one is not positive whose
            logarithm is compared."""
            self.residual = problem.pooled(self.unpooled)
            """e(m), shape (groups,): readings of one place, time and component count as their mean."""
            self.value = 0.5 * float(self.residual @ self.residual)
            """½‖e‖²."""

    @property
    def m(self) -> np.ndarray:
        """Owned nodal values."""
        return self.forward.values

    @cached_property
    def _derivative(self) -> np.ndarray:
        return self.forward.adjoint(self._whiten(self._apart(self.residual)), incremental=False)

    def derivative(self) -> np.ndarray:
        """Jᵀe, a dual vector of the owned nodes: one adjoint right-hand side, once."""
        return self._derivative

    def jvp(self, block: np.ndarray) -> np.ndarray:
        """J @ block: one incremental right-hand side a column."""
        images = self._whiten(self.forward.tangent(block))
        return images if self._pooling is None else self._pooling.matrix @ images

    def vjp(self, data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data: one incremental right-hand side a column."""
        return self.forward.adjoint(self._whiten(self._apart(data)))

    def _apart(self, data: np.ndarray) -> np.ndarray:
        """From groups to readings, one column or several."""
        return data if self._pooling is None else self._pooling.matrix.T @ data

    def _whiten(self, data: np.ndarray) -> np.ndarray:
        """∂e/∂y times readings, one column or several."""
        result: np.ndarray = data / (self._scale if data.ndim == 1 else self._scale[:, None])
        return result


class InverseProblem[L: Linearisation]:
    """Whitened residual of a forward map against data, which are whole on every rank.

    `sigma` holds the standard deviation of each reading's noise, Γ = diag(sigma²). Of readings that are
    `logarithmic` the logarithms are compared, and sigma is theirs. Residuals beyond a finite `threshold`
    count by Huber's loss: e is then the pseudo-residual of app.energy.huber. Readings of one of the `groups`,
    if these are given, are of one place, time and component, and count as their weighted mean unless their
    threshold is finite. All have shape (readings,).
    """

    def __init__(
        self,
        forward: Forward[L],
        data: np.ndarray,
        sigma: np.ndarray,
        *,
        logarithmic: np.ndarray | None = None,
        threshold: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        self.forward = forward
        self.logarithmic = np.zeros(len(data), dtype=bool) if logarithmic is None else logarithmic
        self.threshold = np.full(len(data), np.inf) if threshold is None else threshold
        self.sigma = sigma
        self._data = self._compared(data)
        self.pooling = self._pooling(groups)
        """None where each reading stands for itself."""
        self.repeats = self._repeats(groups)
        """Group of each residual, where there are still several of one place; None where there are not."""

    @property
    def robust(self) -> bool:
        """Whether large residuals of any reading count less than their square."""
        return bool(np.isfinite(self.threshold).any())

    @property
    def expectation(self) -> float:
        """The mean of ‖e‖² where the residuals are nothing but Gaussian noise of these sigma."""
        each = huber.expectation(self.threshold)
        if self.pooling is not None:
            each = each[np.unique(self.pooling.groups, return_index=True)[1]]
        return float(each.sum())

    @property
    def scatter(self) -> tuple[float, int]:
        """Sum of squares of readings of one group about their mean, in standard deviations, and its degrees
        of freedom; nothing where each stands for itself."""
        return (0.0, 0) if self.pooling is None else self.pooling.scatter(self._data)

    def at(self, m: np.ndarray, near: Misfit[L] | None = None) -> Misfit[L]:
        """The misfit at m; raises SolveFailed on all ranks where the state has no finite solution.

        A state that is not linear is sought from that of `near` on.
        """
        return Misfit(self, self.forward.at(m, None if near is None else near.forward))

    def pooled(self, data: np.ndarray) -> np.ndarray:
        """From residuals of all readings to those of the groups."""
        return data if self.pooling is None else self.pooling.matrix @ data

    def whitened(self, readings: np.ndarray) -> np.ndarray:
        """Readings, or their logarithms, against the data in standard deviations."""
        result: np.ndarray = (self._compared(readings) - self._data) / self.sigma
        return result

    def _pooling(self, groups: np.ndarray | None) -> Pooling | None:
        """What pools the readings of a group whose residuals count by their squares."""
        if groups is None:
            return None
        alone = len(groups) + np.arange(len(groups))
        own = np.where(np.isfinite(self.threshold), alone, groups)
        _, first, found = np.unique(own, return_index=True, return_inverse=True)
        if len(first) == len(own):
            return None
        return Pooling(np.argsort(np.argsort(first))[found], self.sigma)

    def _repeats(self, groups: np.ndarray | None) -> np.ndarray | None:
        """Of residuals that are not pooled, since large ones count less."""
        if groups is None:
            return None
        if self.pooling is not None:
            groups = groups[np.unique(self.pooling.groups, return_index=True)[1]]
        found = np.unique(groups, return_inverse=True)[1]
        return found if found.max() + 1 < len(found) else None

    def _compared(self, readings: np.ndarray) -> np.ndarray:
        """Readings or their logarithms, −∞ where they have none."""
        compared = np.array(readings, dtype=float)
        own = np.where(self.logarithmic, readings, 1.0)
        compared[self.logarithmic] = -np.inf
        np.log(own, out=compared, where=self.logarithmic & (own > 0))
        return compared
