"""The posterior at the nodes of the mesh of the result: what all have, and that of the linearised problem."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from app.posterior.linearised import LinearisedPosterior


class Posterior(Protocol):
    """How sure the nodal values of a result are; all that it does is collective.

    Values have the rank's owned rows, of several unknowns one's after the other's.
    """

    @property
    def kind(self) -> str:
        """What it is called in the summary."""

    @property
    def mean(self) -> np.ndarray:
        """m of the result, (owned,)."""

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of m, (owned,)."""

    @property
    def std_prior(self) -> np.ndarray:
        """The same before the data, (owned,)."""

    @property
    def resolved(self) -> np.ndarray:
        """1 − posterior over prior variance, in [0, 1], (owned,)."""

    @property
    def fields(self) -> Mapping[str, np.ndarray]:
        """What is shown of it at the nodes, by name; (owned,) each."""

    @property
    def pictured(self) -> Mapping[str, np.ndarray]:
        """What of that is in its picture, beside what all kinds have."""

    def quantile(self, probability: float) -> np.ndarray:
        """m where it is no larger with this probability, (owned,)."""

    def sample(self, count: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Independent draws of m, (owned, count), the same functions on any number of ranks; without a stream
        of one's own, which is to be alike on all ranks, the same ones each time."""

    def covariance_product(self, block: np.ndarray) -> np.ndarray:
        """Covariance @ block of dual vectors (owned, columns), or one (owned,)."""

    def functional_covariances(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariances before the data, nan where they are not known, and after them, (k, k) each and the same
        on all ranks, of functionals with these derivatives, a block of k columns."""


class Transfer(Protocol):
    """Functions of the mesh where R and J are at the nodes of the result's."""

    def prolonged(self, block: np.ndarray) -> np.ndarray:
        """P @ block."""

    def restricted(self, block: np.ndarray) -> np.ndarray:
        """Pᵀ @ block."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Mean and standard deviation of m by Markov chains, nodal values of the result, (owned,)."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """The posterior of the linearised problem as nodal values of the result; all that it does is collective.

    Of a run over meshes R and J are at the nodes of a coarser one: departures from m are functions there, and
    so are the variances. Values have the rank's owned rows, of several unknowns one's after the other's.
    """

    linearised: LinearisedPosterior
    """Where R and J are."""
    mean: np.ndarray
    """m, (owned,)."""
    transfer: Transfer | None
    """None where R and J are at the result's own nodes."""
    stream: Callable[[], np.random.Generator]
    """A new stream for draws, each time the same one; alike on all ranks."""
    drawn: Drawn | None = None
    """What Markov chains say, where there are some."""

    kind = "laplace"

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of m, (owned,)."""
        return self._root(self.linearised.variance())

    @cached_property
    def std_prior(self) -> np.ndarray:
        """The same before the data, (owned,)."""
        return self._root(self.linearised.prior_variance())

    def std_less(self, taken: np.ndarray) -> np.ndarray:
        """Standard deviation of m where so much is taken off the variances of the nodal values where R and J
        are, (owned,)."""
        return self._root(self.linearised.variance() - taken)

    @property
    def resolved(self) -> np.ndarray:
        """1 − posterior over prior variance, in [0, 1], (owned,): what the data say; 0 where m is known."""
        known = self.std_prior <= 0.0
        share = 1.0 - np.square(self.std / np.where(known, 1.0, self.std_prior))
        resolved: np.ndarray = np.where(known, 0.0, np.clip(share, 0.0, 1.0))
        return resolved

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """What is shown of it at the nodes, by name; (owned,) each."""
        own = {"std": self.std, "std_prior": self.std_prior, "resolved": self.resolved}
        return own if self.drawn is None else own | {"mean_chain": self.drawn.mean} | self.pictured

    @property
    def pictured(self) -> dict[str, np.ndarray]:
        """The standard deviation by Markov chains, where there are some."""
        return {} if self.drawn is None else {"std_chain": self.drawn.std}

    def quantile(self, probability: float) -> np.ndarray:
        """m where it is no larger with this probability, (owned,); of e^m it is e to that."""
        value: np.ndarray = self.mean + float(ndtri(probability)) * self.std
        return value

    def sample(self, count: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Independent draws of m, (owned, count), the same functions on any number of ranks; without a stream
        of one's own, which is to be alike on all ranks, the same ones each time."""
        at = self.linearised
        departures = at.sample(self.stream() if rng is None else rng, count) - at.mean[:, None]
        draws: np.ndarray = self.mean[:, None] + self._prolonged(departures)
        return draws

    def at_result(self, mean: np.ndarray, variance: np.ndarray) -> Drawn:
        """Mean and standard deviation of m from a mean and variances where R and J are."""
        return Drawn(self.mean + self._prolonged(mean - self.linearised.mean), self._root(variance))

    def covariance_product(self, block: np.ndarray) -> np.ndarray:
        """Covariance @ block of dual vectors (owned, columns), or one (owned,)."""
        return self._prolonged(self.linearised.covariance(self.restricted(block)))

    def functional_covariances(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariances before the data and after them, (k, k) each and the same on all ranks, of functionals
        with these derivatives, a block of k columns: one block of solves with R."""
        return self.linearised.functional_covariances(self.restricted(rows))

    def restricted(self, rows: np.ndarray) -> np.ndarray:
        """Of dual vectors of the result's nodes what they say of functions where R and J are."""
        return rows if self.transfer is None else self.transfer.restricted(rows)

    def _prolonged(self, block: np.ndarray) -> np.ndarray:
        return block if self.transfer is None else self.transfer.prolonged(block)

    def _root(self, variance: np.ndarray) -> np.ndarray:
        """√ of the function of these values; elements of degree 2 may be negative between their nodes."""
        root: np.ndarray = np.sqrt(np.maximum(self._prolonged(variance), 0.0))
        return root
