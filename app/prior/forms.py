"""What forms on a coefficient's space are written with, and how they become numbers and matrices."""

import app.wheel  # noqa: F401

# isort: split
from typing import Any

import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc

from app.mesh.spaces import CoefficientSpace
from app.parallel import timed


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


def arguments(space: CoefficientSpace) -> tuple[Any, Any]:
    """The functions u and v of a bilinear form."""
    return ufl.TrialFunction(space.space), ufl.TestFunction(space.space)


def constant(space: CoefficientSpace, value: float) -> Any:
    """A number in a form that is not compiled into it: else a form would be compiled for each value."""
    return fem.Constant(space.domain.mesh, value)


def compiled(form: ufl.Form) -> fem.Form:
    """The form with its code, which is generated where no process has done so before."""
    with timed("compile"):
        return fem.form(form)


def assembled_matrix(space: CoefficientSpace, form: fem.Form) -> Any:
    """A bilinear form between the free nodes of a space, as a PETSc matrix that the caller destroys."""
    matrix = fem_petsc.assemble_matrix(form)
    matrix.assemble()
    return space.submatrix(matrix)


def integral(space: CoefficientSpace, form: fem.Form) -> float:
    """A form without arguments, alike on all ranks."""
    return space.comm.allreduce(fem.assemble_scalar(form))
