"""Neurons that might join a network, and how their rows are improved."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from app.network.activations import Function
from app.network.layers import Place


@dataclass(frozen=True)
class Candidates:
    """Neurons that might join at a place with outgoing weights zero.

    `incoming`, shape (count, inputs + 1), holds incoming weights and bias, the same on all ranks. `below`,
    shape (inputs, nodes), is what the neurons see at the network's owned nodes, `above`, shape (outgoing,
    nodes), the derivative of m by the argument of each neuron that sees them (of the output, T′). `rows` are
    the network's nodes among `owned` of all unknowns.
    """

    place: Place
    room: int
    """How many may join."""
    incoming: np.ndarray
    below: torch.Tensor
    above: torch.Tensor | None
    """None is the output alone, T′ = 1."""
    function: Function
    rows: slice
    owned: int

    @property
    def outgoing(self) -> int:
        """Outgoing weights of each."""
        return 1 if self.above is None else len(self.above)

    @property
    def parameters(self) -> int:
        """Of each: incoming weights, bias and outgoing weights."""
        count: int = self.incoming.shape[1] + self.outgoing
        return count

    @cached_property
    def tangent(self) -> np.ndarray:
        """∂m/∂(outgoing weights), a block: the columns of one neuron after those of the one before."""
        with torch.no_grad():
            columns = self._activations(torch.from_numpy(self.incoming))
            if self.above is not None:
                columns = (columns[:, None, :] * self.above[None]).flatten(0, 1)
        own = columns.numpy().T
        if len(own) == self.owned:
            return own
        whole = np.zeros((self.owned, own.shape[1]), order="F")
        whole[self.rows] = own
        return whole

    def moved(self, incoming: np.ndarray) -> "Candidates":
        """Other neurons of the same place."""
        return replace(self, incoming=np.ascontiguousarray(incoming))

    def pull_back(self, dual: np.ndarray) -> np.ndarray:
        """The derivative by `incoming` of a function whose derivative by `tangent` is `dual`, a block.

        This rank's share of it: the sum over the ranks is the derivative.
        """
        incoming = torch.from_numpy(self.incoming).requires_grad_()
        by_psi = torch.from_numpy(np.ascontiguousarray(dual[self.rows].T))
        if self.above is not None:
            by_psi = (by_psi.view(len(incoming), self.outgoing, -1) * self.above[None]).sum(dim=1)
        (self._activations(incoming) * by_psi).sum().backward()  # type: ignore[no-untyped-call]
        assert incoming.grad is not None
        return incoming.grad.numpy()

    def _activations(self, incoming: torch.Tensor) -> torch.Tensor:
        """ψ at the network's nodes, shape (count, nodes)."""
        psi, _ = self.function(incoming[:, :-1] @ self.below + incoming[:, -1:].contiguous(), None)
        return psi
