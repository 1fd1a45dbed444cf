"""Gaussian fields of Matérn's covariance, by powers of an elliptic operator."""

from __future__ import annotations

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
    lengths: ClassVar[tuple[float, ...]] = ()
    order = 2

    def __init__(self, space: CoefficientSpace, length: float, solver: SolverFactory) -> None:
        from app.prior import forms
        from app.prior.gram import Borrowed
        from app.prior.powers import Factor, power_gram
        from app.prior.terms import stiffness_term

        u, v = forms.arguments(space)
        gradients, square = forms.Gradients(space), forms.constant(space, length**2)
        form = square * gradients.product(u, v) * gradients.measure
        factor = Factor(form, [stiffness_term(space, square)])
        self._gram = power_gram(space, factor, self.order, solver, name=(space, length))
        self._lent = Borrowed(self._gram)

    def at(self, values: np.ndarray) -> InnerProduct:
        """R, whatever the owned nodal values."""
        return self._lent

    def close(self) -> None:
        """Close R."""
        self._gram.close()
