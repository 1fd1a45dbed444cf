"""An energy on a fine mesh as functions on a coarse mesh see it."""

from functools import cached_property
from typing import Any, Protocol

import numpy as np

from app.types import Untyped


class Transfer(Protocol):
    """See app.mesh.Transfer."""

    def prolonged(self, block: np.ndarray) -> np.ndarray:
        """P @ block."""

    def restricted(self, block: np.ndarray) -> np.ndarray:
        """Pᵀ @ block."""


class Restricted:
    """An evaluation on a fine mesh whose derivative acts on functions of the coarse mesh.

    The coefficient is that of a network, at the nodes of either mesh: no interpolation comes between. J and
    the derivative are those of the fine mesh on the directions that the coarse one holds, JP and Pᵀφ′.
    """

    def __init__(self, m: np.ndarray, fine: Any, transfer: Transfer) -> None:
        self.m = m
        """At the coarse nodes, shape (owned,)."""
        self.fine: Untyped = fine
        """The evaluation on the fine mesh."""
        self._transfer = transfer

    @property
    def value(self) -> float:
        """φ(m) on the fine mesh."""
        value: float = self.fine.value
        return value

    @property
    def residual(self) -> np.ndarray:
        """e(m) on the fine mesh."""
        residual: np.ndarray = self.fine.residual
        return residual

    @cached_property
    def _derivative(self) -> np.ndarray:
        return self._transfer.restricted(self.fine.derivative())

    def derivative(self) -> np.ndarray:
        """Pᵀφ′(m), a dual vector of the coarse nodes; collective."""
        return self._derivative

    def jvp(self, block: np.ndarray) -> np.ndarray:
        """JP @ block; collective."""
        images: np.ndarray = self.fine.jvp(self._transfer.prolonged(block))
        return images

    def vjp(self, data: np.ndarray) -> np.ndarray:
        """PᵀJᵀ @ data; collective."""
        return self._transfer.restricted(self.fine.vjp(data))

    def prolonged(self, block: np.ndarray) -> np.ndarray:
        """P @ block: a function on the coarse mesh at the fine nodes; collective."""
        return self._transfer.prolonged(block)

    def restricted(self, block: np.ndarray) -> np.ndarray:
        """Pᵀ @ block: of a dual vector of the fine nodes what it says of coarse functions; collective."""
        return self._transfer.restricted(block)


def on_its_mesh(at: Untyped) -> Untyped:
    """An evaluation on the mesh that its energy is of."""
    return at.fine if isinstance(at, Restricted) else at
