"""A coefficient as reference plus multilayer perceptron, with its Jacobian at the nodes and its growth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from app.unknowns.activations import ACTIVATIONS, Identity, Transform
from app.unknowns.features import FEATURES

CHUNK = 4096
"""Nodes per sweep: activations, deltas and a strip of the Jacobian stay in the cache."""

START_SCALES = (1.0, 4.0)
"""Range of |a| of the first neurons: ridges no narrower than the domain's quarter."""


@dataclass(frozen=True)
class Nodes:
    """What a network is evaluated at: the rank's owned nodes.

    `scaled`, shape (owned, dimension), lies in [−1, 1]; `base`, shape (owned,), is the transform's inverse
    of the `reference` coefficient, which is kept since T(T⁻¹(m_ref)) is m_ref up to rounding only.
    """

    scaled: np.ndarray
    base: np.ndarray
    reference: np.ndarray

    @staticmethod
    def of(
        coordinates: np.ndarray,
        box: tuple[np.ndarray, np.ndarray],
        reference: np.ndarray,
        transform: Transform,
    ) -> "Nodes":
        """Scale coordinates by the bounding box (lower, upper); raises ValueError from the transform."""
        lower, upper = box
        scaled = 2.0 * (coordinates - lower) / (upper - lower) - 1.0
        return Nodes(np.ascontiguousarray(scaled), transform.inverse(reference), reference)


@dataclass(frozen=True)
class Candidates:
    """Neurons that might join the last hidden layer with outgoing weight zero.

    `tangent`, shape (owned, count), holds ∂m/∂(outgoing weight); `incoming`, shape (count, inputs + 1), the
    incoming weights and the bias, the same on all ranks.
    """

    tangent: np.ndarray
    incoming: np.ndarray


