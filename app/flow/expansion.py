"""Expansion: the neurons that let the network follow what function space asks for.

A candidate enters with outgoing weight zero, so m stays and only its activation ψ joins the tangent
space. With Ψ⊥ = Ψ − DG⁺DᵀKΨ, s = Ψ⊥ᵀ(r + Kδ) and H = Ψ⊥ᵀKΨ⊥ the best tangent step with the block Ψ is better
than without it by exactly ½sᵀH⁺s; neurons are chosen greedily with re-orthogonalisation (docs/method.md).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.protocols import Network
from app.parallel import gram, timed

DEPENDENT = 1e-8
"""A candidate with less than this share of its square norm outside the tangent space adds nothing."""

FEWEST, MOST = 2, 8
"""Neurons that join at once."""


@dataclass(frozen=True)
class Growth:
    """Chosen neurons: their incoming rows and the gain ½sᵀH⁺s each added to those before it."""

    incoming: np.ndarray
    gains: np.ndarray
    considered: int = 0
    """Candidates."""


class Strategy(Protocol):
    """Chooses the neurons that join."""

    def choose(
        self, network: Network, theta: np.ndarray, G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> Growth:
        """At most `network.room` neurons worth about `wanted`, for the dual r + Kδ; alike on all ranks."""


class GainExpansion:
    """Greedy block gain over a multi-scale random pool."""

    by_gain = True

    def __init__(
        self, rng: np.random.Generator, candidates: int, scales: tuple[float, float], most: int = MOST
    ) -> None:
        """`most` neurons join at once."""
        self._rng, self._count, self._scales, self._most = rng, candidates, scales, most

    def choose(
        self, network: Network, theta: np.ndarray, G: FlowMatrix, dual: np.ndarray, wanted: float
    ) -> Growth:
        """See Strategy."""
        with timed("expansion"):
            pool = network.candidates(theta, self._count, self._scales, self._rng)
            s, H, norms = outside_tangent(G, pool.tangent, dual)
            chosen, gains = greedy(s, H, norms, wanted, min(self._most, network.room), by_gain=self.by_gain)
            return Growth(pool.incoming[chosen], gains, len(pool.incoming))


class RandomExpansion(GainExpansion):
    """The same pool and schedule without the choice, to compare with: neurons join in the order drawn."""

    by_gain = False


def outside_tangent(
    G: FlowMatrix, tangent: np.ndarray, dual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """s, H of the candidates' parts outside the tangent space, and their square norms before."""
    image = G.inner.apply(tangent)
    local = np.einsum("ij,ij->j", tangent, image)
    norms = np.empty_like(local)
    G.comm.Allreduce(local, norms)
    inside = G.pseudo_solve(gram(G.comm, G.jacobian, image))
    tangent = tangent - G.jacobian @ inside
    return gram(G.comm, tangent, dual), G.inner.square(tangent), norms


def greedy(
    s: np.ndarray, H: np.ndarray, norms: np.ndarray, wanted: float, limit: int, *, by_gain: bool = True
) -> tuple[list[int], np.ndarray]:
    """Indices in order of choice and the gain of each, until `wanted` is reached.

    Scores are rounded to six digits and the lowest index wins, so that all rank counts choose alike. Not by
    gain, the first one that is independent of the tangent space comes next.
    """
    s, H = s.copy(), H.copy()
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < limit and (len(chosen) < FEWEST or sum(gains) < wanted):
        free = np.diag(H) > DEPENDENT * norms
        free[chosen] = False
        if not free.any():
            break
        scores = np.where(free, 0.5 * s**2 / np.where(free, np.diag(H), 1.0), 0.0)
        best = int(np.argmax(_six_digits(scores) if by_gain else free))
        if not scores[best] > 0:
            break
        chosen.append(best)
        gains.append(float(scores[best]))
        column = H[:, best] / H[best, best]
        s -= column * s[best]
        H -= np.outer(column, H[best])
    return chosen, np.array(gains)


def _six_digits(scores: np.ndarray) -> np.ndarray:
    magnitude = 10.0 ** (5 - np.floor(np.log10(np.where(scores > 0, scores, 1.0))))
    return np.round(scores * magnitude) / magnitude


STRATEGIES = {"gain": GainExpansion, "random": RandomExpansion}
