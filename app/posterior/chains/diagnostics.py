"""How many independent draws chains are worth, and whether they have forgotten where they started.

Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021): chains are split in halves, their draws replaced by
normal scores of their ranks, and autocorrelations are summed by Geyer's initial monotone sequence (1992).
"""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

FEWEST = 4
"""Draws of half a chain, below which nothing is said."""


def effective_samples(draws: np.ndarray, *, ranked: bool = True) -> float:
    """Of the mean of one quantity, draws of shape (chains, length); NaN of too few or constant ones.

    `ranked` gives the bulk effective sample size, which does not depend on the quantity's scale and needs no
    variance; without, it is that of the plain mean.
    """
    halves = _halves(draws)
    if halves.shape[1] < FEWEST or not _varies(halves):
        return float("nan")
    return _effective(_scores(halves) if ranked else halves)


def split_rhat(draws: np.ndarray) -> float:
    """The larger of R̂ of the ranks and of the ranks of departures from the median, of one quantity with
    draws of shape (chains, length); 1 where all chains agree, NaN of too few or constant draws."""
    halves = _halves(draws)
    if halves.shape[1] < FEWEST or not _varies(halves):
        return float("nan")
    folded = np.abs(halves - np.median(halves))
    return max(_rhat(_scores(each)) for each in (halves, folded) if _varies(each))


def _rhat(draws: np.ndarray) -> float:
    within, total = _variances(draws)
    return float(np.sqrt(total / within)) if within > 0 else float("inf")


def _variances(draws: np.ndarray) -> tuple[float, float]:
    """Within chains, and of all draws with what the chains' means differ by."""
    length = draws.shape[1]
    within = float(draws.var(axis=1, ddof=1).mean())
    between = float(draws.mean(axis=1).var(ddof=1))
    return within, within * (length - 1) / length + between


def _effective(draws: np.ndarray) -> float:
    """chains · length / τ with τ = −1 + 2 Σ (ρ_2t + ρ_2t+1), while these are positive, made to fall."""
    chains, length = draws.shape
    within, total = _variances(draws)
    correlation = 1.0 - (within - _autocovariance(draws).mean(axis=0)) / total
    correlation[0] = 1.0
    pairs = correlation[: 2 * (length // 2)].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else None])
    tau = max(2.0 * pairs.sum() - 1.0, 1.0 / np.log10(max(chains * length, 10)))
    return float(chains * length / tau)


def _autocovariance(draws: np.ndarray) -> np.ndarray:
    """Of each chain at each lag, divided by the length less one, shape (chains, length)."""
    length = draws.shape[1]
    size = next_fast_len(2 * length, real=True)
    departure = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.square(np.abs(rfft(departure, size, axis=1)))
    covariance: np.ndarray = irfft(spectrum, size, axis=1)[:, :length] / (length - 1)
    return covariance


def _halves(draws: np.ndarray) -> np.ndarray:
    """Each chain as two, without a middle draw."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def _scores(draws: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all chains."""
    ranks = rankdata(draws).reshape(draws.shape)
    scores: np.ndarray = ndtri((ranks - 0.375) / (draws.size + 0.25))
    return scores


def _varies(draws: np.ndarray) -> bool:
    return bool(np.isfinite(draws).all() and np.ptp(draws) > 0)
