"""A pool of candidate neurons, each with a block of tangent columns, and the greedy choice among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.protocols import Candidates
from app.method import GrowthMethod
from app.parallel import gram

DEFAULT = GrowthMethod()


@dataclass(frozen=True)
class Neurons:
    """Which columns of a block belong to which neuron, where each would join, and what it costs."""

    columns: list[np.ndarray]
    """Of each group of neurons with equally many outgoing weights, shape (neurons, outgoing)."""
    places: np.ndarray
    """Of each neuron a number of its place."""
    room: np.ndarray
    """Of each such number."""
    cost: np.ndarray
    """Of each neuron its parameters over those of the cheapest one."""

    @staticmethod
    def single(count: int, room: int | None = None) -> "Neurons":
        """One column each, all at one place and equally costly."""
        places = np.zeros(count, dtype=int)
        return Neurons([np.arange(count)[:, None]], places, np.array([room or count]), np.ones(count))

    @staticmethod
    def of(pools: Sequence[Candidates]) -> "Neurons":
        """Of the pools' tangents side by side; pools of one place share its room."""
        numbers: list[object] = []
        columns, places, first = [], [], 0
        for pool in pools:
            count = len(pool.incoming)
            columns.append(first + np.arange(count * pool.outgoing).reshape(count, pool.outgoing))
            first = int(columns[-1][-1, -1]) + 1
            if pool.place not in numbers:
                numbers.append(pool.place)
            places.append(np.full(count, numbers.index(pool.place)))
        room = {numbers.index(pool.place): pool.room for pool in pools}
        cost = np.concatenate([np.full(len(pool.incoming), float(pool.parameters)) for pool in pools])
        at_places = np.array([room[number] for number in range(len(numbers))])
        return Neurons(columns, np.concatenate(places), at_places, cost / cost.min())

    def of_neuron(self, index: int) -> np.ndarray:
        """Its columns."""
        for group in self.columns:
            if index < len(group):
                result: np.ndarray = group[index]
                return result
            index -= len(group)
        raise IndexError(index)

    def gains(
        self, s: np.ndarray, H: np.ndarray, norms: np.ndarray, dependent: float = DEFAULT.dependent
    ) -> np.ndarray:
        """½sᵀH⁺s of each neuron's own columns; 0 where they depend on the tangent space."""
        return np.concatenate([_group_gains(s, H, norms, group, dependent) for group in self.columns])


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
    s: np.ndarray,
    H: np.ndarray,
    norms: np.ndarray,
    wanted: float,
    limit: int,
    *,
    by_gain: bool = True,
    neurons: Neurons | None = None,
    method: GrowthMethod = DEFAULT,
) -> tuple[list[int], np.ndarray]:
    """Neurons in order of choice and the gain of each, until `wanted` is reached; by default each column is
    one.

    The best gain per parameter wins. Scores are rounded to six digits and the lowest index wins, so that all
    rank counts choose alike. Not by gain, the first one that is independent of the tangent space comes next.
    """
    neurons = neurons or Neurons.single(len(s))
    s, H, room = s.copy(), H.copy(), neurons.room.copy()
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < limit and (len(chosen) < method.fewest or sum(gains) < wanted):
        scores = np.where(room[neurons.places] > 0, neurons.gains(s, H, norms, method.dependent), 0.0)
        scores[chosen] = 0.0
        best = int(np.argmax(six_digits(scores / neurons.cost) if by_gain else scores > 0))
        if not scores[best] > 0:
            break
        chosen.append(best)
        gains.append(float(scores[best]))
        room[neurons.places[best]] -= 1
        own = neurons.of_neuron(best)
        if len(own) == 1:
            column = H[:, own] / H[own, own]
        else:
            column = H[:, own] @ inverses(H[np.ix_(own, own)][None], norms[own][None], method.dependent)[0]
        s -= column @ s[own]
        H -= column @ H[own]
    return chosen, np.array(gains)


def inverses(H: np.ndarray, norms: np.ndarray, dependent: float = DEFAULT.dependent) -> np.ndarray:
    """H⁺ of square matrices, shape (count, n, n), without the directions that depend on the tangent space.

    `norms`, shape (count, n), are the square norms of the columns before the tangent space was taken off.
    """
    scale = 1.0 / np.sqrt(np.where(norms > 0, norms, 1.0))
    values, vectors = np.linalg.eigh(scale[:, :, None] * H * scale[:, None, :])
    vectors = scale[:, :, None] * vectors
    kept = np.where(values > dependent, 1.0 / np.where(values > dependent, values, 1.0), 0.0)
    return (vectors * kept[:, None, :]) @ vectors.swapaxes(1, 2)


def six_digits(scores: np.ndarray) -> np.ndarray:
    """Rounded to six significant digits."""
    magnitude = 10.0 ** (5 - np.floor(np.log10(np.where(scores > 0, scores, 1.0))))
    return np.round(scores * magnitude) / magnitude


def _group_gains(
    s: np.ndarray, H: np.ndarray, norms: np.ndarray, group: np.ndarray, dependent: float
) -> np.ndarray:
    if group.shape[1] == 1:
        own = group[:, 0]
        diagonal, right = H[own, own], s[own]
        free = diagonal > dependent * norms[own]
        return np.where(free, 0.5 * right**2 / np.where(free, diagonal, 1.0), 0.0)
    inverse = inverses(H[group[:, :, None], group[:, None, :]], norms[group], dependent)
    result: np.ndarray = 0.5 * np.einsum("ci,cij,cj->c", s[group], inverse, s[group])
    return result
