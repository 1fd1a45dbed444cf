"""The distribution that a chain draws from, by its density against a Gaussian one.

With the prior N(m_ref, C₀) and the minus log likelihood Φ the posterior has, against the Gaussian N(m̄, C) of
a linearised problem, the density exp(−Ψ) with

    Ψ(m) = Φ(m) + ⟨C₀⁻¹(m̄ − m_ref), m − m̄⟩ − ½ Σ λ (wᵀR(m − m̄))²/s² + a constant:

the precisions of both Gaussians differ along the directions w that the data determine only. Ψ stays finite on
ever finer meshes, and is constant where the problem is linear and m̄ its solution (Pinski et al. 2015).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from app.parallel import SolveFailed, gram
from app.posterior.linearised import LinearisedPosterior

CENTRING, GAINED = 10, 0.01
"""Steps at most to where the density is largest, and what each has to gain of its logarithm."""


class Likelihood(Protocol):
    """What the data say of a coefficient."""

    def at(self, m: np.ndarray) -> "Evaluated":
        """The likelihood at m, owned nodal values, a function of m alone; collective. Raises SolveFailed on
        all ranks."""


class Evaluated(Protocol):
    """What is known of one coefficient, until the next one is evaluated."""

    @property
    def value(self) -> float:
        """Φ, minus the log likelihood but for a constant."""

    def derivative(self) -> np.ndarray:
        """Φ′, a dual vector (owned,); collective."""

    def quantities(self) -> np.ndarray:
        """What is told of a draw, shape (quantities,), the same on all ranks; collective."""


@dataclass(frozen=True, eq=False)
class Point:
    """Where a chain is: plain values, the same whenever m is evaluated."""

    m: np.ndarray
    """(owned,)."""
    energy: float
    """Ψ(m)."""
    misfit: float
    """Φ(m)."""
    quantities: np.ndarray | None = None
    """See Evaluated; None where no chain has come."""
    derivative: np.ndarray | None = None
    """Ψ′(m), a dual vector (owned,), for kernels that ask for it."""
    gradient: np.ndarray | None = None
    """CΨ′(m), (owned,), likewise."""
    screened: "Point | None" = None
    """The same m as the screen of a delayed acceptance sees it."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A coefficient whose Ψ is known, and the rest for as long as no other is evaluated."""

    target: "Target"
    m: np.ndarray
    at: Evaluated
    energy: float

    def point(self, *, derivative: bool) -> Point:
        """With the derivative, if that is asked for; collective."""
        point = Point(self.m, self.energy, self.at.value)
        return self.target.differentiated(point, self.at) if derivative else point

    def reached(self, point: Point) -> Point:
        """The point of this coefficient when a chain is there: with its quantities; collective."""
        return replace(point, quantities=self.at.quantities())


@dataclass(frozen=True, eq=False)
class Target:
    """exp(−Ψ) against the reference measure N(m̄, C); immutable, all that it does is collective."""

    reference: LinearisedPosterior
    """N(m̄, C), with the prior that is meant."""
    likelihood: Likelihood

    def at(self, m: np.ndarray) -> Trial | None:
        """What is known at m; None where the state has no solution, or the misfit is not finite."""
        try:
            found = self.likelihood.at(m)
        except SolveFailed:
            return None
        value = found.value
        if not np.isfinite(value):
            return None
        departure = m - self.mean
        seen = self._seen(departure)
        curved = 0.5 * float(self.reference.eigenvalues @ np.square(seen)) / self.reference.noise
        return Trial(self, m, found, value + self.dot(self._pull, departure) - curved)

    def centred(self) -> "Target":
        """The same with the reference measure where the density is largest, or near it: steps of Newton's
        method with C, while they gain (what a network can represent is not quite that place); collective.
        Raises SolveFailed on all ranks where m̄ itself has no state."""
        trial = self.at(self.mean)
        if trial is None:
            raise SolveFailed("the result has no state")
        best = trial.point(derivative=True)
        for _ in range(CENTRING):
            assert best.gradient is not None
            trial = self.at(self.mean - best.gradient)
            if trial is None or self._lost(trial.m, trial.energy) >= self._lost(best.m, best.energy) - GAINED:
                break
            best = trial.point(derivative=True)
        return replace(self, reference=replace(self.reference, mean=best.m))

    def _lost(self, m: np.ndarray, energy: float) -> float:
        """Minus the log density of the posterior but for a constant."""
        return energy + 0.5 * float(self.reference.square_distance(m[:, None])[0])

    def differentiated(self, point: Point, at: Evaluated) -> Point:
        """The point with its derivative."""
        seen = self.reference.eigenvalues * self._seen(point.m - self.mean)
        derivative = at.derivative() + self._pull - self.reference.RW @ (seen / self.reference.noise)
        gradient = self.reference.covariance(derivative)
        return replace(point, derivative=derivative, gradient=gradient)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """ξ of N(0, C), (owned,); the stream is the same on all ranks."""
        drawn: np.ndarray = self.reference.sample(rng, 1)[:, 0] - self.mean
        return drawn

    def coordinates(self, m: np.ndarray, most: int) -> np.ndarray:
        """Along the directions that the data determine best, in standard deviations of the reference
        measure, where they are independent; shape (at most `most`,), the same on all ranks."""
        at = self.reference
        scales = np.sqrt((at.eigenvalues + at.weight) / at.noise)
        order = np.argsort(-at.eigenvalues, kind="stable")[:most]
        found: np.ndarray = (scales * self._seen(m - self.mean))[order]
        return found

    def dot(self, dual: np.ndarray, departure: np.ndarray) -> float:
        """⟨dual, departure⟩ over all ranks."""
        return float(gram(self.reference.R.comm, dual, departure))

    @property
    def mean(self) -> np.ndarray:
        """m̄."""
        return self.reference.mean

    @cached_property
    def _pull(self) -> np.ndarray:
        """C₀⁻¹(m̄ − m_ref)."""
        at = self.reference
        pull: np.ndarray = at.weight / at.noise * at.R.apply(at.mean - at.reference)
        return pull

    def _seen(self, departure: np.ndarray) -> np.ndarray:
        """wᵀR departure of each eigenvector."""
        return gram(self.reference.R.comm, self.reference.RW, departure)
