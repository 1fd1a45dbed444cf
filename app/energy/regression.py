"""Half the square distance to a function f, ½‖m − f‖²_K."""

from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.parallel import gram


class Product(Protocol):
    """An inner product K of coefficients (app.prior.GramMatrix)."""

    comm: MPI.Comm

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""


class Regression:
    """E(m) = ½‖m − f‖²_K of owned nodal values; its residual is m − f, its Hessian K."""

    def __init__(self, product: Product, function: np.ndarray) -> None:
        """`function` has f's nodal values at the rank's owned nodes."""
        self._product, self._function = product, function

    def residual(self, coefficient: np.ndarray) -> np.ndarray:
        """m − f, shape (owned,)."""
        return coefficient - self._function

    def misfit(self, residual: np.ndarray) -> float:
        """½‖m − f‖²_K, alike on all ranks."""
        return 0.5 * float(gram(self._product.comm, residual, self._product.apply(residual)))

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        """K (m − f), a dual vector."""
        return self._product.apply(residual)

    def product(self, coefficient: np.ndarray) -> Product:
        """K, the same at every coefficient."""
        return self._product
