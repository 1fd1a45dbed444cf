"""What a forward map gives at one coefficient, and the count of its work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from app.pde.forward import ForwardModel


@dataclass
class Counts:
    """Work so far. A right-hand side is one vector solved with the state operator or its adjoint."""

    state_solves: int = 0
    state_rhs: int = 0
    adjoint_rhs: int = 0
    incremental_rhs: int = 0
    block_rhs: int = 0
    """Those solved several at once, tangent and adjoint alike."""
    recomputed_rhs: int = 0
    """States of a transient equation that were not kept and were solved for again."""
    factorisations: int = 0
    block_seconds: float = 0.0
    """Time of the tangents and adjoints of blocks, on this rank."""
    single_seconds: float = 0.0
    """Time of those of single vectors."""
    factorisation_seconds: float = 0.0
    """Time of the factorisations, on this rank."""
    state_seconds: float = 0.0
    """Time of the solves for states, those that are solved for again included."""

    @contextmanager
    def factorising(self) -> Iterator[None]:
        """Count and time what is done in it as a factorisation, also where it fails."""
        self.factorisations += 1
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.factorisation_seconds += time.perf_counter() - begun

    @contextmanager
    def solving(self, columns: int = 1) -> Iterator[None]:
        """Count and time what is done in it as a solve for a state with so many right-hand sides."""
        self.state_rhs += columns
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.state_seconds += time.perf_counter() - begun

    @property
    def linear_solves(self) -> int:
        """Every right-hand side."""
        single = self.state_rhs + self.adjoint_rhs + self.incremental_rhs
        return single + self.block_rhs + self.recomputed_rhs


@dataclass(frozen=True, eq=False)
class Linearisation:
    """The forward map at one coefficient m: readings, state, and J there, for as long as it is held.

    Operators and factorisation stay with the model, which keeps those of the linearisation that was last
    asked and makes them again for another.
    """

    model: "ForwardModel"
    values: np.ndarray
    """m, owned nodal values."""
    state: np.ndarray
    """Owned dofs of u(m), in time those at the end."""
    readings: np.ndarray
    """Shape (readings,), whole on every rank."""

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block: one incremental right-hand side a column."""
        return self.model.tangent(self, block)

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data: one incremental right-hand side a column, or an adjoint one if not `incremental`."""
        return self.model.adjoint(self, data, incremental=incremental)
