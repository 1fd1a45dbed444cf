"""The energy of a variational problem, whose derivative is the residual of its equation."""

import numpy as np

from app.energy.variational import VariationalEnergy
from app.parallel import SolveFailed, gram
from app.pde.newton import newton
from app.prior.gram import GramMatrix


class Hessian:
    """E″(u) at one u, as an inner product for as long as it is held; its matrix and factorisation stay with
    the energy, which keeps those of one u and makes them again for another."""

    def __init__(self, energy: "Ritz", m: np.ndarray) -> None:
        self.comm = energy.comm
        self._energy, self._m = energy, m

    def apply(self, block: np.ndarray) -> np.ndarray:
        """E″ @ block."""
        return self._energy.hessian(self._m).apply(block)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """E″⁻¹ @ block."""
        return self._energy.hessian(self._m).riesz(block)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ E″ block."""
        return self._energy.hessian(self._m).square(block)


class RitzEvaluation:
    """E at one u, its derivative, which is the residual, and its Hessian."""

    def __init__(self, energy: "Ritz", m: np.ndarray, value: float, derivative: np.ndarray) -> None:
        self.m, self.value, self.residual = m, value, derivative
        self._energy = energy

    def derivative(self) -> np.ndarray:
        """E′(u), a dual vector of the owned free nodes."""
        return self.residual

    def hessian(self) -> Hessian:
        """E″(u); raises SolveFailed on all ranks unless it is definite."""
        self._energy.hessian(self.m)
        return Hessian(self._energy, self.m)


class Ritz:
    """E(u) of the nodal values at the rank's owned free nodes.

    Its inner product is the Hessian, so that the flow with the time step 1 is Newton's method in function
    space. Nothing is solved to evaluate it.
    """

    def __init__(self, energy: VariationalEnergy) -> None:
        self.comm = energy.comm
        self._energy = energy
        self._hessian: tuple[np.ndarray, GramMatrix] | None = None
        self._linearised: GramMatrix

    def at(self, m: np.ndarray, near: RitzEvaluation | None = None) -> RitzEvaluation:
        """E and E′ at u; raises SolveFailed on all ranks where one overflows. `near` plays no part."""
        with np.errstate(over="ignore", invalid="ignore"):
            value = self._energy.value(m)
            derivative = self._energy.derivative(m)
            if not np.isfinite(value) or not np.isfinite(self._norm(derivative)):
                raise SolveFailed("found an energy or a derivative that is not finite")
        return RitzEvaluation(self, m, value, derivative)

    def value(self, coefficient: np.ndarray) -> float:
        """E(u), alike on all ranks."""
        return self._energy.value(coefficient)

    def half_square(self, coefficient: np.ndarray) -> float:
        """½E″(u)(u, u) of the whole function, values on the boundary included; alike on all ranks."""
        return self._energy.half_square(coefficient)

    def hessian(self, coefficient: np.ndarray) -> GramMatrix:
        """E″(u); of a quadratic energy made once, else kept until one elsewhere is asked for."""
        if self._hessian is not None:
            known, product = self._hessian
            if self._energy.quadratic or known is coefficient:
                return product
            product.close()
            self._hessian = None
        self._hessian = coefficient, self._energy.hessian(coefficient)
        return self._hessian[1]

    def close(self) -> None:
        """Release the Hessian that is kept."""
        if self._hessian is not None:
            self._hessian[1].close()
        self._hessian = None

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
        self._linearised = self.hessian(coefficient)

    def _norm(self, vector: np.ndarray) -> float:
        return float(np.sqrt(gram(self._energy.comm, vector, vector)))
