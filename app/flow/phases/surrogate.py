"""The misfit of the problem linearised at a coefficient: what it costs no solve to look at."""

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from app.flow.protocols import AnyEvaluation
from app.flow.state import Representation
from app.parallel import gram


@dataclass(frozen=True, eq=False)
class Surrogate:
    """½‖e₀ + J(m − m₀)‖², see app.flow.protocols.LeastSquares."""

    m0: np.ndarray
    e0: np.ndarray
    """The residual there, whole on every rank."""
    rows: np.ndarray
    """Jᵀ, a block (owned, readings)."""
    comm: MPI.Comm

    @staticmethod
    def of(at: AnyEvaluation, comm: MPI.Comm) -> "Surrogate":
        """At an evaluation, by one block of adjoint solves; collective."""
        rows = at.vjp(np.asfortranarray(np.eye(len(at.residual))))
        return Surrogate(at.m, at.residual, rows, comm)

    def at(self, own: Representation, near: object = None) -> "Linear":
        """The linearised misfit at a representation; collective."""
        m = own.values()
        return Linear(self, m, self.e0 + gram(self.comm, self.rows, m - self.m0))


@dataclass(frozen=True, eq=False)
class Linear:
    """What is known of it at one m."""

    of: Surrogate
    m: np.ndarray
    residual: np.ndarray

    @property
    def value(self) -> float:
        """½‖e‖²."""
        return 0.5 * float(self.residual @ self.residual)

    def derivative(self) -> np.ndarray:
        """Jᵀe, (owned,)."""
        return self.vjp(self.residual)

    def jvp(self, block: np.ndarray) -> np.ndarray:
        """J @ block."""
        return gram(self.of.comm, self.of.rows, block)

    def vjp(self, data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data."""
        dual: np.ndarray = self.of.rows @ data
        return dual
