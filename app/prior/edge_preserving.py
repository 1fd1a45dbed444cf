"""Smooth in between, with edges where the coefficient has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.prior.kinds import CandidateSpec, Parameter

if TYPE_CHECKING:
    from petsc4py import PETSc

    from app.mesh.spaces import CoefficientSpace, Function
    from app.prior.gram import GramMatrix, SolverFactory

EDGE_SHARE = Parameter(
    "edge_share", 0.3, "gradients above this share of their root mean square count as edges"
)


class EdgePreserving:
    """Lagged R = ∫ρ∇·∇ + ℓ⁻²∫··, ρ = β/√(|∇m|² + β²), β = edge_share · rms|∇m|; ρ = 1 where m is constant.

    Small gradients are smoothed and large ones kept, as in lagged-diffusivity total variation (Vogel and
    Oman 1996).
    """

    fixed = False
    share = 2.0
    finite = False
    parameters = (EDGE_SHARE,)
    considered = (CandidateSpec(share, {EDGE_SHARE.name: 0.1}),)
    lengths: ClassVar[tuple[float, ...]] = ()

    def __init__(
        self,
        space: CoefficientSpace,
        length: float,
        solver: SolverFactory,
        *,
        edge_share: float = EDGE_SHARE.default,
    ) -> None:
        import ufl
        from dolfinx import fem

        from app.prior import forms, terms

        self._space, self._solver, self._edge_share = space, solver, edge_share
        u, v = forms.arguments(space)
        self._m: Function = fem.Function(space.space)
        self._beta = forms.constant(space, 1.0)
        gradients = forms.Gradients(space)
        square = gradients.square(self._m)
        inverse_square = forms.constant(space, length**-2)
        rho = self._beta / ufl.sqrt(square + self._beta**2)
        form = rho * gradients.product(u, v) * gradients.measure + inverse_square * u * v * ufl.dx
        self._form, self._ufl = forms.compiled(form), form
        # ρ is constant on each affine cell where m is linear; else it is no polynomial.
        self._terms = [
            terms.Term(ufl.grad, rho, 0 if space.degree == 1 else None),
            terms.mass_term(space, inverse_square),
        ]
        self._square = forms.compiled(gradients.product(self._m, self._m) * gradients.measure)
        self._volume = forms.integral(space, fem.form(forms.constant(space, 1.0) * ufl.dx))

    def at(self, values: np.ndarray) -> GramMatrix:
        """R at these owned nodal values, which the caller closes."""
        from mpi4py import MPI

        from app.parallel import timed
        from app.prior import forms, roots
        from app.prior.gram import GramMatrix

        values = values.copy()
        self._space.assign(self._m, values)
        rms = np.sqrt(forms.integral(self._space, self._square) / self._volume)
        # A constant m, whose gradient is rounding only, has no scale: a huge β makes ρ = 1, the plain H1.
        largest = self._space.comm.allreduce(np.abs(values).max(initial=0.0), op=MPI.MAX)
        constant = rms * self._space.domain.diagonal <= 1e-10 * largest
        beta = 1e12 if constant else self._edge_share * rms
        self._beta.value = np.asarray(beta)
        with timed("assembly"):
            matrix = forms.assembled_matrix(self._space, self._form)

        def root(matrix: PETSc.Mat) -> roots.Root:
            self._space.assign(self._m, values)  # others may have been asked for since
            self._beta.value = np.asarray(beta)
            return roots.root_of(self._space, self._ufl, self._terms, matrix)

        return GramMatrix(self._space.comm, matrix, self._solver, root)

    def close(self) -> None:
        """Nothing is left: every R is its caller's."""
