"""The misfit of a coefficient that the equation sees at more places than its nodes."""

import numpy as np

from app.energy.inverse import Forward, InverseProblem, Linearisation, Misfit


class PointMisfit[L: Linearisation](Misfit[L]):
    """½‖e‖² where J and the derivative have a row for each node and then one for each further point."""

    nodes = 0
    """How many of the owned rows are nodes."""
    model: Forward[L]
    """The forward map that it is of."""

    @property
    def m(self) -> np.ndarray:
        """Owned nodal values."""
        return self.forward.values[: self.nodes]


class PointProblem[L: Linearisation](InverseProblem[L]):
    """An inverse problem with a forward map of such coefficients; see InverseProblem."""

    nodes = 0
    """How many of the owned rows are nodes."""

    def at(self, m: np.ndarray, near: Misfit[L] | None = None) -> PointMisfit[L]:
        """See InverseProblem; `m` has a value for each row."""
        found = PointMisfit(self, self.forward.at(m, None if near is None else near.forward))
        found.nodes, found.model = self.nodes, self.forward
        return found
