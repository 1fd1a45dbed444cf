"""Markov chains of a run's result: how they go on, what is saved of them and what they found.

Where the mesh is small each rank has chains of its own on a copy of the problem, else all ranks work on one
chain after the other. What a chain draws depends on neither, but for rounding.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import output
from app.case.posterior import PosteriorSpec
from app.mesh import JointOrder
from app.parallel import SolveFailed, agreed, on_root
from app.posterior import Drawn, GaussianPosterior
from app.posterior.chains import (
    Chain,
    DelayedAcceptance,
    Moments,
    Sampler,
    effective_samples,
    split_rhat,
    together,
)
from app.posterior.chains.saving import as_data, from_data, whole_on_root
from app.types import Summary

FOLDER = "chains"
"""Of the chains' checkpoints in the results."""


@dataclass(frozen=True, eq=False)
class Draws:
    """All chains of a run after some steps of each."""

    steps: int
    chains: tuple[Chain, ...]
    """Of this rank, where ranks share the chains; all of them otherwise."""
    pace: float | None = None
    """Seconds of one step of all chains, as last measured; not saved."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How the chains of a result go on; all methods are collective over all ranks."""

    comm: MPI.Comm
    """All ranks of the run."""
    shared: bool
    """Whether ranks share the chains."""
    spec: PosteriorSpec
    identity: Summary
    """What chains have in common that may go on from one checkpoint, as JSON has it."""
    sampler: Sampler
    quantities: list[str]
    order: JointOrder
    """Of values at the nodes where chains move, on the ranks that work on a chain together."""
    posterior: GaussianPosterior
    """The linearised one, at the nodes of the result."""
    base_order: JointOrder
    """Of values at the nodes where chains move, on all ranks."""
    owned: ExitStack

    @property
    def steps(self) -> int:
        """Of each chain, with its burn-in."""
        per_chain = -(-self.spec.proposals // self.spec.chains)
        return self.sampler.burn_in + -(-per_chain // self.sampler.kernel.proposals)

    def begun(self) -> Draws:
        """All chains at their starts; where one finds none this is closed, and SolveFailed raised on all
        ranks."""
        try:
            return Draws(0, self._each(self.sampler.begun))
        except SolveFailed:
            self.close()
            raise

    def advance(self, draws: Draws, seconds: float) -> Draws:
        """All chains after as many more steps as take about so long, at least one."""
        left = self.steps - draws.steps
        steps = 1 if draws.pace is None else int(min(max(1.0, seconds / draws.pace), left))
        begun, own = time.perf_counter(), {chain.number: chain for chain in draws.chains}
        chains = self._each(lambda number: self.sampler.advance(own[number], steps))
        taken = self.comm.allreduce(time.perf_counter() - begun, op=MPI.MAX)
        return Draws(draws.steps + steps, chains, max(taken / steps, 1e-9))

    def save(self, draws: Draws, folder: Path) -> None:
        """Write a checkpoint of the chains into results."""
        whole = self.gathered([as_data(chain, self.order) for chain in draws.chains])

        def write() -> None:
            arrays = {name: array for _, each in whole for name, array in each.items()}
            content = {"identity": self.identity, "steps": draws.steps, "trees": [tree for tree, _ in whole]}
            output.write_checkpoint(folder / FOLDER, draws.steps, content, arrays)

        on_root(self.comm, write)

    def read(self, folder: Path) -> Draws | None:
        """The chains of the last checkpoint in results; None where there are none of this identity."""

        def found() -> output.Checkpoint | None:
            try:
                saved = output.read_checkpoint(folder / FOLDER)
            except output.NoCheckpoint:
                return None
            return saved if saved.content.get("identity") == self.identity else None

        saved = on_root(self.comm, found)
        if saved is None:
            return None
        trees = {tree["number"]: tree for tree in saved.content["trees"]}
        own = self._each(lambda number: from_data(trees[number], saved.arrays, self.order))
        return Draws(saved.content["steps"], own)

    def told(self, draws: Draws) -> Summary:
        """What is told of the chains: work, acceptance, and of each quantity its mean, deviation, effective
        samples and R̂."""
        rows, names = self._rows(draws), self.columns
        done = self.gathered([(chain.burnt, chain.kept, chain.size) for chain in draws.chains])
        kept = [tally for _, tally, _ in done]
        work = [tally for burnt, tally, _ in done for tally in (burnt, tally)]
        steps, each = max(1, sum(tally.steps for tally in kept)), self.sampler.kernel.proposals
        return {
            "kernel": self.spec.kernel,
            "chains": len(done),
            "proposals": each * sum(tally.steps for tally in kept),
            "burn_in": each * sum(burnt.steps for burnt, _, _ in done),
            "screened": isinstance(self.sampler.kernel, DelayedAcceptance),
            "acceptance": sum(tally.moved for tally in kept) / steps,
            "step": [size for _, _, size in done],
            "solves": sum(tally.solves for tally in work),
            "coarse_solves": sum(tally.screened for tally in work),
            "quantities": {
                name: {
                    "mean": float(values.mean()) if values.size else None,
                    "std": float(values.std()) if values.size else None,
                    "effective_samples": _number(effective_samples(values)),
                    "rhat": _number(split_rhat(values)),
                }
                for name, values in zip(names, rows.transpose(2, 0, 1), strict=True)
                if name not in output.STATISTICS
            },
        }

    def line(self, draws: Draws) -> str:
        """How far the chains are, in a line."""
        return output.chain_line(self.told(draws), self.spec.proposals)

    def moments(self, draws: Draws) -> Drawn:
        """Mean and standard deviation of m at the nodes of the result, (owned,)."""
        own = [chain.moments for chain in draws.chains]
        whole = [
            Moments(each.count, *(whole_on_root(self.order, part) for part in (each.mean, each.square)))
            for each in own
        ]
        found = together(self.gathered(whole))  # of use on rank 0
        mean, variance = (self.base_order.spread(each) for each in (found.mean, found.variance))
        return self.posterior.at_result(mean, variance)

    def compared(self, drawn: Drawn) -> Summary:
        """The deviation by the chains as a multiple of that of the linearised posterior, the median of all
        nodes."""
        known = self.posterior.std > 0
        ratios = np.concatenate(self.comm.allgather(drawn.std[known] / self.posterior.std[known]))
        return {"std_ratio": float(np.median(ratios)) if len(ratios) else None}

    def write(self, draws: Draws, folder: Path) -> str | None:
        """Write chains.nc; why there is none, None if there is one, on all ranks. Raises OSError on all
        ranks."""
        draw = partial(output.write_chains, folder / "chains.nc", self.columns, self._rows(draws))
        return output.drawn(self.comm, draw)

    def close(self) -> None:
        """Release what was made for the chains; each rank what it has of its own."""
        self.owned.close()

    @property
    def columns(self) -> list[str]:
        """Names of what is kept of each draw."""
        return self.sampler.columns(self.quantities)

    @property
    def _numbers(self) -> range:
        """Of this rank's chains."""
        first, step = (self.comm.rank, self.comm.size) if self.shared else (0, 1)
        return range(first, self.spec.chains, step)

    def _each[T](self, of: Callable[[int], T]) -> tuple[T, ...]:
        """Of each of this rank's chains; where ranks share them what one raises is raised on all."""
        if not self.shared:
            return tuple(of(number) for number in self._numbers)
        with agreed(self.comm):
            found = tuple(of(number) for number in self._numbers)
        return found

    def gathered[T](self, own: Sequence[T]) -> list[T]:
        """Of all chains by their numbers, on all ranks."""
        if not self.shared:
            return list(own)
        parts = self.comm.allgather(list(own))
        return [parts[number % len(parts)][number // len(parts)] for number in range(self.spec.chains)]

    def _rows(self, draws: Draws) -> np.ndarray:
        """Draws of all chains, shape (chains, draws, columns), on all ranks."""
        return np.array(self.gathered([chain.draws for chain in draws.chains]))


def _number(value: float) -> float | None:
    """What JSON has no word for is nothing."""
    return value if np.isfinite(value) else None
