"""Transition kernels that leave exp(−Ψ) against N(m̄, C) as it is, see Target; docs/method.md has why.

With δ = m − m̄, ρ = √(1 − β²) and a draw ξ of N(0, C) the proposals are

    Crank–Nicolson  δ′ = ρδ + βξ                 generalised pCN (Rudolf and Sprungk 2018; Pinski et al. 2015)
    Langevin        δ′ = ρδ − (1 − ρ)CΨ′ + βξ    ∞-MALA (Cotter et al. 2013), with C of the Laplace posterior

With C of the linearised posterior they are known as h-pCN and h-MALA; of the prior, as pCN and MALA.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from app.posterior.chains.target import Point, Target, Trial


@dataclass(frozen=True, eq=False)
class Move:
    """What came of one step of a chain."""

    point: Point
    moved: bool
    probability: float | None
    """With which the proposal whose size is adapted was to be accepted; None if there was none."""
    solves: int
    """Coefficients whose likelihood was evaluated."""
    screened: int = 0
    """The same of the screen."""


class Kernel(Protocol):
    """A step of a chain."""

    @property
    def differentiates(self) -> bool:
        """Whether a point needs its derivative."""

    @property
    def wanted(self) -> float:
        """The share of proposals that are best accepted."""

    @property
    def proposals(self) -> int:
        """Proposals in a step."""

    def started(self, target: Target, m: np.ndarray) -> Point | None:
        """A point with all that the kernel needs; None where there is none. Collective."""

    def step(self, target: Target, x: Point, size: float, rng: np.random.Generator) -> Move:
        """From a point on, with β = `size` in (0, 1]; the stream is the same on all ranks. Collective."""


def _started(self: Kernel, target: Target, m: np.ndarray) -> Point | None:
    trial = target.at(m)
    return None if trial is None else trial.reached(trial.point(derivative=self.differentiates))


@dataclass(frozen=True)
class CrankNicolson:
    """Proposals that are reversible for the reference measure: accepted by min(1, exp(Ψ(m) − Ψ(m′)))."""

    differentiates = False
    wanted = 0.234
    """Roberts, Gelman and Gilks (1997)."""
    proposals = 1
    started = _started

    def step(self, target: Target, x: Point, size: float, rng: np.random.Generator) -> Move:
        """See Kernel."""
        return _decided(target, x, crank_nicolson(target, x, size, rng), rng, differentiates=False)


@dataclass(frozen=True)
class Langevin:
    """Proposals that follow the gradient of Ψ as well."""

    differentiates = True
    wanted = 0.574
    """Roberts and Rosenthal (1998)."""
    proposals = 1
    started = _started

    def step(self, target: Target, x: Point, size: float, rng: np.random.Generator) -> Move:
        """See Kernel."""
        moved, correction = langevin(target, x, size, rng), partial(_back_over_forth, target, x, size)
        return _decided(target, x, moved, rng, differentiates=True, correction=correction)


@dataclass(frozen=True)
class DelayedRejection:
    """A draw of the reference measure, and where it is rejected a Langevin step (Mira 2001; Green and Mira
    2001): far moves where the posterior is close to Gaussian, and near ones where it is not."""

    differentiates = True
    wanted = 0.574
    """Of the second proposal, whose size is adapted."""
    proposals = 1
    started = _started

    def step(self, target: Target, x: Point, size: float, rng: np.random.Generator) -> Move:
        """See Kernel."""
        first = target.at(target.mean + target.draw(rng))
        if first is not None and np.log(rng.random()) < x.energy - first.energy:
            return Move(first.reached(first.point(derivative=True)), True, None, 1)

        def correction(y: Point) -> float:
            transitions = _back_over_forth(target, x, size, y)
            if first is None:  # never accepted, from wherever
                return transitions
            return transitions + _log_rejected(y.energy, first.energy) - _log_rejected(x.energy, first.energy)

        second = langevin(target, x, size, rng)
        move = _decided(target, x, second, rng, differentiates=True, correction=correction)
        return Move(move.point, move.moved, move.probability, 2)


@dataclass(frozen=True, eq=False)
class DelayedAcceptance:
    """Some steps of a kernel with a cheap likelihood, the screen; where they end is one proposal for the
    likelihood that is meant (Christen and Fox 2005; of several steps Liu 2001, Lykkegaard et al. 2023).

    Exact whatever the screen, which has the same reference measure; where it says nothing of the likelihood
    few proposals are accepted.
    """

    kernel: Kernel
    screen: Target
    proposals: int
    """Steps with the screen, each of one proposal."""
    differentiates = False

    @property
    def wanted(self) -> float:
        """Of the kernel's."""
        return self.kernel.wanted

    def started(self, target: Target, m: np.ndarray) -> Point | None:
        """See Kernel."""
        screened = self.kernel.started(self.screen, m)
        trial = None if screened is None else target.at(m)
        return None if trial is None else _with_screened(trial, screened)

    def step(self, target: Target, x: Point, size: float, rng: np.random.Generator) -> Move:
        """See Kernel."""
        assert x.screened is not None
        screened, probabilities, solves = x.screened, [], 0
        for _ in range(self.proposals):
            move = self.kernel.step(self.screen, screened, size, rng)
            screened, solves = move.point, solves + move.solves
            if move.probability is not None:
                probabilities.append(move.probability)
        probability = float(np.mean(probabilities)) if probabilities else None
        chance = np.log(rng.random())
        if screened is x.screened:
            return Move(x, False, probability, 0, solves)
        trial = target.at(screened.m)
        away = screened.energy - x.screened.energy
        if trial is None or chance >= x.energy - trial.energy + away:
            return Move(x, False, probability, 1, solves)
        return Move(_with_screened(trial, screened), True, probability, 1, solves)


