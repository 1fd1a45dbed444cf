"""Readings and predictions made up for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.output import Fit, Series


def fit(residual: np.ndarray, dimension: int = 2, **changes: Any) -> Fit:
    """Readings at random places with these whitened residuals, sigma 0.1, of one observation."""
    rng = np.random.default_rng(5)  # any seed
    count = len(residual)
    read = rng.uniform(1.0, 3.0, count)
    ordinary: dict[str, Any] = {
        "series": (Series("", "heads", "heads.csv"),),
        "of": np.zeros(count, dtype=int),
        "lines": np.arange(2, count + 2),
        "points": rng.uniform(size=(count, dimension)),
        "read": read,
        "predicted": read + 0.1 * residual,
        "sigma": np.full(count, 0.1),
        "residual": residual,
        "logarithmic": np.zeros(count, dtype=bool),
    }
    return Fit(**(ordinary | changes))


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Residuals of N(0, 1) with a mean square of exactly 1."""
    drawn = np.random.default_rng(seed).standard_normal(count)
    return drawn / np.sqrt(np.mean(drawn**2))
