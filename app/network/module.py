"""A network as a torch module, for whoever wants to go on with it in torch."""

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from app.network.network import Network
    from app.network.phases import Phases


class Module(torch.nn.Module):
    """m(x) at points x of shape (n, inputs), float64; θ is the parameter `theta`.

    `base` is what a network departs from, T⁻¹(m_ref), a number. Derivatives by points and by θ are torch's
    own.
    """

    def __init__(self, network: "Network | Phases", theta: np.ndarray, base: float) -> None:
        super().__init__()
        lower, upper = (torch.tensor(corner.tolist(), dtype=torch.float64) for corner in network.box)
        self.theta = torch.nn.Parameter(torch.tensor(theta, dtype=torch.float64))
        self._box = lower, upper
        self._network, self._base = network, base

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Values, shape (n,)."""
        lower, upper = self._box
        scaled = 2.0 * (points - lower) / (upper - lower) - 1.0
        return self._network.evaluated(self.theta, scaled.T, self._base)
