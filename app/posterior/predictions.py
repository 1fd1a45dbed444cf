"""How sure functionals of the coefficient are: by their derivative, and by draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from app.parallel import SolveFailed
from app.posterior.posterior import Posterior

QUANTILES = (0.05, 0.5, 0.95)
"""Probabilities of the quantiles that are told."""


@dataclass(frozen=True)
class Label:
    """What a prediction is called, and where it is."""

    name: str
    place: str


@dataclass(frozen=True, eq=False)
class Predictions:
    """Values q at the result and how sure they are; arrays of shape (predictions,), whole on every rank.

    Where there is no posterior, and of what has no value itself, deviations and quantiles are nan.
    """

    labels: tuple[Label, ...]
    value: np.ndarray
    """q(m)."""
    std: np.ndarray
    """√(q′ covariance q′ᵀ)."""
    std_prior: np.ndarray
    """The same before the data, nan where that is not known."""
    quantiles: np.ndarray
    """By QUANTILES, shape (predictions, 3): of q at the draws that have one; those of the Gaussian where none
    has."""
    draws: np.ndarray | None = None
    """q at the draws, shape (predictions, draws), nan where a draw has no state; None without draws."""
    truth: np.ndarray | None = None
    """q at the true coefficient, where that is known."""

    @property
    def covered(self) -> float | None:
        """The share of the predictions that have a value whose truth lies between the quantiles of 5 and
        95 %, None where there is no truth or no posterior."""
        known = ~np.isnan(self.quantiles).any(axis=1)
        if self.truth is None or not known.any():
            return None
        low, _, high = self.quantiles[known].T
        return float(np.mean((low <= self.truth[known]) & (self.truth[known] <= high)))

    @property
    def lost(self) -> int:
        """How many draws have no state, or no logarithm of one of the readings."""
        return 0 if self.draws is None else int(np.isnan(self.draws).any(axis=0).sum())


def predictions_of(
    labels: Sequence[Label],
    value: np.ndarray,
    rows: np.ndarray,
    posterior: Posterior | None,
    draws: np.ndarray | None = None,
) -> Predictions:
    """From q and q′ at the result, the latter a block of one column each; collective."""
    if posterior is None:
        unknown = np.full(len(value), np.nan)
        return Predictions(tuple(labels), value, unknown, unknown, np.full((len(value), 3), np.nan))
    prior, left = posterior.functional_covariances(rows)
    variances = (np.where(np.isnan(value), np.nan, np.diag(each)) for each in (left, prior))
    std, std_prior = (np.sqrt(np.maximum(each, 0.0)) for each in variances)
    quantiles = value[:, None] + std[:, None] * ndtri(QUANTILES)
    if draws is not None:
        pushed_on = ~np.isnan(draws).all(axis=1)
        quantiles[pushed_on] = np.nanquantile(draws[pushed_on], QUANTILES, axis=1).T
    return Predictions(tuple(labels), value, std, std_prior, quantiles, draws)


def pushed(values: Callable[[np.ndarray], np.ndarray], samples: np.ndarray, count: int) -> np.ndarray:
    """q, of `count` numbers, at each column of `samples`, shape (count, columns), nan where there is no
    state; collective."""
    found = np.full((count, samples.shape[1]), np.nan)
    for number, m in enumerate(samples.T):
        try:
            found[:, number] = values(np.ascontiguousarray(m))
        except SolveFailed:
            continue  # on all ranks alike
    return found
