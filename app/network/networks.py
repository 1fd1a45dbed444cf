"""Several unknowns, each with a network of its own, as one network to the flow."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from app.network.candidates import Candidates
from app.network.layers import Place
from app.network.network import Network


class Networks:
    """The networks of several unknowns side by side.

    m has, on each rank, one unknown's owned nodes after the other's, θ one network's parameters after the
    other's; the Jacobian is block-diagonal. Candidates of all networks compete; a place says whose neurons
    they are. Immutable, as Network is.
    """

    def __init__(self, parts: Sequence[Network]) -> None:
        self.parts = tuple(parts)
        self._parameters = _slices([part.size for part in parts])
        self._rows = _slices([part.owned for part in parts])
        self.size: int = self._parameters[-1].stop

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer in all networks together, counted from the last layer."""
        layers = zip_longest(*(reversed(part.widths) for part in self.parts), fillvalue=0)
        return tuple(map(sum, layers))[::-1]

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Of each network, see Network."""
        return tuple(own for part in self.parts for own in part.shape)

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Networks":
        """The same networks with other hidden layers, see `shape`."""
        return Networks([part.shaped([own]) for part, own in zip(self.parts, shape, strict=True)])

    @property
    def room(self) -> int:
        """Neurons that may still join, of all networks together."""
        return sum(part.room for part in self.parts)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """θ with which each unknown is its reference exactly."""
        return np.concatenate([part.start(rng) for part in self.parts])

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m at the owned nodes, shape (owned,)."""
        own = zip(self.parts, self.split(theta), strict=True)
        return np.concatenate([part.values(parameters) for part, parameters in own])

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """D = ∂m/∂θ, shape (owned, size), column-major, in `out` if its shape is right."""
        shape = self._rows[-1].stop, self.size
        D = np.empty(shape, order="F") if out is None or out.shape != shape else out
        D[:] = 0.0
        for part, rows, columns in zip(self.parts, self._rows, self._parameters, strict=True):
            part.jacobian(theta[columns], D[rows, columns])
        return D

    def places(self, *, deep: bool) -> list[Place]:
        """Where neurons may join, one network's places after the other's; see Network."""
        return [
            replace(place, unknown=unknown)
            for unknown, part in enumerate(self.parts)
            for place in part.places(deep=deep)
        ]

    def candidates(
        self,
        theta: np.ndarray,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
        place: Place,
    ) -> Candidates:
        """Random neurons for a place; see Network."""
        own = theta[self._parameters[place.unknown]]
        pool = self.parts[place.unknown].candidates(own, count, scales, rng, place)
        return replace(pool, rows=self._rows[place.unknown], owned=self._rows[-1].stop)

    def grown(self, theta: np.ndarray, incoming: np.ndarray, place: Place) -> tuple["Networks", np.ndarray]:
        """The networks and θ with neurons of these rows added at a place; m is unchanged."""
        parts, parameters = list(self.parts), self.split(theta)
        index = place.unknown
        parts[index], parameters[index] = parts[index].grown(parameters[index], incoming, place)
        return Networks(parts), np.concatenate(parameters)

    @property
    def outgoing(self) -> list[np.ndarray]:
        """Where in θ the outgoing weights of the last hidden layers are, one array a network."""
        parts = zip(self.parts, self._parameters, strict=True)
        return [columns.start + own for part, columns in parts for own in part.outgoing]

    @property
    def offsets(self) -> np.ndarray:
        """Where in θ the outputs' biases are."""
        parts = zip(self.parts, self._parameters, strict=True)
        return np.concatenate([columns.start + part.offsets for part, columns in parts])

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["Networks", np.ndarray]:
        """The networks and θ without these neurons, numbered through all networks as in `outgoing`."""
        smaller, parameters, first = [], [], 0
        for part, own in zip(self.parts, self.split(theta), strict=True):
            last = first + part.widths[-1]
            mine = neurons[(neurons >= first) & (neurons < last)] - first
            network, shorter = part.without(own, mine) if len(mine) else (part, own)
            smaller.append(network)
            parameters.append(shorter)
            first = last
        return Networks(smaller), np.concatenate(parameters)

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """Each network's parameters, without a copy."""
        return [theta[columns] for columns in self._parameters]


def joint_network(parts: Sequence[Network]) -> Network | Networks:
    """The network of all unknowns: of one, its own."""
    return parts[0] if len(parts) == 1 else Networks(parts)


def _slices(lengths: Sequence[int]) -> list[slice]:
    """One after the other."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
