"""How a coefficient is represented: networks with Jacobian and function-preserving growth, nodal values."""

import torch

from app.network.activations import ACTIVATIONS, TRANSFORMS, Bounded, Identity, Transform
from app.network.candidates import Candidates
from app.network.layers import Place
from app.network.network import Network, Nodes
from app.network.networks import Networks, joint_network

__all__ = [
    "ACTIVATIONS",
    "TRANSFORMS",
    "Bounded",
    "Candidates",
    "Identity",
    "Network",
    "Networks",
    "Nodes",
    "Place",
    "Transform",
    "joint_network",
    "one_thread",
]


def one_thread() -> None:
    """Keep torch to one thread a rank; a number derived from the core count can come out as zero."""
    torch.set_num_threads(1)
