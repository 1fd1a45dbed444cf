"""A chain as a value: all that its next step needs, and what it has found."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.parallel import SolveFailed
from app.posterior.chains.kernels import Kernel, Move
from app.posterior.chains.moments import Moments
from app.posterior.chains.target import Point, Target
from app.types import Json

TRIES = 20
"""Draws of the reference measure among which a chain looks for its start."""

FALLING = 0.6
"""The n-th step of the adaptation is n to minus this, within what Robbins and Monro (1951) ask for."""

FIRST = 0.5
"""β before it is adapted."""

COORDINATES = 10
"""Directions along which draws are kept."""


@dataclass(frozen=True)
class Tally:
    """What a chain has done so far, or since its burn-in."""

    steps: int = 0
    moved: int = 0
    solves: int = 0
    screened: int = 0
    tried: int = 0
    """Steps with a proposal whose size is adapted."""

    def with_one(self, move: Move) -> "Tally":
        """With one more step."""
        return Tally(
            self.steps + 1,
            self.moved + move.moved,
            self.solves + move.solves,
            self.screened + move.screened,
            self.tried + (move.probability is not None),
        )


@dataclass(frozen=True, eq=False)
class Chain:
    """What a chain is after some steps."""

    number: int
    point: Point
    stream: Mapping[str, Json]
    """State of its random stream, which no other chain shares."""
    size: float
    """β of the proposals."""
    burnt: Tally
    """What was done in the burn-in, whose draws are not kept."""
    kept: Tally
    """What was done after it."""
    moments: Moments
    """Of m after the burn-in, owned nodal values."""
    draws: np.ndarray
    """A row for each step after the burn-in, see columns."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """How chains go on; the same for all of them."""

    target: Target
    kernel: Kernel
    burn_in: int
    """Steps in which the size is adapted."""
    seed: tuple[int, ...]

    def begun(self, number: int) -> Chain:
        """A chain at a draw of the reference measure; collective. Raises SolveFailed on all ranks where
        none of several has a state."""
        rng = np.random.default_rng([*self.seed, number])
        for _ in range(TRIES):
            point = self.kernel.started(self.target, self.target.mean + self.target.draw(rng))
            if point is not None:
                stream, moments = rng.bit_generator.state, Moments.none(len(point.m))
                none = np.empty((0, len(self._row(point)) + 1))
                return Chain(number, point, stream, FIRST, Tally(), Tally(), moments, none)
        raise SolveFailed(f"none of {TRIES} draws of the linearised posterior has a state")

    def advance(self, chain: Chain, steps: int) -> Chain:
        """The chain after some more steps, which are the same however they are portioned; collective."""
        rng = np.random.default_rng()
        rng.bit_generator.state = dict(chain.stream)
        point, size, burnt, kept, moments = chain.point, chain.size, chain.burnt, chain.kept, chain.moments
        rows, row = [chain.draws], self._row(point)
        for _ in range(steps):
            move = self.kernel.step(self.target, point, size, rng)
            if move.moved:
                point, row = move.point, self._row(move.point)
            if burnt.steps < self.burn_in:
                burnt = burnt.with_one(move)
                size = self._adapted(size, move, burnt.tried)
            else:
                kept = kept.with_one(move)
                moments = moments.with_one(point.m)
                rows.append(np.append(row, float(move.moved))[None])
        return replace(
            chain,
            point=point,
            stream=rng.bit_generator.state,
            size=size,
            burnt=burnt,
            kept=kept,
            moments=moments,
            draws=np.concatenate(rows),
        )

    def columns(self, quantities: list[str]) -> list[str]:
        """Names of what a row of draws holds, of which the first are the quantities."""
        directions = min(COORDINATES, len(self.target.reference.eigenvalues))
        along = [f"direction_{number}" for number in range(1, directions + 1)]
        return [*quantities, *along, "misfit", "lp", "accepted"]

    def _row(self, point: Point) -> np.ndarray:
        """What is kept of a point."""
        assert point.quantities is not None
        lp = -point.energy - 0.5 * float(self.target.reference.square_distance(point.m[:, None])[0])
        directions = self.target.coordinates(point.m, COORDINATES)
        return np.concatenate([point.quantities, directions, [point.misfit, lp]])

    def _adapted(self, size: float, move: Move, tried: int) -> float:
        """The next β: its odds rise where more is accepted than is wanted, and fall otherwise."""
        if move.probability is None:
            return size
        odds = np.log(size) - np.log1p(-size)
        odds += (move.probability - self.kernel.wanted) * tried**-FALLING
        return float(1.0 / (1.0 + np.exp(-odds)))
