"""A coefficient that is its own parameters: the finite-element nodal values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Nodal:
    """m(θ) = θ, the rank's owned nodal values; unlike a network's, θ is spread over the ranks as m is.

    Its tangent space is the whole space, so the flow takes the ideal step: no Jacobian, no inner steps, no
    growth.
    """

    reference: np.ndarray
    size: int

    def start(self) -> np.ndarray:
        """θ at the reference coefficient."""
        return self.reference.copy()
