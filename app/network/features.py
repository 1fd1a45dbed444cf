"""What the first hidden layer sees of a point: its coordinates, or their products of second degree too.

Points lie in [−1, 1]^dimension and are the columns of a tensor, shape (dimension, n).
"""

from typing import Protocol

import numpy as np
import torch

RADII = (0.1, 2.0)
"""Range of the radii of new round neurons, the domain's half width being 1."""


class Features(Protocol):
    """Inputs of the first hidden layer, and random neurons on them."""

    def lift(self, points: torch.Tensor) -> torch.Tensor:
        """The inputs at points, shape (inputs, n)."""

    def slopes(self, points: torch.Tensor) -> torch.Tensor:
        """The inputs' derivatives by each coordinate, shape (dimension, inputs, n)."""

    def neurons(
        self, dimension: int, count: int, scales: tuple[float, float], rng: np.random.Generator
    ) -> np.ndarray:
        """Rows (a, b), shape (count, inputs + 1), of neurons σ(a·inputs + b).

        Where a neuron's argument is zero, the length of its gradient is log-uniform within `scales`.
        """


class Linear:
    """The coordinates. A neuron is a ridge through a point of the domain, drawn uniformly."""

    def lift(self, points: torch.Tensor) -> torch.Tensor:
        """See Features."""
        return points

    def slopes(self, points: torch.Tensor) -> torch.Tensor:
        """See Features."""
        dimension, count = points.shape
        return torch.eye(dimension, dtype=points.dtype)[:, :, None].expand(-1, -1, count)

    def neurons(
        self, dimension: int, count: int, scales: tuple[float, float], rng: np.random.Generator
    ) -> np.ndarray:
        """See Features; directions are uniform."""
        direction = rng.standard_normal((count, dimension))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        a = direction * _log_uniform(rng, scales, count)
        points = rng.uniform(-1.0, 1.0, (count, dimension))
        return np.hstack([a, -np.sum(a * points, axis=1, keepdims=True)])


class Quadratic:
    """The coordinates and their products x_i x_j, i ≤ j. Neurons are balls and ridges by turns.

    A ball's centre is uniform in the domain and its radius log-uniform within RADII; inner steps make it an
    ellipsoid, and a ridge a parabola, a hyperbola or a ball.
    """

    def lift(self, points: torch.Tensor) -> torch.Tensor:
        """See Features."""
        dimension = len(points)
        products = [points[i] * points[j] for i in range(dimension) for j in range(i, dimension)]
        return torch.cat([points, torch.stack(products)])

    def slopes(self, points: torch.Tensor) -> torch.Tensor:
        """See Features."""
        dimension, none = len(points), torch.zeros_like(points[0])
        rows = []
        for k in range(dimension):
            pairs = [(i, j) for i in range(dimension) for j in range(i, dimension)]
            products = [(points[j] if k == i else none) + (points[i] if k == j else none) for i, j in pairs]
            own = [torch.ones_like(none) if i == k else none for i in range(dimension)]
            rows.append(torch.stack([*own, *products]))
        return torch.stack(rows)

    def neurons(
        self, dimension: int, count: int, scales: tuple[float, float], rng: np.random.Generator
    ) -> np.ndarray:
        """See Features."""
        squares = [dimension + i * dimension - i * (i - 1) // 2 for i in range(dimension)]
        rows = np.zeros((count, dimension + dimension * (dimension + 1) // 2 + 1))
        balls, ridges = rows[::2], rows[1::2]
        slope, radius = _log_uniform(rng, scales, len(balls)), _log_uniform(rng, RADII, len(balls))
        centre = rng.uniform(-1.0, 1.0, (len(balls), dimension))
        bend = slope / (2.0 * radius)  # of bend · (radius² − |x − centre|²)
        balls[:, :dimension], balls[:, squares] = 2.0 * bend * centre, -bend
        balls[:, -1:] = bend * (radius**2 - np.sum(centre**2, axis=1, keepdims=True))
        plain = Linear().neurons(dimension, len(ridges), scales, rng)
        ridges[:, :dimension], ridges[:, -1] = plain[:, :-1], plain[:, -1]
        return rows


FEATURES: dict[str, Features] = {"linear": Linear(), "quadratic": Quadratic()}


def _log_uniform(rng: np.random.Generator, scales: tuple[float, float], count: int) -> np.ndarray:
    """Shape (count, 1)."""
    return np.exp(rng.uniform(np.log(scales[0]), np.log(scales[1]), (count, 1)))
