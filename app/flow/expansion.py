"""Expansion: the neurons that let the network follow what function space asks for.

A candidate enters with outgoing weights zero, so m stays and only its tangent columns Ψ, one an outgoing
weight, join the tangent space. With Ψ⊥ = Ψ − DG⁺DᵀKΨ, s = Ψ⊥ᵀ(r + Kδ) and H = Ψ⊥ᵀKΨ⊥ the best tangent step
with the block Ψ is better than without it by exactly ½sᵀH⁺s; neurons are chosen greedily, by gain per
parameter, with re-orthogonalisation (docs/method.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.polishing import polished
from app.flow.pool import Neurons, greedy, outside_tangent
from app.flow.protocols import Candidates, Network
from app.parallel import timed

MOST = 8
"""Neurons that join at once."""


@dataclass(frozen=True)
class Growth:
    """Chosen neurons: the incoming rows by place, in the order in which they join, and in the order of choice
    the gain ½sᵀH⁺s that each added to those before it."""

    joining: tuple[tuple[Any, np.ndarray], ...]
    gains: np.ndarray

    def join(self, network: Network, theta: np.ndarray) -> tuple[Network, np.ndarray]:
        """The network and θ with these neurons; m is unchanged."""
        for place, incoming in self.joining:
            network, theta = network.grown(theta, incoming, place)
        return network, theta


class Strategy(Protocol):
    """Chooses the neurons that join."""

    def choose(
        self, network: Network, theta: np.ndarray, G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> Growth:
        """Neurons worth about `wanted`, for the dual r + Kδ, as far as there is room; alike on all ranks."""


class GainExpansion:
    """Greedy block gain over a multi-scale random pool."""

    by_gain = True

    def __init__(
        self,
        rng: np.random.Generator,
        candidates: int,
        scales: tuple[float, float],
        most: int = MOST,
        *,
        deep: bool = False,
        polish: int = 0,
    ) -> None:
        """`most` neurons join at once, in the last hidden layer or, if `deep`, in every layer and in new
        ones; the best candidates of a round take `polish` steps uphill and compete again."""
        self._rng, self._count, self._scales, self._most = rng, candidates, scales, most
        self._deep, self._polish = deep, polish

    def choose(
        self, network: Network, theta: np.ndarray, G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> Growth:
        """See Strategy; the candidates are spread evenly over the places."""
        with timed("expansion"):
            places = network.places(deep=self._deep)
            share = -(-self._count // max(1, len(places)))
            pools: list[Candidates] = [
                network.candidates(theta, share, self._scales, self._rng, place) for place in places
            ]
            pools = [pool for pool in pools if len(pool.incoming)]
            if self._polish and self.by_gain:
                pools = _taken(pools, self._best(pools, G, dual, np.inf)[0])
                pools += [polished(G, pool, dual, self._polish) for pool in pools]
            return _growth(places, pools, *self._best(pools, G, dual, wanted))

    def _best(
        self, pools: Sequence[Candidates], G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> tuple[list[int], np.ndarray]:
        """The chosen of all pools, counted through, and their gains."""
        if not pools:
            return [], np.empty(0)
        tangents = [pool.tangent for pool in pools]
        tangent = tangents[0] if len(tangents) == 1 else np.hstack(tangents)
        block = outside_tangent(G, tangent, dual)
        return greedy(*block, wanted, self._most, by_gain=self.by_gain, neurons=Neurons.of(pools))


class RandomExpansion(GainExpansion):
    """The same pool and schedule without the choice, to compare with: neurons join in the order drawn."""

    by_gain = False


def _taken(pools: Sequence[Candidates], chosen: Sequence[int]) -> list[Candidates]:
    """Of each pool its chosen neurons, in the order of choice, numbers counting through all pools; without
    the pools of which none was chosen."""
    first, taken = 0, []
    for pool in pools:
        own = [index - first for index in chosen if first <= index < first + len(pool.incoming)]
        first += len(pool.incoming)
        if own:
            taken.append(pool.moved(pool.incoming[own]))
    return taken


def _growth(
    places: Sequence[Any], pools: Sequence[Candidates], chosen: Sequence[int], gains: np.ndarray
) -> Growth:
    taken = _taken(pools, chosen)
    joining = []
    for place in places:
        rows = [pool.incoming for pool in taken if pool.place == place]
        if rows:
            joining.append((place, np.vstack(rows)))
    return Growth(tuple(joining), gains)


STRATEGIES = {"gain": GainExpansion, "random": RandomExpansion}
