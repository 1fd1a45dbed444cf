"""The inner product of several unknowns, block-diagonal, and the regularisations that are made of it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import symmetric_gram
from app.prior.inner_products import GramMatrix, PowerGram

Space = CoefficientSpace | CoefficientSpaces


class StackedInnerProduct:
    """K = diag(K₁/s₁², K₂/s₂², …) of unknowns that vary by about the scales s.

    An unknown in another unit, m → cm and s → cs, changes nothing.
    """

    def __init__(
        self, space: Space, products: Sequence[GramMatrix | PowerGram], scales: Sequence[float]
    ) -> None:
        self.comm = space.comm
        self._space, self._products, self._scales = space, products, scales

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""
        return self._each(block, lambda product, scale, rows: product.apply(rows) * scale**-2)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""
        return self._each(block, lambda product, scale, rows: product.riesz(rows) * scale**2)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""
        return symmetric_gram(self.comm, block, self.apply(block))

    def _each(self, block: np.ndarray, image: Callable[[Any, float, np.ndarray], np.ndarray]) -> np.ndarray:
        own = zip(self._products, self._scales, self._space.split(block), strict=True)
        return np.asfortranarray(np.concatenate([image(*part) for part in own]))


class StackedRegularisation:
    """The regularisations of several unknowns, of one kind, with the scale of each."""

    def __init__(self, space: Space, parts: Sequence[Any], scales: Sequence[float]) -> None:
        self.fixed = all(part.fixed for part in parts)
        self._space, self._parts, self._scales = space, parts, scales

    def at(self, values: np.ndarray) -> StackedInnerProduct:
        """R for an iteration that starts from these nodal values; earlier ones may become invalid."""
        own = zip(self._parts, self._space.split(values), strict=True)
        return StackedInnerProduct(self._space, [part.at(rows) for part, rows in own], self._scales)
