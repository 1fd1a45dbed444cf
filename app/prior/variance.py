"""The diagonal of K⁻¹, the pointwise variance of N(0, K⁻¹): exact of few nodes, estimated of many."""

import app.wheel  # noqa: F401

# isort: split
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.parallel import gram
from app.parallel.blocks import first_row, slices

EXACT = 5000
"""Nodes up to which the variance is exact: a solve with K a node, seconds."""

STRIP = 256
"""Columns that are solved for at once."""

DIRECTIONS = 64
"""Directions that hold most of the variance of a smooth field, and are taken exactly."""

SAMPLES = 128
"""Draws that estimate what is left of the variance: its standard error is √(2/128), an eighth of it."""

NEGLIGIBLE = 1e-12
"""Share of the largest eigenvalue below which a direction is rounding."""


class Gaussian(Protocol):
    """What is asked of K here; see app.prior.gram.InnerProduct."""

    @property
    def comm(self) -> MPI.Comm: ...

    @property
    def owned(self) -> int: ...

    def apply(self, block: np.ndarray) -> np.ndarray: ...

    def riesz(self, block: np.ndarray) -> np.ndarray: ...

    def square(self, block: np.ndarray) -> np.ndarray: ...

    def dual_squares(self, block: np.ndarray) -> np.ndarray: ...

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class PointwiseVariance:
    """At the rank's owned nodes."""

    values: np.ndarray
    """Shape (owned,)."""
    error: np.ndarray
    """Standard error of the values, shape (owned,); zeros where they are exact."""


def pointwise_variance(K: Gaussian, exact_up_to: int = EXACT) -> PointwiseVariance:
    """The diagonal of K⁻¹; collective, the same whatever the ranks up to rounding."""
    if K.comm.allreduce(K.owned) <= exact_up_to:
        values = exact_variance(K)
        return PointwiseVariance(values, np.zeros_like(values))
    return estimated_variance(K)


def exact_variance(K: Gaussian) -> np.ndarray:
    """The diagonal of K⁻¹ by the squares of all unit vectors, a block at a time."""
    size, first = K.comm.allreduce(K.owned), first_row(K.comm, K.owned)
    squares = np.empty(size)
    for strip in slices(size, STRIP):
        own = np.arange(max(strip.start, first), min(strip.stop, first + K.owned))
        units = np.zeros((K.owned, strip.stop - strip.start), order="F")
        units[own - first, own - strip.start] = 1.0
        squares[strip] = K.dual_squares(units)
    return squares[first : first + K.owned]


def estimated_variance(
    K: Gaussian, directions: int = DIRECTIONS, samples: int = SAMPLES
) -> PointwiseVariance:
    """Σ v² over K-orthonormal directions v, and of what is left, (I − P)z of draws z with P the projection on
    these, the mean square.

    Cov (I − P)z is K⁻¹ − VVᵀ, since P is K-orthogonal: the estimate is not biased, whatever V is, and what
    smooth fields have beside V is little. V spans K⁻¹ of draws (a randomised range finder, Halko, Martinsson
    and Tropp 2011).
    """
    rng = np.random.default_rng(0)
    block = K.riesz(K.sample(rng, directions))
    scales, axes = np.linalg.eigh(K.square(block))
    kept = scales > NEGLIGIBLE * scales[-1]
    V = block @ (axes[:, kept] / np.sqrt(scales[kept]))
    image, rest = K.apply(V), np.zeros(K.owned)
    for strip in slices(samples, DIRECTIONS):
        z = K.sample(rng, strip.stop - strip.start)
        rest += np.square(z - V @ gram(K.comm, image, z)).sum(axis=1)
    rest /= samples
    return PointwiseVariance(np.square(V).sum(axis=1) + rest, np.sqrt(2.0 / samples) * rest)