class Network:
    """m(θ) = T(T⁻¹(m_ref) + MLP(x; θ)) at the rank's owned nodes.

    Immutable: it knows shapes and nodes, θ is passed in. θ, shape (size,), is float64 and the same on all
    ranks: layer by layer the weights (outputs × inputs, by rows) and biases, then the outgoing weights and
    one bias.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        nodes: Nodes,
        activation: str = "tanh",
        transform: Transform | None = None,
        max_width: int = 256,
        features: str = "linear",
    ) -> None:
        self.widths = tuple(hidden)
        self.max_width = max_width
        self._nodes = nodes
        self._names = activation, features
        self._function, self._features = ACTIVATIONS[activation], FEATURES[features]
        self._transform = transform or Identity()
        self._plain = isinstance(self._transform, Identity)  # spares a forward sweep and a product
        self._dimension = nodes.scaled.shape[1]
        self._inputs = self._features.lift(torch.from_numpy(np.ascontiguousarray(nodes.scaled.T)))
        shapes = list(zip(self.widths, (self.inputs, *self.widths[:-1]), strict=True))
        ends = np.cumsum([out * (inner + 1) for out, inner in shapes]).tolist()
        self._layers = [
            (slice(end - out * (inner + 1), end - out), slice(end - out, end), (out, inner))
            for end, (out, inner) in zip(ends, shapes, strict=True)
        ]
        self._outgoing = slice(ends[-1], ends[-1] + self.widths[-1])
        self.size: int = ends[-1] + self.widths[-1] + 1

    @property
    def inputs(self) -> int:
        """What the first hidden layer sees of a point."""
        return len(self._inputs)

    @property
    def owned(self) -> int:
        """The rank's nodes."""
        return self._inputs.shape[1]

    @property
    def below(self) -> int:
        """Inputs of a neuron of the last hidden layer."""
        return self._layers[-1][2][1]

    @property
    def room(self) -> int:
        """Neurons that may still join."""
        return max(0, self.max_width - self.widths[-1])

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """θ with random hidden layers and outgoing weights zero, so that m is m_ref exactly."""
        theta = np.zeros(self.size)
        for depth, (weights, biases, (out, _)) in enumerate(self._layers):
            rows = self._ridges(theta, depth, out, START_SCALES, rng)
            theta[weights], theta[biases] = rows[:, :-1].ravel(), rows[:, -1]
        return theta

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m at the owned nodes, shape (owned,)."""
        s = self._sum(theta)
        return np.where(s == self._nodes.base, self._nodes.reference, self._transform.value(s))

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """D = ∂m/∂θ at the owned nodes, shape (owned, size), column-major, in `out` if its shape is right.

        One forward sweep keeps the activations, one backward sweep the deltas δ_l = ∂m/∂z_l; then the
        columns of W_l are the outer products δ_l ⊗ h_{l−1}, written in place. Fresh memory of D's size costs
        more than all else, hence `out`.
        """
        parameters = torch.from_numpy(theta)
        owned = self._inputs.shape[1]
        if out is not None and out.shape == (owned, self.size):
            columns = torch.from_numpy(out.T)
        else:
            columns = torch.empty((self.size, owned), dtype=torch.float64)
        for start in range(0, owned, CHUNK):
            self._fill(parameters, slice(start, min(start + CHUNK, owned)), columns)
        return columns.numpy().T

    def candidates(
        self, theta: np.ndarray, count: int, scales: tuple[float, float], rng: np.random.Generator
    ) -> Candidates:
        """Random neurons for the last hidden layer, drawn alike on all ranks; see `_ridges`."""
        depth = len(self.widths) - 1
        rows = self._ridges(theta, depth, count, scales, rng)
        below = self._forward(torch.from_numpy(theta), self._inputs, depth)
        z = torch.from_numpy(rows[:, :-1]) @ below + _column(rows[:, -1])
        psi, _ = self._function(z, None)
        if not self._plain:
            psi *= torch.from_numpy(self._transform.slope(self._sum(theta)))
        return Candidates(psi.numpy().T, rows)

    def grown(self, theta: np.ndarray, incoming: np.ndarray) -> tuple["Network", np.ndarray]:
        """The network and θ with neurons of these incoming rows added; m is unchanged."""
        added = len(incoming)
        activation, features = self._names
        larger = Network(
            (*self.widths[:-1], self.widths[-1] + added),
            self._nodes,
            activation,
            self._transform,
            self.max_width,
            features,
        )
        weights, biases, _ = self._layers[-1]
        parts = [
            theta[: weights.stop],
            incoming[:, :-1].ravel(),
            theta[biases],
            incoming[:, -1],
            theta[self._outgoing],
            np.zeros(added),
            theta[-1:],
        ]
        return larger, np.concatenate(parts)

    @property
    def outgoing(self) -> list[np.ndarray]:
        """Where in θ the outgoing weights of the last hidden layer are."""
        return [np.arange(self._outgoing.start, self._outgoing.stop)]

    @property
    def offsets(self) -> np.ndarray:
        """Where in θ the output's bias is."""
        return np.array([self.size - 1])

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["Network", np.ndarray]:
        """The network and θ without these neurons of the last hidden layer, one of which has to stay.

        m is unchanged if their outgoing weights are zero.
        """
        weights, biases, (out, inner) = self._layers[-1]
        kept = np.setdiff1d(np.arange(out), neurons)
        activation, features = self._names
        smaller = Network(
            (*self.widths[:-1], len(kept)),
            self._nodes,
            activation,
            self._transform,
            self.max_width,
            features,
        )
        parts = [
            theta[: weights.start],
            theta[weights].reshape(out, inner)[kept].ravel(),
            theta[biases][kept],
            theta[self._outgoing][kept],
            theta[-1:],
        ]
        return smaller, np.concatenate(parts)

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
        of a point drawn uniformly from [−1, 1]^dimension.
        """
        if depth == 0:
            return self._features.neurons(self._dimension, count, scales, rng)
        _, _, (_, inner) = self._layers[depth]
        direction = rng.standard_normal((count, inner))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        scale = np.exp(rng.uniform(np.log(scales[0]), np.log(scales[1]), (count, 1)))
        points = self._features.lift(torch.from_numpy(rng.uniform(-1.0, 1.0, (self._dimension, count))))
        image = self._forward(torch.from_numpy(theta), points, depth).numpy().T
        a = direction * scale
        return np.hstack([a, -np.sum(a * image, axis=1, keepdims=True)])

    def _forward(self, theta: torch.Tensor, x: torch.Tensor, depth: int) -> torch.Tensor:
        """Activations after `depth` hidden layers at inputs x of shape (dimension, n)."""
        h = x
        for weights, biases, shape in self._layers[:depth]:
            h, _ = self._function(theta[weights].view(shape) @ h + theta[biases][:, None], None)
        return h

    def _sum(self, theta: np.ndarray) -> np.ndarray:
        """The transform's argument, T⁻¹(m_ref) + MLP, at the owned nodes."""
        parameters = torch.from_numpy(theta)
        h = self._forward(parameters, self._inputs, len(self.widths))
        return self._nodes.base + (parameters[self._outgoing] @ h + parameters[-1]).numpy()

    def _fill(self, theta: torch.Tensor, part: slice, columns: torch.Tensor) -> None:
        """Write the rows of the Jacobian (columns here) of the nodes in `part`."""
        last = len(self._layers) - 1
        activations, slopes = [self._inputs[:, part]], []
        for depth, (weights, biases, shape) in enumerate(self._layers):
            z = torch.addmm(theta[biases][:, None], theta[weights].view(shape), activations[-1])
            h, slope = self._function(z, columns[self._outgoing, part] if depth == last else z)
            activations.append(h)
            slopes.append(slope)
        columns[-1, part] = 1.0
        above = theta[self._outgoing][:, None]
        if not self._plain:
            s = theta[self._outgoing] @ activations[-1] + theta[-1]
            slope = torch.from_numpy(self._transform.slope(self._nodes.base[part] + s.numpy()))
            columns[self._outgoing, part] *= slope
            columns[-1, part] = slope
            above = above * slope
        for depth in range(last, -1, -1):
            weights, biases, (out, inner) = self._layers[depth]
            delta = torch.mul(above, slopes[depth], out=columns[biases, part])
            target = columns[weights].view(out, inner, -1)[:, :, part]
            torch.mul(delta[:, None, :], activations[depth][None, :, :], out=target)
            if depth:
                above = theta[weights].view(out, inner).T @ delta


def _column(row: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(row))[:, None]
