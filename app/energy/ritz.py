"""The energy of a variational problem, whose derivative is the residual of its equation."""

import numpy as np

from app.energy.variational import VariationalEnergy
from app.parallel import SolveFailed, gram
from app.pde.newton import newton
from app.prior.gram import GramMatrix


class Ritz:
    """E(u) of the nodal values at the rank's owned free nodes; residual and derivative are E′(u).

    Its inner product is the Hessian, so that the flow with the time step 1 is Newton's method in function
    space. Nothing is solved to evaluate it.
    """

    def __init__(self, energy: VariationalEnergy) -> None:
        self._energy = energy
        self._value = np.nan
        self._product: GramMatrix | None = None
        self._linearised: GramMatrix

    def residual(self, coefficient: np.ndarray) -> np.ndarray:
        """E′(u), shape (owned free nodes,); raises SolveFailed on all ranks where E or E′ overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._value = self._energy.value(coefficient)
            derivative = self._energy.derivative(coefficient)
            if not np.isfinite(self._value) or not np.isfinite(self._norm(derivative)):
                raise SolveFailed("found an energy or a derivative that is not finite")
        return derivative

    def misfit(self, residual: np.ndarray) -> float:
        """E(u) at the coefficient that was evaluated last, of either sign, alike on all ranks."""
        return self._value

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        """E′(u), a dual vector."""
        return residual

    def value(self, coefficient: np.ndarray) -> float:
        """E(u), alike on all ranks; what was evaluated last stays that."""
        return self._energy.value(coefficient)

    def half_square(self, coefficient: np.ndarray) -> float:
        """½E″(u)(u, u) of the whole function, values on the boundary included; alike on all ranks."""
        return self._energy.half_square(coefficient)

    def product(self, coefficient: np.ndarray) -> GramMatrix:
        """E″(u), until this is asked for the next; of a quadratic energy made once."""
        if self._product is not None and not self._energy.quadratic:
            self._product.close()
            self._product = None
        if self._product is None:
            self._product = self._energy.hessian(coefficient)
        return self._product

    def minimiser(self, start: np.ndarray) -> np.ndarray:
        """The finite-element solution, by Newton's method from `start`; raises SolveFailed."""
        return newton(
            start,
            self._energy.derivative,
            self._linearise,
            lambda right: self._linearised.riesz(right),
            self._norm,
        )

    def _linearise(self, coefficient: np.ndarray) -> None:
        self._linearised = self.product(coefficient)

    def _norm(self, vector: np.ndarray) -> float:
        return float(np.sqrt(gram(self._energy.comm, vector, vector)))