KERNELS: dict[str, Callable[[], Kernel]] = {
    "pcn": CrankNicolson,
    "mala": Langevin,
    "delayed_rejection": DelayedRejection,
}
"""By their names in a case."""


def crank_nicolson(target: Target, x: Point, size: float, rng: np.random.Generator) -> np.ndarray:
    """m̄ + ρδ + βξ."""
    moved: np.ndarray = target.mean + _kept(size) * (x.m - target.mean) + size * target.draw(rng)
    return moved


def langevin(target: Target, x: Point, size: float, rng: np.random.Generator) -> np.ndarray:
    """m̄ + ρδ − (1 − ρ)CΨ′ + βξ."""
    assert x.gradient is not None
    moved: np.ndarray = crank_nicolson(target, x, size, rng) - (1.0 - _kept(size)) * x.gradient
    return moved


def log_transition(target: Target, x: Point, y: Point, size: float) -> float:
    """Logarithm of the density of a Langevin proposal from x at y against a Crank–Nicolson proposal from x:
    −⟨Ψ′, y − m̄ − ρδ⟩/(1 + ρ) − (1 − ρ)/(1 + ρ) · ½⟨Ψ′, CΨ′⟩."""
    assert x.derivative is not None and x.gradient is not None
    kept = _kept(size)
    away = (y.m - target.mean) - kept * (x.m - target.mean) + 0.5 * (1.0 - kept) * x.gradient
    return -target.dot(x.derivative, away) / (1.0 + kept)


def _back_over_forth(target: Target, x: Point, size: float, y: Point) -> float:
    """Logarithm of the density of a Langevin proposal back from y to x over that of the one from x to y."""
    return log_transition(target, y, x, size) - log_transition(target, x, y, size)


def _decided(
    target: Target,
    x: Point,
    proposed: np.ndarray,
    rng: np.random.Generator,
    *,
    differentiates: bool,
    correction: Callable[[Point], float] = lambda y: 0.0,
) -> Move:
    """Whether a proposal is accepted, by min(1, exp(Ψ(x) − Ψ(y) + correction(y)))."""
    chance = np.log(rng.random())
    trial = target.at(proposed)
    if trial is None:
        return Move(x, False, 0.0, 1)
    y = trial.point(derivative=differentiates)
    log_ratio = x.energy - y.energy + correction(y)
    if chance >= log_ratio:
        return Move(x, False, _probability(log_ratio), 1)
    return Move(trial.reached(y), True, _probability(log_ratio), 1)


def _probability(log_ratio: float) -> float:
    return float(np.exp(min(log_ratio, 0.0)))


def _log_rejected(energy: float, proposed: float) -> float:
    """Logarithm of the probability that a draw of the reference measure is rejected."""
    log_ratio = energy - proposed
    return float(np.log(-np.expm1(log_ratio))) if log_ratio < 0 else -np.inf


def _kept(size: float) -> float:
    """ρ = √(1 − β²)."""
    return float(np.sqrt((1.0 - size) * (1.0 + size)))


def _with_screened(trial: Trial, screened: Point | None) -> Point:
    return replace(trial.reached(trial.point(derivative=False)), screened=screened)
