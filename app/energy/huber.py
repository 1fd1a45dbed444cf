"""Huber's loss as a sum of squares.

ρ(r) = ½r² for |r| ≤ c and c|r| − ½c² beyond (Huber 1964) is ½e² with e = sign(r) √(2ρ(r)). So the misfit
stays one of nonlinear least squares in e, whose Gauss–Newton model counts a large residual less and less, as
weights of iterated least squares do, and tries every step by the true loss. c = ∞ is the Gaussian misfit.
"""

import numpy as np
from scipy.special import erf


def pseudo_residual(residual: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """e of whitened residuals r, with ½‖e‖² = Σρ(r); shape (readings,), as all here."""
    size, large = np.abs(residual), np.abs(residual) > threshold
    e = np.array(residual)
    e[large] = np.sign(residual[large]) * np.sqrt((2 * size[large] - threshold[large]) * threshold[large])
    return e


def slope(residual: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """∂e/∂r: 1 for |r| ≤ c and c/|e| beyond."""
    large = np.abs(residual) > threshold
    result = np.ones_like(residual)
    result[large] = threshold[large] / np.abs(pseudo_residual(residual, threshold)[large])
    return result


def expectation(threshold: np.ndarray) -> np.ndarray:
    """The mean of e² where r is standard normal, 1 for c = ∞.

    P(|r| ≤ c) − 2cφ(c) + 4cφ(c) − c² P(|r| > c) with the normal density φ.
    """
    finite = np.isfinite(threshold)
    c = np.where(finite, threshold, 0.0)
    within = erf(c / np.sqrt(2))
    density = np.exp(-0.5 * c**2) / np.sqrt(2 * np.pi)
    return np.where(finite, within + 2 * c * density - c**2 * (1 - within), 1.0)
