"""A few unknowns with a dense prior and readings that bend: posteriors that quadrature knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from mpi4py import MPI

from app.parallel import SolveFailed
from app.posterior import LinearisedPosterior
from app.posterior.chains import Target

SIZE, WEIGHT, NOISE = 5, 0.7, 1.3


@dataclass(frozen=True, eq=False)
class DensePrior:
    """An inner product on a few numbers that one rank has."""

    matrix: np.ndarray
    comm: ClassVar[MPI.Comm] = MPI.COMM_SELF

    @property
    def owned(self) -> int:
        return len(self.matrix)

    def apply(self, block: np.ndarray) -> np.ndarray:
        return self.matrix @ block

    def riesz(self, block: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.matrix, block)

    def square(self, block: np.ndarray) -> np.ndarray:
        return block.T @ self.matrix @ block

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->j", block, self.riesz(block))

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return np.linalg.solve(np.linalg.cholesky(self.matrix).T, rng.standard_normal((self.owned, count)))


@dataclass(frozen=True, eq=False)
class Bent:
    """½‖Jm + bend (Jm)³ − d‖²/s²; the state fails where the mean of m is beyond `wall`."""

    J: np.ndarray
    data: np.ndarray
    bend: float
    wall: float = np.inf
    asked: list[int] = field(default_factory=list)

    def at(self, m: np.ndarray) -> "BentAt":
        self.asked.append(1)
        if m.mean() > self.wall:
            raise SolveFailed("beyond the wall")
        return BentAt(self, m)


@dataclass(frozen=True, eq=False)
class BentAt:
    of: Bent
    m: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        seen = self.of.J @ self.m
        return seen + self.of.bend * seen**3 - self.of.data

    @property
    def value(self) -> float:
        return 0.5 * float(self.residual @ self.residual) / NOISE

    def derivative(self) -> np.ndarray:
        slopes = 1.0 + 3.0 * self.of.bend * (self.of.J @ self.m) ** 2
        return self.of.J.T @ (slopes * self.residual) / NOISE

    def quantities(self) -> np.ndarray:
        return np.array([self.m.mean()])


def target_of(bend: float = 0.3, readings: int = 1, wall: float = np.inf) -> Target:
    """About the prior's mean; exact for no bend."""
    rng = np.random.default_rng(5)
    root, J = rng.standard_normal((SIZE, SIZE)), rng.standard_normal((readings, SIZE))
    prior, reference = DensePrior(root @ root.T + np.eye(SIZE)), np.zeros(SIZE)
    data = 1.0 + rng.standard_normal(readings)
    precision = WEIGHT * prior.matrix + J.T @ J
    mean = np.linalg.solve(precision, J.T @ data)
    measure = LinearisedPosterior.of(mean, reference, prior, WEIGHT, NOISE, np.asfortranarray(J.T))
    return Target(measure, Bent(J, data, bend, wall))


def log_density(target: Target, m: np.ndarray) -> float:
    """Of the posterior but for a constant, by what it is made of."""
    departure = m - target.reference.reference
    prior = WEIGHT / NOISE * departure @ target.reference.R.apply(departure)
    return -target.likelihood.at(m).value - 0.5 * float(prior)


def covariance(target: Target) -> np.ndarray:
    """C, dense."""
    return target.reference.covariance(np.asfortranarray(np.eye(SIZE)))


class Script:
    """A random stream that gives what is written down."""

    def __init__(self, noises: Sequence[np.ndarray], chances: Sequence[float]) -> None:
        self.noises, self.chances = list(noises), list(chances)

    def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
        return self.noises.pop(0).reshape(shape)

    def random(self) -> float:
        return self.chances.pop(0)


def noise_for(target: Target, xi: np.ndarray) -> np.ndarray:
    """White noise of which the target draws ξ."""
    at = target.reference
    basis = np.eye(SIZE)
    drawn = np.array([at.transformed(at.R.sample(Script([row], []), 1))[:, 0] - at.mean for row in basis])
    return np.linalg.solve(drawn.T, xi)
