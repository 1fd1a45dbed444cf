"""Hidden layers, dense or residual blocks: which parameters are theirs, what each sees and what sees it.

A dense layer sees the *stream*, h = σ(W stream + b) is the stream from there on. A residual block sees the
stream too, but its neurons ψ = σ(W stream + b) join it: whatever sees the stream, z = A stream + c, becomes
z + Vψ. The stream of the first layers is the features of a point, and the output sees the last one. So every
layer sees the first rows of a stream, and a stream is one array.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np


@dataclass(frozen=True)
class Place:
    """Where neurons may join: hidden layer number `layer`, or a new residual block in front of it.

    In front of the output `layer` is the number of layers; `unknown` says whose network, where there are
    several.
    """

    layer: int
    inserted: bool = False
    unknown: int = 0


@dataclass(frozen=True)
class Layer:
    """A hidden layer: its slices of θ, its shape (neurons, inputs), and where its neurons are in a stream."""

    weights: slice
    biases: slice
    shape: tuple[int, int]
    block: bool
    stream: int
    """Number of the stream that its neurons join or begin; one that begins it sees the stream before."""
    rows: slice


class Layers:
    """The hidden layers in order. θ has layer by layer weights (by rows) and biases, then the output's."""

    def __init__(self, inputs: int, widths: Sequence[int], blocks: Sequence[int] = ()) -> None:
        """`inputs` features; `blocks` are the numbers of the layers that are residual blocks."""
        self.features, self.widths, self.blocks = inputs, tuple(widths), tuple(blocks)
        self.hidden: list[Layer] = []
        self.streams = [inputs]
        """Length of each stream in the end."""
        end = 0
        for number, width in enumerate(self.widths):
            seen, block = self.streams[-1], number in self.blocks
            weights = slice(end, end + width * seen)
            end = weights.stop + width
            if block:
                self.streams[-1] += width
            else:
                self.streams.append(width)
            rows = slice(self.streams[-1] - width, self.streams[-1])
            biases = slice(weights.stop, end)
            self.hidden.append(Layer(weights, biases, (width, seen), block, len(self.streams) - 1, rows))
        self.outgoing = slice(end, end + self.streams[-1])
        self.size: int = self.outgoing.stop + 1

    def seen(self, layer: int) -> int:
        """How many inputs a layer has; the output is the last one."""
        return self.hidden[layer].shape[1] if layer < len(self.hidden) else self.streams[-1]

    def sees_features(self, layer: int) -> bool:
        """Whether no dense layer is below."""
        return all(below.block for below in self.hidden[:layer])

    def readers(self, place: Place) -> list[int]:
        """Numbers of the layers that see the neurons of a place; the number of layers is the output."""
        first = place.layer if place.inserted else place.layer + 1
        blocks = list(takewhile(lambda number: number in self.blocks, range(first, len(self.hidden))))
        return [*blocks, first + len(blocks)]

    def outputs(self, place: Place) -> int:
        """Outgoing weights of a neuron of a place."""
        return sum(self.widths[number] if number < len(self.hidden) else 1 for number in self.readers(place))

    def places(self) -> list[Place]:
        """Every layer, and in front of every dense one and of the output a new block, from last to first.

        The features get one block at most: a second one sees no more than the first.
        """
        found = []
        for number in range(len(self.hidden), -1, -1):
            if number < len(self.hidden):
                found.append(Place(number))
            closed = number in self.blocks or (number > 0 and self.sees_features(number))
            if not closed:
                found.append(Place(number, inserted=True))
        return found

    def grown(self, theta: np.ndarray, incoming: np.ndarray, place: Place) -> tuple["Layers", np.ndarray]:
        """The layers and θ with neurons of these rows (a, b) at a place, with outgoing weights zero."""
        matrices = self._matrices(theta)
        widths, blocks = list(self.widths), set(self.blocks)
        at = self.seen(place.layer) if place.inserted else self.hidden[place.layer].rows.stop
        for number in self.readers(place):
            W = matrices[number]
            zeros = np.zeros((len(W), len(incoming)))
            matrices[number] = np.hstack([W[:, :at], zeros, W[:, at:]])
        if place.inserted:
            matrices.insert(place.layer, incoming)
            widths.insert(place.layer, len(incoming))
            blocks = {number + (number >= place.layer) for number in blocks} | {place.layer}
        else:
            matrices[place.layer] = np.vstack([matrices[place.layer], incoming])
            widths[place.layer] += len(incoming)
        return Layers(self.features, widths, sorted(blocks)), _joined(matrices)

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["Layers", np.ndarray]:
        """The layers and θ without these neurons of the last hidden layer."""
        matrices, rows = self._matrices(theta), self.hidden[-1].rows
        matrices[-2] = np.delete(matrices[-2], neurons, axis=0)
        matrices[-1] = np.delete(matrices[-1], rows.start + neurons, axis=1)
        widths = (*self.widths[:-1], len(matrices[-2]))
        return Layers(self.features, widths, self.blocks), _joined(matrices)

    def _matrices(self, theta: np.ndarray) -> list[np.ndarray]:
        """[W, b] of each layer and of the output."""
        pairs = [(theta[layer.weights].reshape(layer.shape), theta[layer.biases]) for layer in self.hidden]
        pairs.append((theta[self.outgoing][None, :], theta[-1:]))
        return [np.hstack([W, b[:, None]]) for W, b in pairs]


def _joined(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """θ of [W, b] of each layer and of the output."""
    return np.concatenate([part for W in matrices for part in (W[:, :-1].ravel(), W[:, -1])])
