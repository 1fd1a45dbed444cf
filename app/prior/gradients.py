"""Squares of a coefficient's gradient under an integral, also of one that is constant on each cell."""

from typing import Any

import ufl
from dolfinx import fem

from app.mesh.spaces import CoefficientSpace


class Gradients:
    """∫∇u·∇v as product(u, v) · measure.

    Of degree 0 it is Σ ∫ (u⁺ − u⁻)(v⁺ − v⁻)/d over the facets between cells, d the distance of their
    midpoints (the two-point flux of finite volumes, Eymard, Gallouët and Herbin 2000). Facets times d make up
    the domain's volume about `dimension` times, so that square(m) is |∇m|² in the mean.
    """

    def __init__(self, space: CoefficientSpace) -> None:
        mesh, dimension = space.domain.mesh, space.domain.dimension
        self._dimension, self._by_jumps = dimension, space.degree == 0
        self.measure: Any = ufl.dx(domain=mesh)
        if self._by_jumps:
            self.measure = ufl.dS(domain=mesh)
            middles = fem.Function(fem.functionspace(mesh, ("Discontinuous Lagrange", 0, (dimension,))))
            middles.interpolate(lambda x: x[:dimension])
            apart = ufl.jump(middles)
            self._distance = ufl.sqrt(ufl.dot(apart, apart))

    def product(self, u: Any, v: Any) -> Any:
        """∇u·∇v."""
        if self._by_jumps:
            return ufl.jump(u) * ufl.jump(v) / self._distance
        return ufl.inner(ufl.grad(u), ufl.grad(v))

    def square(self, m: Any) -> Any:
        """|∇m|², in the same places."""
        if self._by_jumps:
            return self._dimension * (ufl.jump(m) / self._distance) ** 2
        return ufl.inner(ufl.grad(m), ufl.grad(m))
