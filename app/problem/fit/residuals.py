"""What the whitened residuals of a run look like: outliers, and neighbours that err alike."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import norm

from app.output import Fit, bulk_deviation

FALSE_ALARM = 1e-3
"""Probability that any of the readings is taken for an outlier though there is none (Bonferroni)."""

FEW = 0.1
"""Outliers are few up to this share of the readings: with more of them the median says less of the others."""

ALIKE = 3.0
"""Standard errors, 1/√pairs where readings err independently, from which the correlation of neighbours is no
accident: one sample of independent errors in 740 has it."""


def outliers(residual: np.ndarray, *, known: bool = True) -> np.ndarray:
    """Numbers of the readings that lie beyond the bulk and, where it is known, beyond what sigma says, the
    farthest first; none where they are not few."""
    size = np.abs(residual)
    deviation = max(bulk_deviation(residual), 1.0 if known else 0.0)
    bound = norm.isf(0.5 * FALSE_ALARM / len(size)) * deviation
    order = np.argsort(-size, kind="stable")
    beyond: np.ndarray = order[size[order] > bound]
    return beyond if len(beyond) <= FEW * len(size) else beyond[:0]


def neighbours_alike(fit: Fit) -> float | None:
    """The correlation of the residuals of nearest neighbours, of one observation at one time, where it is
    more than accident; None where it is not, or where no two readings have places."""
    residual = fit.residual / (np.sqrt(np.mean(fit.residual**2)) or 1.0)
    residual = np.clip(residual, -ALIKE, ALIKE)  # one outlier is no pattern
    products = [
        residual[own] * residual[own[_nearest(fit.points[own])]] for own in _together(fit) if len(own) > 1
    ]
    if not products:
        return None
    pairs = np.concatenate(products)
    found = float(pairs.mean() / np.mean(residual**2))
    return found if found > ALIKE / np.sqrt(len(pairs)) else None


def _together(fit: Fit) -> list[np.ndarray]:
    """Numbers of the readings with places, those of each observation and time together."""
    placed = np.flatnonzero(fit.placed)
    times = np.zeros(len(fit)) if fit.times is None else np.asarray(fit.times)
    keys = np.column_stack([fit.of, times])[placed]
    if not len(placed):
        return []
    _, groups, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return np.split(placed[np.argsort(groups.ravel(), kind="stable")], np.cumsum(counts)[:-1])


def _nearest(points: np.ndarray) -> np.ndarray:
    """The number of each point's nearest neighbour."""
    nearest: np.ndarray = cKDTree(points).query(points, k=2)[1]
    numbers = np.arange(len(points))
    return np.where(nearest[:, 0] == numbers, nearest[:, 1], nearest[:, 0])
