"""Expansion: the neurons that let the network follow what function space asks for.

A candidate enters with outgoing weights zero, so m stays and only its tangent columns Ψ, one an outgoing
weight, join the tangent space. With Ψ⊥ = Ψ − DG⁺DᵀKΨ, s = Ψ⊥ᵀ(r + Kδ) and H = Ψ⊥ᵀKΨ⊥ the best tangent step
with the block Ψ is better than without it by exactly ½sᵀH⁺s; neurons are chosen greedily, by gain per
parameter, with re-orthogonalisation (docs/method.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.polishing import polished
from app.flow.pool import Neurons, greedy, outside_tangent, six_digits
from app.flow.protocols import Candidates, Network, Place
from app.method import GrowthMethod
from app.parallel import timed


@dataclass(frozen=True)
class Growth:
    """Neurons that may join together."""

    joining: tuple[tuple[Place, np.ndarray], ...]
    """Incoming rows by place, in the order in which they join."""
    gains: np.ndarray
    """½sᵀH⁺s that each added to those before it, in the order of choice."""
    parameters: int
    """What they are charged with: without the weights between neurons of several places."""
    considered: int
    """Candidates that they were chosen from."""

    def join(self, network: Network, theta: np.ndarray) -> tuple[Network, np.ndarray]:
        """The network and θ with these neurons; m is unchanged."""
        for place, incoming in self.joining:
            network, theta = network.grown(theta, incoming, place)
        return network, theta


class Strategy(Protocol):
    """Chooses the neurons that join."""

    def choose(
        self,
        network: Network,
        theta: np.ndarray,
        G: FlowMatrix,
        dual: np.ndarray,
        wanted: float,
        rng: np.random.Generator,
    ) -> list[Growth]:
        """Neurons worth about `wanted`, for the dual r + Kδ, as far as there is room; alike on all ranks.

        Proposals among which inner steps decide, the one that promises most per parameter first. Candidates
        are drawn from `rng`, which is alike on all ranks.
        """


@dataclass(frozen=True, kw_only=True)
class GainExpansion:
    """Greedy block gain over a multi-scale random pool."""

    by_gain: ClassVar[bool] = True

    candidates: int
    """Neurons to choose from."""
    scales: tuple[float, float]
    """Smallest and largest slope of the candidates on the domain scaled to [−1, 1]."""
    most: int = 24
    """Neurons that join at once."""
    deep: bool = False
    """Whether they join in every layer and in new ones, or in the last hidden layer only."""
    polish: int = 0
    """Steps uphill that the best candidates of a round take before they compete again."""
    method: GrowthMethod = field(default_factory=GrowthMethod)

    def choose(
        self,
        network: Network,
        theta: np.ndarray,
        G: FlowMatrix,
        dual: np.ndarray,
        wanted: float,
        rng: np.random.Generator,
    ) -> list[Growth]:
        """See Strategy; candidates are spread evenly over the places. Each place makes a proposal, and all
        together make one."""
        with timed("expansion"):
            places = network.places(deep=self.deep)
            share = -(-self.candidates // max(1, len(places)))
            pools = [
                self._improved(network.candidates(theta, share, self.scales, rng, place), G, dual)
                for place in places
            ]
            if len(pools) > 1:
                pools.append([candidates for pool in pools for candidates in pool])
            proposals = [_growth(pool, *self._best(pool, G, dual, wanted)) for pool in pools]
            proposals = [growth for growth in proposals if growth.joining]
            promises = [growth.gains.sum() / growth.parameters for growth in proposals]
            order = np.argsort(-six_digits(np.array(promises)), kind="stable")
            return [proposals[index] for index in order]

    def _improved(self, candidates: Candidates, G: FlowMatrix, dual: np.ndarray) -> list[Candidates]:
        """The candidates, or if they are to be polished the best of them and what became of these."""
        if not self.polish or not self.by_gain:
            return [candidates]
        taken = _taken([candidates], self._best([candidates], G, dual, np.inf)[0])
        return taken + [polished(G, best, dual, self.polish, self.method) for best in taken]

    def _best(
        self, pool: Sequence[Candidates], G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> tuple[list[int], np.ndarray]:
        """The chosen ones, counted through all of the pool, and their gains."""
        if not any(len(candidates.incoming) for candidates in pool):
            return [], np.empty(0)
        tangents = [candidates.tangent for candidates in pool]
        block = outside_tangent(G, tangents[0] if len(pool) == 1 else np.hstack(tangents), dual)
        neurons = Neurons.of(pool)
        return greedy(*block, wanted, self.most, by_gain=self.by_gain, neurons=neurons, method=self.method)


@dataclass(frozen=True, kw_only=True)
class RandomExpansion(GainExpansion):
    """The same pool and schedule without the choice, to compare with: neurons join in the order drawn."""

    by_gain: ClassVar[bool] = False


def _taken(pool: Sequence[Candidates], chosen: Sequence[int]) -> list[Candidates]:
    """The chosen neurons, numbers counting through all of the pool; none of those without any."""
    first, taken = 0, []
    for candidates in pool:
        own = [index - first for index in chosen if first <= index < first + len(candidates.incoming)]
        first += len(candidates.incoming)
        if own:
            taken.append(candidates.moved(candidates.incoming[own]))
    return taken


def _growth(pool: Sequence[Candidates], chosen: Sequence[int], gains: np.ndarray) -> Growth:
    """Of a pool in which places come in the order in which their neurons join."""
    rows: dict[Place, list[np.ndarray]] = {}
    parameters = 0
    for taken in _taken(pool, chosen):
        rows.setdefault(taken.place, []).append(taken.incoming)
        parameters += len(taken.incoming) * taken.parameters
    joining = tuple((place, np.vstack(own)) for place, own in rows.items())
    return Growth(joining, gains, parameters, sum(len(candidates.incoming) for candidates in pool))


STRATEGIES = {"gain": GainExpansion, "random": RandomExpansion}
