"""A coefficient as reference plus multilayer perceptron, with its Jacobian at the nodes and its growth."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from app.network.activations import ACTIVATIONS
from app.network.candidates import Candidates
from app.network.features import FEATURES
from app.network.layers import Layers, Place
from app.network.nodes import Nodes
from app.network.transforms import TRANSFORMS, Identity, Transform
from app.types import Described, Summary

CHUNK = 4096
"""Nodes per sweep: activations, deltas and a strip of the Jacobian stay in the cache."""

START_SCALES = (1.0, 4.0)
"""Range of |a| of the first neurons: ridges no narrower than the domain's quarter."""

DEEPEST = 5
"""Hidden layers that a network may grow to."""

FEWEST = 8
"""Neurons drawn for a place at least, however many outgoing weights each has."""


class Network:
    """m(θ) = T(T⁻¹(m_ref) + MLP(x; θ)) at the rank's owned nodes.

    Immutable: it knows shapes and nodes, θ is passed in. θ, shape (size,), is float64 and the same on all
    ranks: layer by layer the weights (outputs × inputs, by rows) and biases, then the outgoing weights and
    one bias. The layers whose numbers are among `blocks` are residual blocks (see app.network.layers).
    """

    def __init__(
        self,
        hidden: Sequence[int],
        nodes: Nodes,
        activation: str = "tanh",
        transform: Transform | None = None,
        max_width: int = 256,
        features: str = "linear",
        blocks: Sequence[int] = (),
    ) -> None:
        self.max_width = max_width
        self._nodes = nodes
        self._names = activation, features
        self._function, self._features = ACTIVATIONS[activation], FEATURES[features]
        self._transform = transform or Identity()
        identity = isinstance(self._transform, Identity)
        self._plain = identity and nodes.factor is None  # spares a forward sweep and a product
        self._dimension = nodes.scaled.shape[1]
        self._inputs = self._features.lift(torch.from_numpy(np.ascontiguousarray(nodes.scaled.T)))
        self._layers = Layers(len(self._inputs), hidden, blocks)
        self._hidden = self._layers.hidden
        self._outgoing = self._layers.outgoing
        self.size: int = self._layers.size

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return self._layers.widths

    @property
    def blocks(self) -> tuple[int, ...]:
        """Numbers of the hidden layers that are residual blocks."""
        return self._layers.blocks

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Widths of the hidden layers, and which are residual blocks; of one network."""
        return ((self.widths, self.blocks),)

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Network":
        """The same network with other hidden layers, see `shape`."""
        ((widths, blocks),) = shape
        return self._with(Layers(self._layers.features, widths, blocks))

    @property
    def inputs(self) -> int:
        """What the first hidden layer sees of a point."""
        return len(self._inputs)

    @property
    def owned(self) -> int:
        """The rank's nodes."""
        return self._inputs.shape[1]

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

    @property
    def nodes(self) -> Nodes:
        """What it is evaluated at."""
        return self._nodes

    def nodes_at(self, coordinates: np.ndarray, reference: np.ndarray) -> Nodes:
        """Nodes elsewhere, scaled as the network's own are, where m_ref has these values."""
        return Nodes.of(coordinates, self.box, reference, self._transform)

    def at(self, nodes: Nodes) -> "Network":
        """The same network at other nodes."""
        other = copy.copy(self)
        other._nodes = nodes
        other._inputs = self._features.lift(torch.from_numpy(np.ascontiguousarray(nodes.scaled.T)))
        return other

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m at the owned nodes, shape (owned,)."""
        s = self._sum(theta)
        if self._nodes.factor is not None:
            result: np.ndarray = self._nodes.reference + self._nodes.factor * s
            return result
        return np.where(s == self._nodes.base, self._nodes.reference, self._transform.value(s))

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """D = ∂m/∂θ at the owned nodes, shape (owned, size), column-major, in `out` if its shape is right.

        One forward sweep keeps the activations, one backward sweep the deltas δ_l = ∂m/∂z_l; then the
        columns of W_l are the outer products δ_l ⊗ (inputs of l), written in place. Fresh memory of D's size
        costs more than all else, hence `out`.
        """
        parameters = torch.from_numpy(theta)
        owned = self._inputs.shape[1]
        if out is not None and out.shape == (owned, self.size):
            columns = torch.from_numpy(out.T)
        else:
            columns = torch.empty((self.size, owned), dtype=torch.float64)
        for start in range(0, owned, CHUNK):
            part = slice(start, min(start + CHUNK, owned))
            sweep = self._sweep(parameters, part, columns)
            for layer, seen, delta in zip(self._hidden, sweep.seen, sweep.deltas, strict=True):
                target = columns[layer.weights].view(*layer.shape, -1)[:, :, part]
                torch.mul(delta[:, None, :], seen[None, :, :], out=target)
            columns[-1, part] = 1.0 if sweep.slope is None else sweep.slope
            if sweep.slope is not None:
                columns[self._outgoing, part] *= sweep.slope
        return columns.numpy().T

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

    def _forward(self, theta: torch.Tensor, x: torch.Tensor, depth: int) -> torch.Tensor:
        """What layer `depth` (the output, if there are no more) sees at features x of shape (inputs, n)."""
        h = x
        for layer in self._hidden[:depth]:
            W, b = theta[layer.weights].view(layer.shape), theta[layer.biases]
            psi, _ = self._function(W @ h + b[:, None], None)
            h = torch.cat([h, psi]) if layer.block else psi
        return h

    @staticmethod
    def of(told: Described, nodes: Nodes, max_width: int | None = None) -> "Network":
        """What `described` tells, at nodes whose box is its own."""
        transform = dict(told["transform"])
        made = TRANSFORMS[transform.pop("kind")](**transform)
        most = told["max_width"] if max_width is None else max_width
        return Network(
            told["hidden"], nodes, told["activation"], made, most, told["features"], told["blocks"]
        )

    @property
    def transform(self) -> Transform:
        """Of the output."""
        return self._transform

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of what is scaled to [−1, 1]."""
        assert self._nodes.box is not None
        return self._nodes.box

    def output(self, theta: torch.Tensor, scaled: torch.Tensor) -> torch.Tensor:
        """MLP(x; θ), shape (n,), at scaled points, shape (inputs, n); torch can differentiate it."""
        h = self._forward(theta, self._features.lift(scaled), len(self.widths))
        return theta[self._outgoing] @ h + theta[-1]

    def _sum(self, theta: np.ndarray) -> np.ndarray:
        """The transform's argument, T⁻¹(m_ref) + MLP, at the owned nodes."""
        parameters = torch.from_numpy(theta)
        h = self._forward(parameters, self._inputs, len(self.widths))
        result: np.ndarray = self._nodes.base + (parameters[self._outgoing] @ h + parameters[-1]).numpy()
        return result

    def _slope(self, s: np.ndarray, part: slice) -> np.ndarray:
        """∂m/∂s at the nodes in `part`."""
        factor = self._nodes.factor
        return self._transform.slope(s) if factor is None else factor[part]

    def _sweep(self, theta: torch.Tensor, part: slice, columns: torch.Tensor | None = None) -> "_Sweep":
        """Forward and backward through the layers at the nodes in `part`.

        The last stream and the deltas go where they belong in the Jacobian (columns here), if that is given.
        """
        streams = self._streams(part, columns)
        seen, slopes = [], []
        for layer in self._hidden:
            h = streams[layer.stream if layer.block else layer.stream - 1][: layer.shape[1]]
            z = torch.addmm(theta[layer.biases][:, None], theta[layer.weights].view(layer.shape), h)
            _, slope = self._function(z, streams[layer.stream][layer.rows])
            seen.append(h)
            slopes.append(slope)
        above, output = theta[self._outgoing][:, None], None
        if not self._plain:
            s = theta[self._outgoing] @ streams[-1] + theta[-1]
            output = torch.from_numpy(self._slope(self._nodes.base[part] + s.numpy(), part))
            above = above * output
        deltas: list[torch.Tensor] = []
        for depth in range(len(self._hidden) - 1, -1, -1):
            layer = self._hidden[depth]
            out = None if columns is None else columns[layer.biases, part]
            deltas.insert(0, torch.mul(above[layer.rows], slopes[depth], out=out))
            if depth:
                back = theta[layer.weights].view(layer.shape).T @ deltas[0]
                above = above[: layer.shape[1]] + back if layer.block else back
        return _Sweep(seen, deltas, streams[-1], output)

    def _streams(self, part: slice, columns: torch.Tensor | None) -> list[torch.Tensor]:
        """Room for each stream at the nodes in `part`, the features written into the first one."""
        points = self._inputs[:, part]
        lengths = self._layers.streams if columns is None else self._layers.streams[:-1]
        streams = [torch.empty((rows, points.shape[1]), dtype=points.dtype) for rows in lengths]
        if columns is not None:
            streams.append(columns[self._outgoing, part])
        if len(streams[0]) > len(points):
            streams[0][: len(points)] = points
        else:
            streams[0] = points
        return streams

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


@dataclass(frozen=True)
class _Sweep:
    """Of each layer what it sees and ∂m/∂z, shape (neurons, n), the last stream, and T′ unless it is 1."""

    seen: list[torch.Tensor]
    deltas: list[torch.Tensor]
    last: torch.Tensor
    slope: torch.Tensor | None
