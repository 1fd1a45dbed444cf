"""How a coefficient is represented: networks with Jacobian and function-preserving growth, nodal values.

torch, which takes longer to load than all else, is imported with the first of the names in TORCH.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from app.network.layers import Place
from app.network.nodes import Nodes
from app.network.transforms import TRANSFORMS, Bounded, Given, Identity, Transform

if TYPE_CHECKING:
    from app.network.activations import ACTIVATIONS
    from app.network.candidates import Candidates
    from app.network.cells import Cells
    from app.network.interfaces import Interfaces
    from app.network.level_set import LevelSet
    from app.network.network import Network
    from app.network.networks import Networks, joint_network
    from app.network.phases import Phases
    from app.network.smooth_phases import SmoothPhases, phases_of

__all__ = [
    "ACTIVATIONS",
    "TRANSFORMS",
    "Bounded",
    "Candidates",
    "Cells",
    "Given",
    "Identity",
    "Interfaces",
    "LevelSet",
    "Network",
    "Networks",
    "Nodes",
    "Phases",
    "Place",
    "SmoothPhases",
    "Transform",
    "joint_network",
    "one_thread",
    "phases_of",
]

TORCH = {
    "ACTIVATIONS": "activations",
    "Cells": "cells",
    "Interfaces": "interfaces",
    "LevelSet": "level_set",
    "Phases": "phases",
    "SmoothPhases": "smooth_phases",
    "phases_of": "smooth_phases",
    "Candidates": "candidates",
    "Network": "network",
    "Networks": "networks",
    "joint_network": "networks",
}
"""The modules of the names that need it; asked for within the functions that make a network."""


def __getattr__(name: str) -> object:
    if name not in TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{TORCH[name]}"), name)


def one_thread() -> None:
    """Keep torch to one thread a rank; a number derived from the core count can come out as zero."""
    import torch

    torch.set_num_threads(1)
