"""Networks at random nodes, and the same functions written for torch's own derivatives."""

from collections.abc import Callable

import numpy as np
import torch

from app.network import ACTIVATIONS, TRANSFORMS, Network, Nodes, Transform, one_thread

one_thread()

OPTIONS: dict[str, tuple[float, ...]] = {"bounded": (-2.0, 3.0)}
"""Arguments of the transforms that need some; a new transform without any is tested as it is."""

TORCH_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sine": torch.sin,
    "gelu": torch.nn.functional.gelu,
}
TORCH_TRANSFORMS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda s: s,
    "bounded": lambda s: -2.0 + 5.0 * torch.sigmoid(s),
}


def transform_of(name: str) -> Transform:
    return TRANSFORMS[name](*OPTIONS.get(name, ()))


def coordinates(count: int, dimension: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 3.0, (count, dimension))


def reference_at(x: np.ndarray) -> np.ndarray:
    """A reference coefficient strictly between −2 and 3."""
    return 0.5 + 0.8 * np.sin(x).sum(axis=1)


def network_at(
    x: np.ndarray,
    hidden: tuple[int, ...] = (7,),
    activation: str = "tanh",
    transform: str = "identity",
    max_width: int = 256,
    features: str = "linear",
    blocks: tuple[int, ...] = (),
) -> Network:
    """A network at coordinates of the box [−1, 3]^dimension."""
    form = transform_of(transform)
    box = (np.full(x.shape[1], -1.0), np.full(x.shape[1], 3.0))
    nodes = Nodes.of(x, box, reference_at(x), form)
    return Network(hidden, nodes, activation, form, max_width, features, blocks)


def parameters_of(network: Network, seed: int = 0) -> np.ndarray:
    """θ in general position, of the size of trained parameters."""
    rng = np.random.default_rng(seed)
    return network.start(rng) + 0.5 * rng.standard_normal(network.size)


def torch_network(
    hidden: tuple[int, ...], dimension: int, activation: str, transform: str
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    """m(θ, x, base) at one node, from the layout that the Network documents; `x` scaled, base =
    T⁻¹(m_ref)."""
    function = TORCH_ACTIVATIONS.get(activation, lambda z: ACTIVATIONS[activation](z)[0])
    form = TORCH_TRANSFORMS[transform]

    def value(theta: torch.Tensor, x: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        h, inner, at = x, dimension, 0
        for out in hidden:
            weights = theta[at : at + out * inner].reshape(out, inner)
            biases = theta[at + out * inner : at + out * (inner + 1)]
            h, inner, at = function(weights @ h + biases), out, at + out * (inner + 1)
        return form(base + theta[at : at + inner] @ h + theta[at + inner])

    return value
