"""Mean and variance of a stream of vectors, without keeping them (Welford 1962; Chan et al. 1983)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the vectors so far."""

    count: int
    mean: np.ndarray
    square: np.ndarray
    """Sum of the squared departures from the mean."""

    @staticmethod
    def none(size: int) -> "Moments":
        """Before the first of this size."""
        return Moments(0, np.zeros(size), np.zeros(size))

    def with_one(self, vector: np.ndarray) -> "Moments":
        """With one more."""
        return self.joined(Moments(1, vector, np.zeros(len(vector))))

    def joined(self, other: "Moments") -> "Moments":
        """With those of others."""
        count = self.count + other.count
        if count == 0:
            return self
        apart, share = other.mean - self.mean, other.count / count
        square = self.square + other.square + self.count * share * np.square(apart)
        return Moments(count, self.mean + share * apart, square)

    @property
    def variance(self) -> np.ndarray:
        """Zeros of fewer than two."""
        variance: np.ndarray = self.square / max(1, self.count - 1)
        return variance


def together(parts: Sequence[Moments]) -> Moments:
    """Of several streams."""
    return reduce(Moments.joined, parts)
