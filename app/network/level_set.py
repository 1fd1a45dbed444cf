"""A network whose zeros are an interface: the distance from there to first order, with its derivative."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch

from app.network.layers import Layers
from app.network.network import Network
from app.network.nodes import Nodes

STEEP = 5.0
"""Unit of incoming weights and biases in the prior of a level set, that of outgoing weights being 1."""


class LevelSet(Network):
    """φ(x) = a₀ + Σ a_j tanh(w_j·f(x) + b_j), of one hidden layer, at the rank's owned nodes.

    What counts of it is u = φ/√(|∇φ|² + 1), near φ = 0 the distance from there to first order. Lengths are in
    units of `length`. θ and all that changes a network are those of Network.
    """

    def __init__(
        self, hidden: Sequence[int], nodes: Nodes, length: float, max_width: int, features: str = "quadratic"
    ) -> None:
        super().__init__(hidden, nodes, "tanh", None, max_width, features)
        self.length = length
        lower, upper = self.box
        self._units = 2.0 * length / (upper - lower)
        """Of the derivative by coordinates in units of `length`, by that by scaled ones."""

    def _with(self, layers: Layers) -> "LevelSet":
        return LevelSet(layers.widths, self._nodes, self.length, self.max_width, self._names[1])

    @property
    def scales(self) -> np.ndarray:
        """The standard deviation of each parameter in the prior of a level set, in units of its own."""
        scales = np.ones(self.size)
        scales[: self._outgoing.start] = STEEP
        return scales

    def distance(self, theta: np.ndarray) -> np.ndarray:
        """u at the owned nodes, shape (owned,)."""
        found: np.ndarray = self.first_order(torch.from_numpy(theta), self._inputs, self._slopes()).numpy()
        return found

    def first_order(self, theta: torch.Tensor, inputs: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        """u, shape (n,), at features with these derivatives by coordinates; torch can differentiate it."""
        phi, gradient = self._with_gradient(theta, inputs, slopes)
        return phi / torch.sqrt((gradient * gradient).sum(dim=0) + 1.0)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """∇φ at the owned nodes, by coordinates in units of `length`, shape (owned, dimension)."""
        _, gradient = self._with_gradient(torch.from_numpy(theta), self._inputs, self._slopes())
        found: np.ndarray = gradient.numpy().T
        return found

    def flatness(self, theta: np.ndarray) -> np.ndarray:
        """1/√(|∇φ|² + 1) at the owned nodes: by how much u rises with φ."""
        found: np.ndarray = 1.0 / np.sqrt(np.square(self.gradient(theta)).sum(axis=1) + 1.0)
        return found

    def moved(self, steps: np.ndarray) -> Self:
        """The same at points that are so far from its nodes, (owned, dimension), in units of `length`."""
        scaled = np.ascontiguousarray(self._nodes.scaled + steps * self._units)
        return self.at(replace(self._nodes, scaled=scaled))

    def among(self, rows: np.ndarray) -> Self:
        """The same at the owned nodes of these numbers."""
        none = np.zeros(len(rows))
        return self.at(Nodes(self._nodes.scaled[rows], none, none, box=self.box))

    def distance_jacobian(self, theta: np.ndarray, near: np.ndarray) -> np.ndarray:
        """∂u/∂θ at the owned nodes of these numbers, shape (near, size), column-major."""
        parameters = torch.from_numpy(theta)
        inputs, slopes = self._inputs[:, near], self._slopes()[:, :, near]
        W, b, a, offset = self._parts(parameters)
        h = torch.tanh(W @ inputs + b[:, None])
        slope = 1.0 - h * h
        bent, a = -2.0 * h * slope, a[:, None]
        along = torch.matmul(W, slopes)
        gradient = (along * (slope * a)).sum(dim=1)
        root = torch.sqrt((gradient * gradient).sum(dim=0) + 1.0)
        phi = offset + (a * h).sum(dim=0)
        turned = phi / root**3  # of ∂(|∇φ|²/2)/∂θ
        downhill = (along * gradient[:, None, :]).sum(dim=0)  # ∇φ·∇ of each neuron's argument
        seen = (slopes * gradient[:, None, :]).sum(dim=0)  # ∇φ·∇ of each feature
        columns = torch.empty((self.size, len(near)), dtype=torch.float64)
        by_bias = a * (slope / root - turned * bent * downhill)
        (layer,) = self._hidden
        weights = columns[layer.weights].view(*layer.shape, -1)
        torch.mul(by_bias[:, None, :], inputs[None], out=weights)
        weights -= (turned * a * slope)[:, None, :] * seen[None]
        columns[layer.biases] = by_bias
        columns[self._outgoing] = h / root - turned * slope * downhill
        columns[-1] = 1.0 / root
        return columns.numpy().T

    def _with_gradient(
        self, theta: torch.Tensor, inputs: torch.Tensor, slopes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """φ, shape (n,), and ∇φ, shape (dimension, n)."""
        W, b, a, offset = self._parts(theta)
        h = torch.tanh(W @ inputs + b[:, None])
        along = torch.matmul(W, slopes)  # (dimension, neurons, n)
        return offset + a @ h, (along * ((1.0 - h * h) * a[:, None])).sum(dim=1)

    def _parts(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Incoming weights, biases, outgoing weights and the output's bias."""
        (layer,) = self._hidden
        W = theta[layer.weights].view(layer.shape)
        return W, theta[layer.biases], theta[self._outgoing], theta[-1]

    def _slopes(self) -> torch.Tensor:
        """Derivatives of the features by coordinates in units of `length`, shape (dimension, inputs, n)."""
        points = torch.from_numpy(np.ascontiguousarray(self._nodes.scaled.T))
        return self.slopes_at(points)

    def slopes_at(self, points: torch.Tensor) -> torch.Tensor:
        """The same at points of [−1, 1]^dimension, shape (dimension, n)."""
        return self._features.slopes(points) * torch.from_numpy(self._units)[:, None, None]
