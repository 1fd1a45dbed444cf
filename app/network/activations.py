"""Activations with their derivatives, and transforms of the network's output."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

Function = Callable[[torch.Tensor, torch.Tensor | None], tuple[torch.Tensor, torch.Tensor]]

ONE = torch.ones((), dtype=torch.float64)


def tanh(z: torch.Tensor, out: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """tanh z and its derivative."""
    h = torch.tanh(z, out=out)
    return h, torch.addcmul(ONE, h, h, value=-1.0)


def sine(z: torch.Tensor, out: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """sin z and its derivative."""
    slope = torch.cos(z)
    return torch.sin(z, out=out), slope


def gelu(z: torch.Tensor, out: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """z Φ(z), Φ the standard normal distribution function (exact, not the tanh form), and its derivative."""
    phi = 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))
    density = torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    slope = phi + z * density
    return torch.mul(z, phi, out=out), slope


ACTIVATIONS: dict[str, Function] = {"tanh": tanh, "sine": sine, "gelu": gelu}
"""Each maps z to (activation, derivative), the activation into `out` (which may be z) if given."""


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


TRANSFORMS: dict[str, Callable[..., Transform]] = {"identity": Identity, "bounded": Bounded}


def _logistic(s: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * s))
