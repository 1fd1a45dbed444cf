"""The flow matrix G = DᵀKD: function-space gradients to parameter updates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from app.flow.protocols import InnerProduct
from app.method import FlowMatrixMethod
from app.parallel import gram, let_go, timed

DEFAULT = FlowMatrixMethod()


@dataclass(frozen=True)
class Direction:
    """A direction in parameter space, v = −(G + εI)⁻¹Dᵀr, with what the solve says of itself."""

    step: np.ndarray
    slope: float
    """rᵀDv, the derivative of the energy along it; negative."""
    damping: float
    """ε."""
    rank: int
    """Eigenvalues of G above the cut."""
    alignment: float
    """cos²a, see FlowMatrix.alignment."""


class FlowMatrix:
    """G = DᵀKD for a Jacobian D (a block of P columns) and an inner product K.

    KD is made strip by strip, each a product of K's sparse matrix with columns of D over all ranks, and never
    whole; G, one reduction, is dense, P × P and the same on every rank.
    """

    def __init__(self, jacobian: np.ndarray, inner: InnerProduct, method: FlowMatrixMethod = DEFAULT) -> None:
        self.jacobian = jacobian
        self.method = method
        self.inner = inner
        self.comm = inner.comm
        let_go()
        with timed("flow_matrix"):
            self._G = inner.square(jacobian)

    @property
    def size(self) -> int:
        return len(self._G)

    def to_dense(self) -> np.ndarray:
        """G, shape (P, P)."""
        return self._G

    def __matmul__(self, parameters: np.ndarray) -> np.ndarray:
        result: np.ndarray = self._G @ parameters
        return result

    def pull_back(self, dual: np.ndarray) -> np.ndarray:
        """Dᵀ dual: a derivative in function space to one in parameter space."""
        return gram(self.comm, self.jacobian, dual)

    def pseudo_solve(self, right: np.ndarray) -> np.ndarray:
        """G⁺ right."""
        values, vectors = self._kept
        result: np.ndarray = vectors @ ((vectors.T @ right).T / values).T
        return result

    def damped(self, damping: float) -> Callable[[np.ndarray], np.ndarray]:
        """right ↦ (G + damping I)⁻¹ right by Cholesky; raises numpy.linalg.LinAlgError if that fails."""
        shifted = self._G + damping * np.eye(self.size)
        factor = linalg.cho_factor(shifted, overwrite_a=True)
        return lambda right: linalg.cho_solve(factor, right)

    def damped_solve(self, right: np.ndarray, damping: float) -> np.ndarray:
        """(G + damping I)⁻¹ right; raises numpy.linalg.LinAlgError as `damped` does."""
        return self.damped(damping)(right)

    def solve(self, derivative: np.ndarray, gradient: np.ndarray) -> Direction:
        """The natural direction for a derivative r whose gradient K⁻¹r is known (for the alignment)."""
        pulled = self.pull_back(derivative)
        damping = self.method.damping * np.trace(self._G) / self.size
        try:
            step = -self.damped_solve(pulled, damping)
        except np.linalg.LinAlgError:  # rounding left G + εI indefinite
            step = -self.pseudo_solve(pulled)
        return Direction(
            step,
            float(pulled @ step),
            damping,
            len(self._kept[0]),
            self.alignment(derivative, gradient),
        )

    def alignment(self, derivative: np.ndarray, gradient: np.ndarray) -> float:
        """cos²a = (rᵀDG⁺Dᵀr) / (rᵀK⁻¹r) in [0, 1]: the tangent space's share of the ideal decrease."""
        pulled = self.pull_back(derivative)
        ideal = float(gram(self.comm, derivative, gradient))
        return float(pulled @ self.pseudo_solve(pulled)) / ideal if ideal > 0 else 1.0

    @cached_property
    def _kept(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and vectors of the scaled G that G⁺ keeps; the scale is in the vectors.

        The tangent space does not depend on the parameters' units, and with unit diagonal neither does
        what counts as zero in it.
        """
        diagonal = np.diag(self._G)
        scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        values, vectors = np.linalg.eigh(scale[:, None] * self._G * scale)
        kept = values > self.method.cut * max(values[-1], np.finfo(float).tiny)
        return values[kept], scale[:, None] * vectors[:, kept]
