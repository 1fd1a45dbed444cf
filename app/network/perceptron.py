"""The values of a multilayer perceptron at the nodes and its Jacobian, by one sweep forward and one back."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from app.network.activations import ACTIVATIONS, in_torch
from app.network.features import FEATURES
from app.network.layers import Layers
from app.network.nodes import Nodes
from app.network.transforms import Identity, Transform

CHUNK = 4096
"""Nodes per sweep: activations, deltas and a strip of the Jacobian stay in the cache."""


class Perceptron:
    """m(θ) = T(T⁻¹(m_ref) + MLP(x; θ)) at the rank's owned nodes, and its Jacobian.

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
    def inputs(self) -> int:
        """What the first hidden layer sees of a point."""
        return len(self._inputs)

    @property
    def owned(self) -> int:
        """The rank's nodes."""
        return self._inputs.shape[1]

    @property
    def nodes(self) -> Nodes:
        """What it is evaluated at."""
        return self._nodes

    def nodes_at(self, coordinates: np.ndarray, reference: np.ndarray) -> Nodes:
        """Nodes elsewhere, scaled as the network's own are, where m_ref has these values."""
        return Nodes.of(coordinates, self.box, reference, self._transform)

    def at(self, nodes: Nodes) -> Self:
        """The same network at other nodes."""
        other = copy.copy(self)
        other._nodes = nodes
        other._inputs = self._features.lift(torch.from_numpy(np.ascontiguousarray(nodes.scaled.T)))
        return other

    @property
    def transform(self) -> Transform:
        """Of the output."""
        return self._transform

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of what is scaled to [−1, 1]."""
        assert self._nodes.box is not None
        return self._nodes.box

    def base_of(self, reference: float) -> float:
        """What the network's sum departs from where m_ref is this."""
        return float(self._transform.inverse(np.array([reference]))[0])

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

    def output(self, theta: torch.Tensor, scaled: torch.Tensor) -> torch.Tensor:
        """MLP(x; θ), shape (n,), at scaled points, shape (inputs, n); torch can differentiate it."""
        h = self._forward(theta, self._features.lift(scaled), len(self.widths))
        return theta[self._outgoing] @ h + theta[-1]

    def evaluated(self, theta: torch.Tensor, scaled: torch.Tensor, base: float) -> torch.Tensor:
        """T(base + MLP(x; θ)), shape (n,), at scaled points, shape (inputs, n); torch differentiates it."""
        return in_torch(self._transform, base + self.output(theta, scaled))

    def lifted(self, scaled: torch.Tensor) -> torch.Tensor:
        """The features of scaled points, shape (inputs, n)."""
        return self._features.lift(scaled)

    def _forward(self, theta: torch.Tensor, x: torch.Tensor, depth: int) -> torch.Tensor:
        """What layer `depth` (the output, if there are no more) sees at features x of shape (inputs, n)."""
        h = x
        for layer in self._hidden[:depth]:
            W, b = theta[layer.weights].view(layer.shape), theta[layer.biases]
            psi, _ = self._function(W @ h + b[:, None], None)
            h = torch.cat([h, psi]) if layer.block else psi
        return h

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


@dataclass(frozen=True)
class _Sweep:
    """Of each layer what it sees and ∂m/∂z, shape (neurons, n), the last stream, and T′ unless it is 1."""

    seen: list[torch.Tensor]
    deltas: list[torch.Tensor]
    last: torch.Tensor
    slope: torch.Tensor | None
