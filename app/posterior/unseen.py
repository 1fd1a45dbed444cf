"""The part of a Gaussian field that the data do not see, and its variance."""

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from app.parallel import gram
from app.prior.variance import EXACT, Gaussian, PointwiseVariance, estimated_variance, exact_variance

FEW = 1500
"""Nodes up to which variances are exact: half a second."""

FINE = 0.05
"""Standard error, as a share of the variance at any node, up to which estimates are good enough where exact
variances could be had: of deviations half as much, and a tenth in the mean (`lshape`, `two_unknowns`)."""


def unseen_variance(R: Gaussian, W: np.ndarray, RW: np.ndarray, seen: np.ndarray) -> PointwiseVariance:
    """The diagonal of R⁻¹ − WWᵀ with R-orthonormal W, beside a variance (owned,) that is known; collective.

    Of smooth fields some hundred solves hold all but a faint rest of it, which is estimated from draws. Exact
    ones, one or two solves a node, are made where that is too coarse and the nodes are not too many.
    """
    unseen = Unseen(R, W, RW)
    size = R.comm.allreduce(R.owned)
    if size > FEW:
        found = estimated_variance(unseen)
        worst = float(np.max(found.error / (seen + found.values), initial=0.0))
        if size > EXACT or R.comm.allreduce(worst, op=MPI.MAX) <= FINE:
            return found
    values = exact_variance(unseen)
    return PointwiseVariance(values, np.zeros_like(values))


@dataclass(frozen=True, eq=False)
class Unseen:
    """N(0, R⁻¹ − WWᵀ): what is left of N(0, R⁻¹) across the directions W."""

    R: Gaussian
    W: np.ndarray
    RW: np.ndarray

    @property
    def comm(self) -> MPI.Comm:
        """Those of R."""
        return self.R.comm

    @property
    def owned(self) -> int:
        """Rows that this rank owns."""
        return self.R.owned

    def apply(self, block: np.ndarray) -> np.ndarray:
        """The precision of coefficients that are orthogonal to W: R @ block."""
        return self.R.apply(block)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """The covariance @ block."""
        image: np.ndarray = self.R.riesz(block) - self.W @ gram(self.comm, self.W, block)
        return image

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ R block, the same on all ranks."""
        return self.R.square(block)

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        """The diagonal of blockᵀ covariance block, shape (columns,) ≥ 0, the same on all ranks."""
        seen = gram(self.comm, self.W, block)
        squares: np.ndarray = np.maximum(self.R.dual_squares(block) - np.square(seen).sum(axis=0), 0.0)
        return squares

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws, shape (owned, count)."""
        draws = self.R.sample(rng, count)
        across: np.ndarray = draws - self.W @ gram(self.comm, self.RW, draws)
        return across
