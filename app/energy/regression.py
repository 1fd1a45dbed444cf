"""Half the square distance to a function f, ½‖m − f‖²_K."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.parallel import gram


class Product(Protocol):
    """An inner product K of coefficients (app.prior.GramMatrix)."""

    @property
    def comm(self) -> MPI.Comm:
        """Ranks over which coefficients are spread."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""


@dataclass(frozen=True, eq=False)
class Distance:
    """½‖m − f‖²_K at one m."""

    m: np.ndarray
    residual: np.ndarray
    """m − f, shape (owned,)."""
    product: Product

    @cached_property
    def _image(self) -> np.ndarray:
        return self.product.apply(self.residual)

    @cached_property
    def value(self) -> float:
        """½‖m − f‖²_K, alike on all ranks."""
        return 0.5 * float(gram(self.product.comm, self.residual, self._image))

    def derivative(self) -> np.ndarray:
        """K (m − f), a dual vector."""
        return self._image

    def hessian(self) -> Product:
        """K, the same at every m; the energy owns it."""
        return self.product


class Regression:
    """E(m) = ½‖m − f‖²_K of owned nodal values; its residual is m − f, its Hessian K."""

    def __init__(self, product: Product, function: np.ndarray) -> None:
        """`function` has f's nodal values at the rank's owned nodes."""
        self._product, self._function = product, function

    def at(self, m: np.ndarray, near: Distance | None = None) -> Distance:
        """The distance at m; nothing is solved, and `near` plays no part."""
        return Distance(m, m - self._function, self._product)
