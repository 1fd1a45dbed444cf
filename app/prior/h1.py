"""Square-integrable gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.prior.kinds import CandidateSpec, Parameter

if TYPE_CHECKING:
    import numpy as np

    from app.mesh.spaces import CoefficientSpace
    from app.prior.gram import InnerProduct, SolverFactory


class H1:
    """R = ∫∇·∇ + ℓ⁻²∫·· with the length ℓ, the same at every coefficient."""

    fixed = True
    share = 2.0
    finite = False
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    considered: ClassVar[tuple[CandidateSpec, ...]] = ()
    lengths: ClassVar[tuple[float, ...]] = ()

    def __init__(self, space: CoefficientSpace, length: float, solver: SolverFactory) -> None:
        from app.prior.gram import Borrowed
        from app.prior.inner_products import h1

        self._gram = h1(space, length, solver)
        self._lent = Borrowed(self._gram)

    def at(self, values: np.ndarray) -> InnerProduct:
        """R, whatever the owned nodal values."""
        return self._lent

    def close(self) -> None:
        """Close R."""
        self._gram.close()
