"""How a coefficient is represented: networks with Jacobian and function-preserving growth, nodal values."""

import torch

from app.unknowns.activations import ACTIVATIONS, TRANSFORMS, Bounded, Identity, Transform
from app.unknowns.candidates import Candidates
from app.unknowns.layers import Place
from app.unknowns.network import Network, Nodes
from app.unknowns.networks import Networks, together
from app.unknowns.nodal import Nodal

__all__ = [
    "ACTIVATIONS",
    "TRANSFORMS",
    "Bounded",
    "Candidates",
    "Identity",
    "Network",
    "Networks",
    "Nodal",
    "Nodes",
    "Place",
    "Transform",
    "one_thread",
    "together",
]


def one_thread() -> None:
    """Keep torch to one thread a rank; a number derived from the core count can come out as zero."""
    torch.set_num_threads(1)
