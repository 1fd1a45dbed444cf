"""How a network's output becomes the coefficient; without torch, which only networks need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Transform(Protocol):
    """How the network's output s becomes the coefficient, m = T(s)."""

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """s with T(s) = values."""

    def value(self, s: np.ndarray) -> np.ndarray:
        """T(s)."""

    def slope(self, s: np.ndarray) -> np.ndarray:
        """T′(s)."""


@dataclass(frozen=True)
class Identity:
    """m = s."""

    def inverse(self, values: np.ndarray) -> np.ndarray:
        return values

    def value(self, s: np.ndarray) -> np.ndarray:
        return s

    def slope(self, s: np.ndarray) -> np.ndarray:
        return np.ones_like(s)


@dataclass(frozen=True)
class Bounded:
    """m = low + (high − low) / (1 + e^−s), strictly between the bounds."""

    low: float
    high: float

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Raises ValueError where a value is not strictly between the bounds."""
        share = (values - self.low) / (self.high - self.low)
        if len(share) and not (share.min() > 0 and share.max() < 1):
            worst = values[np.argmax(np.abs(share - 0.5))]
            raise ValueError(
                f"found a reference of {worst:.6g}, expected values strictly between "
                f"the bounds {self.low:g} and {self.high:g}"
            )
        return np.log(share) - np.log1p(-share)

    def value(self, s: np.ndarray) -> np.ndarray:
        return np.clip(self.low + (self.high - self.low) * _logistic(s), self.low, self.high)

    def slope(self, s: np.ndarray) -> np.ndarray:
        share = _logistic(s)
        return (self.high - self.low) * share * (1.0 - share)


@dataclass(frozen=True)
class Given:
    """m is known, whatever s is."""

    known: float

    def inverse(self, values: np.ndarray) -> np.ndarray:
        return np.zeros_like(values)

    def value(self, s: np.ndarray) -> np.ndarray:
        return np.full_like(s, self.known)

    def slope(self, s: np.ndarray) -> np.ndarray:
        return np.zeros_like(s)


TRANSFORMS: dict[str, Callable[..., Transform]] = {"identity": Identity, "bounded": Bounded}


def _logistic(s: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * s))
