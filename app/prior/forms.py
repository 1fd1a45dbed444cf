"""What forms on a coefficient's space are written with, and how they become numbers and matrices."""

import app.wheel  # noqa: F401

# isort: split
import numpy as np
import ufl
from dolfinx import fem
from petsc4py import PETSc
from ufl.core.expr import Expr

from app.mesh import assembled
from app.mesh.spaces import CoefficientSpace
from app.parallel import timed

type Form = fem.Form[np.float64]
"""A form with its code."""


class Gradients:
    """∫∇u·∇v as product(u, v) · measure.

    Of degree 0 it is Σ ∫ (u⁺ − u⁻)(v⁺ − v⁻)/d over the facets between cells, d the distance of their
    midpoints (the two-point flux of finite volumes, Eymard, Gallouët and Herbin 2000). Facets times d make up
    the domain's volume about `dimension` times, so that square(m) is |∇m|² in the mean.
    """

    def __init__(self, space: CoefficientSpace) -> None:
        mesh, dimension = space.domain.mesh, space.domain.dimension
        self._dimension, self._by_jumps = dimension, space.degree == 0
        self.measure: ufl.Measure = ufl.dx(domain=mesh)
        if self._by_jumps:
            self.measure = ufl.dS(domain=mesh)
            middles = fem.Function(fem.functionspace(mesh, ("Discontinuous Lagrange", 0, (dimension,))))
            middles.interpolate(lambda x: x[:dimension])
            apart = ufl.jump(middles)
            self._distance = ufl.sqrt(ufl.dot(apart, apart))

    def product(self, u: Expr, v: Expr) -> Expr:
        """∇u·∇v."""
        product: Expr
        if self._by_jumps:
            product = ufl.jump(u) * ufl.jump(v) / self._distance
        else:
            product = ufl.inner(ufl.grad(u), ufl.grad(v))
        return product

    def square(self, m: Expr) -> Expr:
        """|∇m|², in the same places."""
        square: Expr
        if self._by_jumps:
            square = self._dimension * (ufl.jump(m) / self._distance) ** 2
        else:
            square = ufl.inner(ufl.grad(m), ufl.grad(m))
        return square


def arguments(space: CoefficientSpace) -> tuple[Expr, Expr]:
    """The functions u and v of a bilinear form."""
    return ufl.TrialFunction(space.space), ufl.TestFunction(space.space)


def constant(space: CoefficientSpace, value: float) -> fem.Constant[np.float64]:
    """A number in a form that is not compiled into it: else a form would be compiled for each value."""
    return fem.Constant(space.domain.mesh, value)


def compiled(form: ufl.Form) -> Form:
    """The form with its code, which is generated where no process has done so before."""
    with timed("compile"):
        made: Form = fem.form(form)
    return made


def assembled_matrix(space: CoefficientSpace, form: Form) -> PETSc.Mat:
    """A bilinear form between the free nodes of a space, as a PETSc matrix that the caller destroys."""
    matrix = assembled(form)
    free: PETSc.Mat = space.submatrix(matrix)
    return free


def integral(space: CoefficientSpace, form: Form) -> float:
    """A form without arguments, alike on all ranks."""
    return float(space.comm.allreduce(fem.assemble_scalar(form)))
