"""Readings of one place, time and component as one: their weighted mean.

A group's residuals e_i = (y − d_i)/σ_i, of one y, have the sum of squares (y − d̄)²/σ̄² + Σ(d_i − d̄)²/σ_i²
with 1/σ̄² = Σ1/σ_i² and d̄ the mean with the weights 1/σ_i². So (y − d̄)/σ̄ = Σ a_i e_i with a_i = σ̄/σ_i stands
for all of them: the likelihood is the same up to a constant.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Pooling:
    """What takes residuals of all readings to those of the groups, P with orthonormal rows a."""

    groups: np.ndarray
    """Number of each reading's group, shape (readings,); none is left out."""
    sigma: np.ndarray
    """Standard deviation of each reading, shape (readings,)."""

    @cached_property
    def matrix(self) -> csr_array:
        """P, shape (groups, readings)."""
        relative = self.sigma.min() / self.sigma
        precision = np.bincount(self.groups, relative**2)
        shares = relative / np.sqrt(precision[self.groups])
        numbers = np.arange(len(self.groups))
        return csr_array((shares, (self.groups, numbers)), shape=(len(precision), len(numbers)))

    def scatter(self, data: np.ndarray) -> tuple[float, int]:
        """Σ(d_i − d̄)²/σ_i², and its degrees of freedom: readings less groups."""
        whitened = data / self.sigma
        apart = whitened - self.matrix.T @ (self.matrix @ whitened)
        groups, readings = self.matrix.shape
        return float(apart @ apart), readings - groups
