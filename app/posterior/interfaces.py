"""How sure interfaces are: the Gaussian of their parameters, pushed to their places.

About the minimum θ of ½‖e‖² + W Σ|v_l − v₀| · perimeter_l + ½κ²‖θ/scale‖² of phases the parameters are
N(θ, s² H⁻¹), H = AᵀA + BᵀB + κ²: A = ∂e/∂θ, ½|Bδ|² the second variation of the perimeters, κ² of the level
sets' parameters alone. A draw δ moves each interface by what it does there, and each interface as a whole by
a share of a cell, since a coefficient by its nodal values does not say where in a cell a jump is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from mpi4py import MPI
from scipy.linalg import cholesky, solve_triangular

from app.parallel import gram

DRAWS = 100
"""From which deviations, probabilities and bounds are taken."""

TEMPER = 2.0
"""s², by the variance of the noise. The energy has several minima, of which the Gaussian sees one: with 2 the
truth lies in the bands as often as they say, with 1 less often (study of 2026, docs/method.md)."""

JITTER = 1e-10
"""What is added to H, in its mean diagonal entry, for parameters of which nothing is known."""

WITHIN_CELL = 1.0 / np.sqrt(12.0)
"""Deviation of a place that may be anywhere in a cell, in the cell's width."""


class Moved(Protocol):
    """Coefficients after moves of their interfaces, a column for each."""

    @property
    def m(self) -> np.ndarray:
        """At the owned nodes, shape (owned, moves)."""

    @property
    def share(self) -> np.ndarray:
        """Of the moves after which a node is in each phase, shape (owned, number)."""

    @property
    def sizes(self) -> np.ndarray:
        """This rank's share of the area or volume of each phase, shape (number, moves)."""

    @property
    def values(self) -> np.ndarray:
        """Of the phases, that of the one around the others first, shape (number + 1, moves)."""


class Interfaces(Protocol):
    """Interfaces of phases that move with parameters θ, see app.network.interfaces."""

    @property
    def size(self) -> int:
        """Parameters."""

    @property
    def number(self) -> int:
        """Phases beside the one around them."""

    @property
    def scales(self) -> np.ndarray:
        """The size of each parameter, shape (size,)."""

    @property
    def held(self) -> np.ndarray:
        """Numbers of the parameters whose size no reading tells."""

    @property
    def values(self) -> np.ndarray:
        """Of the phases, shape (number + 1,)."""

    def tangential_rows(self, weight: float) -> np.ndarray:
        """B of this rank, shape (rows, size)."""

    def moved(self, steps: np.ndarray, shifts: np.ndarray) -> Moved:
        """After steps of θ, shape (size, moves), and shifts of whole interfaces by so many widths of a cell,
        shape (number, moves)."""


