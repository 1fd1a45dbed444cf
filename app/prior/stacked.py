"""The inner product of several unknowns, block-diagonal, and the regularisations that are made of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing

import numpy as np

from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import symmetric_gram
from app.prior.gram import InnerProduct, Regularisation, Solutions
from app.prior.samples import draws

Space = CoefficientSpace | CoefficientSpaces


class StackedInnerProduct(AbstractContextManager["StackedInnerProduct"]):
    """K = diag(K₁/s₁², K₂/s₂², …) of unknowns that vary by about the scales s; it owns K₁, K₂, ….

    An unknown in another unit, m → cm and s → cs, changes nothing.
    """

    def __init__(self, space: Space, products: Sequence[InnerProduct], scales: Sequence[float]) -> None:
        self.comm, self.owned = space.comm, space.owned
        self._space, self._products, self._scales = space, products, scales

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""
        return self._each(block, lambda product, scale, rows: product.apply(rows) * scale**-2)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""
        return self._each(block, lambda product, scale, rows: product.riesz(rows) * scale**2)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""
        return symmetric_gram(self.comm, block, self.apply)

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ K⁻¹ block, the sum of those of K₁, K₂, …."""
        own = zip(self._products, self._scales, self._space.split(block), strict=True)
        squares = [product.dual_square(rows, solutions) * scale**2 for product, scale, rows in own]
        return np.sum(squares, axis=0)

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        """The diagonal of blockᵀ K⁻¹ block, the sum of those of K₁, K₂, …."""
        own = zip(self._products, self._scales, self._space.split(block), strict=True)
        return np.sum([product.dual_squares(rows) * scale**2 for product, scale, rows in own], axis=0)

    @property
    def noise(self) -> int:
        """Numbers of white noise of K₁, K₂, … together."""
        return sum(product.noise for product in self._products)

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """S @ noise with SSᵀ = K⁻¹, block by block."""
        ends = np.cumsum([product.noise for product in self._products])[:-1]
        own = zip(self._products, self._scales, np.split(noise, ends), strict=True)
        parts = [product.coloured(numbers) * scale for product, scale, numbers in own]
        return np.asfortranarray(np.concatenate(parts))

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws of N(0, K⁻¹), shape (owned, count)."""
        return draws(self.coloured, self.noise, rng, count)

    def variance(self) -> np.ndarray:
        """The diagonal of K⁻¹, that of K₁, K₂, … one after the other."""
        own = zip(self._products, self._scales, strict=True)
        return np.concatenate([product.variance() * scale**2 for product, scale in own])

    def close(self) -> None:
        """Close K₁, K₂, …."""
        for product in self._products:
            product.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each(
        self, block: np.ndarray, image: Callable[[InnerProduct, float, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        own = zip(self._products, self._scales, self._space.split(block), strict=True)
        return np.asfortranarray(np.concatenate([image(*part) for part in own]))


class StackedRegularisation:
    """The regularisations of several unknowns, of one kind, with the scale of each; it owns them."""

    def __init__(self, space: Space, parts: Sequence[Regularisation], scales: Sequence[float]) -> None:
        self.fixed = all(part.fixed for part in parts)
        self._space, self._parts, self._scales = space, parts, scales

    def at(self, values: np.ndarray) -> StackedInnerProduct:
        """R at these owned nodal values, which the caller closes."""
        own = zip(self._parts, self._space.split(values), strict=True)
        with ExitStack() as made:  # closes what there is where a later one fails
            products = [made.enter_context(closing(part.at(rows))) for part, rows in own]
            made.pop_all()
        return StackedInnerProduct(self._space, products, self._scales)

    def close(self) -> None:
        """Close those of each unknown."""
        for part in self._parts:
            part.close()
