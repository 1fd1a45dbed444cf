"""Gaussian fields of Matérn's covariance, by powers of an elliptic operator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from app.prior.kinds import CandidateSpec, Parameter

if TYPE_CHECKING:
    import numpy as np

    from app.mesh.spaces import CoefficientSpace
    from app.prior.gram import InnerProduct, SolverFactory


class Bilaplacian:
    """R = F M⁻¹ F with F = ℓ²A + M: A stiffness, M lumped mass, ℓ the length (Bui-Thanh et al. 2013).

    The inverse is the covariance of a Matérn field of correlation length about ℓ: smooth below ℓ, free above.
    """

    fixed = True
    share = 0.2
    finite = True
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    considered = tuple(CandidateSpec(share) for share in (0.03, 0.05, 0.1, 0.2, 0.4))
    order = 2

    def __init__(self, space: CoefficientSpace, length: float, solver: SolverFactory) -> None:
        import ufl

        from app.prior import forms, roots, terms
        from app.prior.gram import Borrowed, GramMatrix, PowerGram

        u, v = forms.arguments(space)
        gradients, square = forms.Gradients(space), forms.constant(space, length**2)
        stiffness = square * gradients.product(u, v) * gradients.measure
        factor = forms.assembled_matrix(space, forms.compiled(stiffness))
        # Lumped by scaling the diagonal (Hinton, Rock and Zienkiewicz 1976): for linear elements the row
        # sums, which for higher ones are not positive.
        mass = forms.assembled_matrix(space, forms.compiled(u * v * ufl.dx))
        lumped, ones, diagonal = mass.getDiagonal(), mass.createVecRight(), factor.getDiagonal()
        ones.set(1.0)
        volume = mass.createVecLeft()
        mass.mult(ones, volume)
        lumped.scale(volume.sum() / lumped.sum())
        diagonal.axpy(1.0, lumped)
        factor.setDiagonal(diagonal)
        entries = lumped.array.copy()
        for done in (mass, lumped, ones, diagonal, volume):
            done.destroy()
        squares = [terms.stiffness_term(space, square)]
        root = partial(roots.root_of, space, stiffness, squares, lumped=entries)
        gram = GramMatrix(space.comm, factor, solver, root)
        mass_root = partial(roots.diagonal_root, space, entries)
        self._gram = PowerGram(gram, entries, self.order, (space, length), mass_root)
        self._lent = Borrowed(self._gram)

    def at(self, values: np.ndarray) -> InnerProduct:
        """R, whatever the owned nodal values."""
        return self._lent

    def close(self) -> None:
        """Close R."""
        self._gram.close()
