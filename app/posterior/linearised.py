"""The Gaussian posterior of the problem linearised at its result.

With the prior N(m_ref, (s²/w) R⁻¹) and readings whose whitened noise has the variance s², the posterior of
the linearised problem is N(m, s² (wR + JᵀJ)⁻¹). It differs from the prior in the eigenvectors of R⁻¹JᵀJ that
the data determine, of which there are no more than readings (Flath et al. 2011; Bui-Thanh et al. 2013).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.parallel import gram
from app.posterior.unseen import unseen_variance
from app.prior.gram import column_products
from app.prior.variance import Gaussian, PointwiseVariance

NEGLIGIBLE = 1e-14
"""Eigenvalues below this share of the largest are rounding."""


@dataclass(frozen=True, eq=False)
class LinearisedPosterior:
    """N(m, s² (wR + JᵀJ)⁻¹) by the eigenpairs of JᵀJ w = λ R w; immutable, all that it does is collective.

    The covariance is (s²/w) (R⁻¹ − W diag(λ/(λ + w)) Wᵀ). Coefficients and dual vectors have the rank's owned
    rows (owned,), blocks (owned, columns).
    """

    mean: np.ndarray
    """m, (owned,)."""
    reference: np.ndarray
    """m_ref, the prior's mean, (owned,)."""
    R: Gaussian
    """The prior's precision but for a factor; whoever made it closes it, after the last use of this."""
    weight: float
    """w > 0."""
    noise: float
    """s², the variance of the whitened noise."""
    eigenvalues: np.ndarray
    """λ (k,) ≥ 0, the same on all ranks."""
    W: np.ndarray
    """Eigenvectors with WᵀRW = I, a block of k columns."""
    RW: np.ndarray
    """R @ W."""

    @staticmethod
    def of(
        mean: np.ndarray,
        reference: np.ndarray,
        R: Gaussian,
        weight: float,
        noise: float,
        C: np.ndarray,
        X: np.ndarray | None = None,
    ) -> "LinearisedPosterior":
        """From a block C with JᵀJ = CCᵀ, such as Jᵀ, and X = R⁻¹C where that is known."""
        X = R.riesz(C) if X is None else X
        values, vectors = np.linalg.eigh(gram(R.comm, C, X))
        kept = values > NEGLIGIBLE * max(values[-1:], default=0.0)
        roots = np.sqrt(values[kept])
        W, RW = (np.asfortranarray(block @ (vectors[:, kept] / roots)) for block in (X, C))
        return LinearisedPosterior(mean, reference, R, weight, noise, values[kept], W, RW)

    def with_rows(self, rows: np.ndarray) -> "LinearisedPosterior":
        """The posterior, about the same mean, with further readings: a block of their whitened rows of J as
        columns. No variance rises."""
        roots = np.sqrt(self.eigenvalues)
        C = np.asfortranarray(np.hstack([self.RW * roots, rows]))
        X = np.asfortranarray(np.hstack([self.W * roots, self.R.riesz(rows)]))
        return self.of(self.mean, self.reference, self.R, self.weight, self.noise, C, X)

    def with_noise(self, noise: float) -> "LinearisedPosterior":
        """The same with another s²."""
        return replace(self, noise=noise)

    def covariance(self, block: np.ndarray) -> np.ndarray:
        """Covariance @ block of dual vectors."""
        taken = self._scaled(self._shares, gram(self.R.comm, self.W, block))
        image: np.ndarray = self._spread * (self.R.riesz(block) - self.W @ taken)
        return image

    def precision(self, block: np.ndarray) -> np.ndarray:
        """Covariance⁻¹ @ block of coefficients, a dual block."""
        seen = self._scaled(self.eigenvalues, gram(self.R.comm, self.RW, block))
        image: np.ndarray = (self.weight * self.R.apply(block) + self.RW @ seen) / self.noise
        return image

    def prior_covariance(self, block: np.ndarray) -> np.ndarray:
        """(s²/w) R⁻¹ @ block of dual vectors."""
        image: np.ndarray = self._spread * self.R.riesz(block)
        return image

    def functional_covariances(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """rowsᵀ covariance rows before the data and after them, (k, k) and the same on all ranks."""
        before = self._spread * gram(self.R.comm, rows, self.R.riesz(rows))
        seen = gram(self.R.comm, self.W, rows)
        taken = self._spread * seen.T @ self._scaled(self._shares, seen)
        return before, before - taken

    def variance(self) -> np.ndarray:
        """Of each nodal value, (owned,) ≥ 0."""
        variance: np.ndarray = self._spread * (self._left + self._unseen.values)
        return variance

    def prior_variance(self) -> np.ndarray:
        """The same before the data, (owned,)."""
        variance: np.ndarray = self.variance() + self.variance_taken()
        return variance

    def variance_taken(self) -> np.ndarray:
        """By how much the data have lessened the variance of each nodal value, (owned,)."""
        taken: np.ndarray = np.einsum("ij,ij,j->i", self.W, self.W, self._shares)
        return self._spread * taken

    def variance_error(self) -> np.ndarray:
        """Standard error of both variances, (owned,): zeros where they are exact, see app.prior.variance."""
        error: np.ndarray = self._spread * self._unseen.error
        return error

    def resolved(self) -> np.ndarray:
        """1 − posterior over prior variance at each node, in [0, 1], (owned,)."""
        share: np.ndarray = np.clip(self.variance_taken() / self.prior_variance(), 0.0, 1.0)
        return share

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Independent draws, a block of `count` columns; the stream is the same on all ranks, and so are the
        draws on any number of them."""
        return self.transformed(self.R.sample(rng, count))

    def prior_sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws of the prior, likewise."""
        draws: np.ndarray = self.reference[:, None] + np.sqrt(self._spread) * self.R.sample(rng, count)
        return draws

    def transformed(self, draws: np.ndarray) -> np.ndarray:
        """Draws of N(0, R⁻¹), a block, as draws of the posterior: along the eigenvectors they are shortened
        by √(w/(λ + w))."""
        shortened = 1.0 - np.sqrt(self.weight / (self.eigenvalues + self.weight))
        taken = self._scaled(shortened, gram(self.R.comm, self.RW, draws))
        moved: np.ndarray = self.mean[:, None] + np.sqrt(self._spread) * (draws - self.W @ taken)
        return moved

    def square_distance(self, block: np.ndarray) -> np.ndarray:
        """(x − m)ᵀ covariance⁻¹ (x − m) of each column x: minus twice the log density, but for a constant;
        shape (columns,), the same on all ranks."""
        departure = block - self.mean[:, None]
        return column_products(self.R.comm, departure, self.precision(departure))

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom that the data determine, Σ λ/(λ + w)."""
        return float(self._shares.sum())

    @cached_property
    def information(self) -> float:
        """What the data tell, the Kullback–Leibler divergence of the posterior from the prior, in nats."""
        departure = self.mean - self.reference
        moved = float(gram(self.R.comm, departure, self.R.apply(departure))) / self._spread
        return 0.5 * (float(np.sum(np.log1p(self.eigenvalues / self.weight))) - self.freedom + moved)

    @cached_property
    def _unseen(self) -> PointwiseVariance:
        """Of the part of N(0, R⁻¹) that the data do not see."""
        return unseen_variance(self.R, self.W, self.RW, self._left)

    @cached_property
    def _left(self) -> np.ndarray:
        """What the data leave of the variance along the eigenvectors, by s²/w."""
        left: np.ndarray = np.einsum("ij,ij,j->i", self.W, self.W, 1.0 - self._shares)
        return left

    @property
    def _spread(self) -> float:
        """s²/w: the prior's covariance is this times R⁻¹."""
        return self.noise / self.weight

    @property
    def _shares(self) -> np.ndarray:
        """λ/(λ + w): the share of the prior variance that the data take along each eigenvector."""
        shares: np.ndarray = self.eigenvalues / (self.eigenvalues + self.weight)
        return shares

    @staticmethod
    def _scaled(by: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """diag(by) @ rows, of a vector or a block."""
        scaled: np.ndarray = rows * (by if rows.ndim == 1 else by[:, None])
        return scaled