@dataclass(frozen=True, eq=False)
class InterfacePosterior:
    """Draws of phases whose interfaces are not known exactly; all that it does is collective.

    Values have the rank's owned rows. No state is solved for.
    """

    comm: MPI.Comm
    mean: np.ndarray
    """m of the result, (owned,)."""
    interfaces: Interfaces
    root: np.ndarray
    """Upper C with H = CᵀC in parameters of unit size, the same on all ranks."""
    noise: float
    """Variance of the whitened noise; s² is TEMPER times that."""
    stream: Callable[[], np.random.Generator]
    """A new stream for draws, each time the same one; alike on all ranks."""

    kind = "interfaces"

    @staticmethod
    def of(
        comm: MPI.Comm,
        mean: np.ndarray,
        interfaces: Interfaces,
        images: np.ndarray,
        weight: float,
        held: float,
        noise: float,
        stream: Callable[[], np.random.Generator],
        penalty: np.ndarray | float = 0.0,
    ) -> "InterfacePosterior":
        """From A, shape (readings, size), the weight of the perimeter, κ, the variance of the whitened noise,
        and the second derivative of what else is minimised, shape (size, size).

        Raises LinAlgError on all ranks where H is not finite.
        """
        scales, B = interfaces.scales, interfaces.tangential_rows(weight)
        H = scales[:, None] * (images.T @ images + gram(comm, B, B) + penalty) * scales
        if not np.isfinite(H).all():
            raise np.linalg.LinAlgError("the curvature of the energy is not finite")
        H[interfaces.held, interfaces.held] += held**2
        H[np.diag_indices_from(H)] += JITTER * np.trace(H) / len(H)
        return InterfacePosterior(comm, mean, interfaces, cholesky(H), noise, stream)

    @cached_property
    def draws(self) -> Moved:
        """Of the stream."""
        return self._drawn(self.stream(), DRAWS)

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of m, (owned,)."""
        found: np.ndarray = self.draws.m.std(axis=1)
        return found

    @property
    def std_prior(self) -> np.ndarray:
        """The same of a place that may as well be in any of the phases, (owned,)."""
        return np.full(len(self.mean), self.interfaces.values.std())

    @property
    def resolved(self) -> np.ndarray:
        """1 − posterior over prior variance, in [0, 1], (owned,): 0 where a place may be in any phase."""
        known = self.std_prior <= 0.0
        share = 1.0 - np.square(self.std / np.where(known, 1.0, self.std_prior))
        resolved: np.ndarray = np.where(known, 0.0, np.clip(share, 0.0, 1.0))
        return resolved

    @property
    def probabilities(self) -> np.ndarray:
        """Of being in each phase, the share of the draws that are; (owned, number)."""
        return self.draws.share

    @cached_property
    def sizes(self) -> np.ndarray:
        """Area or volume of each phase at each draw, in the interfaces' unit, (number, draws), the same on
        all ranks."""
        found: np.ndarray = self.comm.allreduce(self.draws.sizes)
        return found

    @property
    def values(self) -> np.ndarray:
        """Of the phases at each draw, that of the one around the others first, (number + 1, draws)."""
        return self.draws.values

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """What is shown of it at the nodes, by name; (owned,) each."""
        own = {"std": self.std, "std_prior": self.std_prior, "resolved": self.resolved}
        return own | self.pictured

    @property
    def pictured(self) -> dict[str, np.ndarray]:
        """The probability of each phase."""
        return {f"probability_{number}": column for number, column in enumerate(self.probabilities.T, 1)}

    def quantile(self, probability: float) -> np.ndarray:
        """m where it is no larger with this probability, (owned,): of the draws."""
        value: np.ndarray = np.quantile(self.draws.m, probability, axis=1)
        return value

    def sample(self, count: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Independent draws of m, (owned, count), the same functions on any number of ranks; without a stream
        of one's own, which is to be alike on all ranks, the same ones each time."""
        return self._drawn(self.stream() if rng is None else rng, count).m

    def covariance_product(self, block: np.ndarray) -> np.ndarray:
        """Covariance of the draws @ block of dual vectors (owned, columns), or one (owned,)."""
        image: np.ndarray = self._departures @ gram(self.comm, self._departures, block)
        return image

    def functional_covariances(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariances before the data and after them, (k, k) each and the same on all ranks, of functionals
        with these derivatives, a block of k columns; before the data they are not known, nan."""
        after = gram(self.comm, self._departures, rows)
        return np.full((rows.shape[1], rows.shape[1]), np.nan), after.T @ after

    @cached_property
    def _departures(self) -> np.ndarray:
        """X with the covariance XXᵀ of the draws, (owned, draws)."""
        m = self.draws.m
        departures: np.ndarray = (m - m.mean(axis=1, keepdims=True)) / np.sqrt(m.shape[1])
        return departures

    def _drawn(self, rng: np.random.Generator, count: int) -> Moved:
        """Independent draws; those of a stream are the first of more of them."""
        size = self.interfaces.size
        normal = rng.standard_normal((count, size + self.interfaces.number)).T
        steps = solve_triangular(self.root, normal[:size]) * self.interfaces.scales[:, None]
        return self.interfaces.moved(np.sqrt(TEMPER * self.noise) * steps, WITHIN_CELL * normal[size:])
