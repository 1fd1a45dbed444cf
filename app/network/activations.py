"""Activations with their derivatives."""

import math
from collections.abc import Callable

import torch

from app.network.transforms import Bounded, Given, Transform

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


def in_torch(transform: Transform, s: torch.Tensor) -> torch.Tensor:
    """T(s), which torch can differentiate."""
    if isinstance(transform, Bounded):
        return transform.low + (transform.high - transform.low) * torch.sigmoid(s)
    return torch.full_like(s, transform.known) if isinstance(transform, Given) else s
