"""A coefficient as reference plus multilayer perceptron, which can grow, be pruned and be described."""

from collections.abc import Sequence

import numpy as np
import torch

from app.network.candidates import Candidates
from app.network.layers import Layers, Place
from app.network.nodes import Nodes
from app.network.perceptron import Perceptron
from app.network.transforms import TRANSFORMS
from app.types import Described, Summary

START_SCALES = (1.0, 4.0)
"""Range of |a| of the first neurons: ridges no narrower than the domain's quarter."""

DEEPEST = 5
"""Hidden layers that a network may grow to."""

FEWEST = 8
"""Neurons drawn for a place at least, however many outgoing weights each has."""


class Network(Perceptron):
    """A perceptron whose layers change: each change makes another network and the θ that goes with it."""

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Widths of the hidden layers, and which are residual blocks; of one network."""
        return ((self.widths, self.blocks),)

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Network":
        """The same network with other hidden layers, see `shape`."""
        ((widths, blocks),) = shape
        return self._with(Layers(self._layers.features, widths, blocks))

    @property
    def room(self) -> int:
        """Neurons that may still join the last hidden layer."""
        return self._room(Place(len(self.widths) - 1))

    def places(self, *, deep: bool) -> list[Place]:
        """Where neurons may join, from the last to the first: the last hidden layer if it has room; if the
        network may become deeper, every layer with room, and new residual blocks."""
        if not deep:
            return [Place(len(self.widths) - 1)] if self.room else []
        return [place for place in self._layers.places() if self._room(place)]

    @property
    def parts(self) -> "tuple[Network, ...]":
        """This network, as if it were one of several."""
        return (self,)

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """As of several networks."""
        return [theta]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """θ with random hidden layers and outgoing weights zero, so that m is m_ref exactly."""
        theta = np.zeros(self.size)
        for depth, layer in enumerate(self._hidden):
            rows = self._ridges(theta, depth, layer.shape[0], START_SCALES, rng)
            theta[layer.weights], theta[layer.biases] = rows[:, :-1].ravel(), rows[:, -1]
        return theta

    def described(self) -> Summary:
        """All but the parameters and the nodes, in plain data."""
        activation, features = self._names
        kinds = {kind: name for name, kind in TRANSFORMS.items()}
        return {
            "hidden": list(self.widths),
            "blocks": list(self.blocks),
            "activation": activation,
            "features": features,
            "transform": {"kind": kinds[type(self._transform)], **vars(self._transform)},
            "max_width": self.max_width,
            "box": [corner.tolist() for corner in self.box],
        }

    def candidates(
        self,
        theta: np.ndarray,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
        place: Place | None = None,
    ) -> Candidates:
        """Random neurons for a place, drawn alike on all ranks; see `_ridges`.

        Without a place for the last hidden layer. `count` is the number of outgoing weights of all of them
        together, about: at least FEWEST neurons are drawn.
        """
        place = place or Place(len(self.widths) - 1)
        each = self._layers.outputs(place)
        if each > 1:
            count = max(FEWEST, count // each)
        rows = self._ridges(theta, place.layer, count, scales, rng)
        below, above = self._around(torch.from_numpy(theta), place)
        return Candidates(
            place, self._room(place), rows, below, above, self._function, slice(0, self.owned), self.owned
        )

    def grown(
        self, theta: np.ndarray, incoming: np.ndarray, place: Place | None = None
    ) -> tuple["Network", np.ndarray]:
        """The network and θ with neurons of these incoming rows added at a place; m is unchanged.

        Without a place they join the last hidden layer. Neurons of several places join from the last place
        to the first: so each finds its place and the inputs that it was drawn for.
        """
        place = place or Place(len(self.widths) - 1)
        layers, longer = self._layers.grown(theta, incoming, place)
        return self._with(layers), longer

    def _with(self, layers: Layers) -> "Network":
        """The same with other layers."""
        activation, features = self._names
        return Network(
            layers.widths,
            self._nodes,
            activation,
            self._transform,
            self.max_width,
            features,
            layers.blocks,
        )

    def _room(self, place: Place) -> int:
        if place.inserted:
            return self.max_width if len(self.widths) < DEEPEST else 0
        return max(0, self.max_width - self.widths[place.layer])

    @property
    def outgoing(self) -> list[np.ndarray]:
        """Where in θ the outgoing weights of the last hidden layer are."""
        rows = self._hidden[-1].rows
        return [self._outgoing.start + np.arange(rows.start, rows.stop)]

    @property
    def offsets(self) -> np.ndarray:
        """Where in θ the output's bias is, and its weights of what passes a last layer that is a block."""
        return np.setdiff1d(np.arange(self._outgoing.start, self.size), self.outgoing[0])

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["Network", np.ndarray]:
        """The network and θ without these neurons of the last hidden layer, one of which has to stay.

        m is unchanged if their outgoing weights are zero.
        """
        layers, shorter = self._layers.without(theta, neurons)
        return self._with(layers), shorter

    def _ridges(
        self,
        theta: np.ndarray,
        depth: int,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Rows (a, b) of neurons σ(a·h + b) over the inputs h of layer `depth`.

        Direction of a uniform, |a| log-uniform within `scales`, and the ridge a·h + b = 0 passes the image
        of a point drawn uniformly from [−1, 1]^dimension. Where the features of a point are seen, neurons are
        drawn on them alone.
        """
        inner = self._layers.seen(depth)
        if self._layers.sees_features(depth):
            rows = self._features.neurons(self._dimension, count, scales, rng)
            return np.hstack([rows[:, :-1], np.zeros((count, inner - self.inputs)), rows[:, -1:]])
        direction = rng.standard_normal((count, inner))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        scale = np.exp(rng.uniform(np.log(scales[0]), np.log(scales[1]), (count, 1)))
        points = self._features.lift(torch.from_numpy(rng.uniform(-1.0, 1.0, (self._dimension, count))))
        image = self._forward(torch.from_numpy(theta), points, depth).numpy().T
        a = direction * scale
        return np.hstack([a, -np.sum(a * image, axis=1, keepdims=True)])

    @staticmethod
    def of(told: Described, nodes: Nodes, max_width: int | None = None) -> "Network":
        """What `described` tells, at nodes whose box is its own."""
        transform = dict(told["transform"])
        made = TRANSFORMS[transform.pop("kind")](**transform)
        most = told["max_width"] if max_width is None else max_width
        return Network(
            told["hidden"], nodes, told["activation"], made, most, told["features"], told["blocks"]
        )

    def _around(self, theta: torch.Tensor, place: Place) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What neurons of a place see at the owned nodes, and ∂m/∂z of each that will see them."""
        readers, depth = self._layers.readers(place), len(self._hidden)
        if readers == [depth]:
            below = self._forward(theta, self._inputs, place.layer)
            if self._plain:
                return below, None
            return below, torch.from_numpy(self._slope(self._sum(theta.numpy()), slice(None)))[None]
        sweep = self._sweep(theta, slice(0, self.owned))
        above = [sweep.deltas[number] for number in readers if number < depth]
        if readers[-1] == depth:
            one = torch.ones(self.owned, dtype=torch.float64) if sweep.slope is None else sweep.slope
            above.append(one[None])
        below = sweep.seen[place.layer] if place.layer < depth else sweep.last
        return below, torch.cat(above)
