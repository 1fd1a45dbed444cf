"""The Gauss–Newton model from few right-hand sides: a Krylov basis V with Y = JV and Z = JᵀY.

Lanczos on R⁻¹JᵀJ with full re-orthogonalisation, in the R inner product; each vector costs one incremental
forward and one incremental adjoint right-hand side. docs/method.md derives it.
"""

from dataclasses import dataclass

import numpy as np

from app.flow.discrepancy import weight_for
from app.flow.protocols import InnerProduct, LeastSquares
from app.method import Krylov
from app.parallel import gram

DEFAULT = Krylov()


@dataclass(frozen=True)
class Basis:
    """V (R-orthonormal), RV, Y = JV, Z = JᵀY and R⁻¹Z, with the weight that the data chose or the user gave.

    V, RV, Z and R⁻¹Z are blocks; Y has shape (readings, vectors). `cautious` is λ, the smallest eigenvalue of
    YᵀY, the column of m − m_ref left out. `coefficients` c minimise the projected problem at `weight`.
    """

    V: np.ndarray
    RV: np.ndarray
    Y: np.ndarray
    Z: np.ndarray
    RinvZ: np.ndarray
    weight: float
    cautious: float
    coefficients: np.ndarray
    linear_misfit: float

    @property
    def size(self) -> int:
        count: int = self.V.shape[1]
        return count


class ProjectedProblem:
    """min over c of ½‖e + Yc‖² + ½w‖departure + Vc‖²_R, for every w at once.

    `drift` is Vᵀ R departure. Solved through the singular values of Y.
    """

    def __init__(self, Y: np.ndarray, residual: np.ndarray, drift: np.ndarray) -> None:
        self._Y, self._residual, self._drift = Y, residual, drift
        self.left, self.singular, right = np.linalg.svd(Y, full_matrices=False)
        self._rotation = right.T
        self._seen = self.left.T @ residual
        self._drift_rotated = right @ drift

    def coefficients(self, weight: float) -> np.ndarray:
        """c at a weight."""
        s = self.singular
        rotated = -(s * self._seen + weight * self._drift_rotated) / (s * s + weight)
        complement = self._drift - self._rotation @ self._drift_rotated
        result: np.ndarray = self._rotation @ rotated - complement
        return result

    def misfit(self, weight: float) -> float:
        """½‖e + Yc‖² at a weight; it rises with w where m − m_ref lies in the basis."""
        return 0.5 * float(np.sum((self._residual + self._Y @ self.coefficients(weight)) ** 2))

    @property
    def least_misfit(self) -> float:
        """½‖e + Yc‖² with next to no regularisation."""
        return self.misfit(1e-9 * self._largest)

    @property
    def _largest(self) -> float:
        return max(float(np.max(self.singular, initial=0.0)) ** 2, float(np.finfo(float).tiny))

    def weight_for(self, level: float, upper: float) -> tuple[float, bool]:
        """The weight, at most `upper`, whose misfit meets `level`, and whether some weight does."""
        return weight_for(self.misfit, level, 1e-9 * self._largest, min(upper, 1e9 * self._largest))


def build_basis(
    evaluation: LeastSquares,
    R: InnerProduct,
    departure: np.ndarray,
    level: float,
    given: float,
    method: Krylov = DEFAULT,
) -> Basis:
    """Basis at a coefficient for a given weight: stops when the linearised misfit meets `level` (Hanke's
    rule) or when a further vector brings little; `departure` is m − m_ref."""
    growing = _Growing(evaluation, R, departure, method)
    growing.add_gradient(growing.misfit_gradient + given * departure)
    decrease = 0.0
    while True:
        problem = growing.problem()
        c = problem.coefficients(given)
        previous, decrease = decrease, growing.decrease(c, given)
        met = problem.misfit(given) <= level
        little = growing.size > 1 and decrease - previous < method.enough * decrease
        if met or little or growing.full or not growing.add_gradient(growing.gradient(c, given)):
            return growing.finish(given, c, problem.misfit(given))


def build_basis_by_discrepancy(
    evaluation: LeastSquares,
    R: InnerProduct,
    departure: np.ndarray,
    level: float,
    upper: float,
    method: Krylov = DEFAULT,
    *,
    reachable: bool = True,
) -> Basis:
    """Basis and weight together: the linearised misfit meets `level`, and the equations hold well enough.

    `upper` bounds the weight (the previous one, when R is fixed). The first vector is m − m_ref, so that the
    penalty is exact within the basis, or R⁻¹Jᵀe while m is m_ref. Where the level need not be `reachable`,
    and a further vector brings little towards it, it becomes what the basis reaches and the share `enough` of
    the way back.
    """
    growing, misfit, enough = _Growing(evaluation, R, departure, method), evaluation.value, method.enough
    departed = growing.add(departure)
    if not departed:
        growing.add_gradient(growing.misfit_gradient)
    least = misfit
    while True:
        problem = growing.problem()
        before, least = least, problem.least_misfit
        if not reachable and least > level and before - least < enough * (misfit - least):
            level, reachable = least + enough * (misfit - least), True
        weight, met = problem.weight_for(level, upper)
        c = problem.coefficients(weight)
        gradient = growing.gradient(c, weight)
        held = met and growing.norm(gradient) < method.held * weight * growing.norm(growing.total(c))
        if held or growing.full or not growing.add_gradient(gradient):
            if not met and not reachable:  # the whole space is seen
                level, reachable = least + enough * (misfit - least), True
                continue
            return growing.finish(weight, c, problem.misfit(weight), skip_first=departed)


class _Growing:
    """The basis while it grows, in preallocated column-major blocks."""

    def __init__(
        self, evaluation: LeastSquares, R: InnerProduct, departure: np.ndarray, method: Krylov
    ) -> None:
        self.size = 0
        self._evaluation, self._R, self._departure, self._method = evaluation, R, departure, method
        self.misfit_gradient = R.riesz(evaluation.derivative())
        self._scale = self.norm(self.misfit_gradient)
        readings = len(evaluation.residual)
        limit, rows = min(method.max_vectors, readings + 1), len(departure)
        self._V, self._RV, self._Z, self._RinvZ = (np.zeros((rows, limit), order="F") for _ in range(4))
        self._Y = np.zeros((readings, limit))
        self._drift = np.zeros(limit)

    @property
    def full(self) -> bool:
        return self.size == self._V.shape[1]

    def add(self, vector: np.ndarray) -> bool:
        """Orthonormalise a vector and apply J and Jᵀ to it; False if it lies in the basis already."""
        k, comm = self.size, self._R.comm
        V, RV = self._V[:, :k], self._RV[:, :k]
        before = self.norm(vector)
        if not before > 0:
            return False
        vector = vector / before
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            vector = vector - V @ gram(comm, RV, vector)
        image = self._R.apply(vector)
        after = np.sqrt(gram(comm, vector, image))
        if not after > self._method.independent:
            return False
        self._V[:, k], self._RV[:, k] = vector / after, image / after
        self._Y[:, k] = self._evaluation.jvp(self._V[:, k])
        self._Z[:, k] = self._evaluation.vjp(self._Y[:, k])
        self._RinvZ[:, k] = self._R.riesz(self._Z[:, k])
        self._drift[k] = gram(comm, self._RV[:, k], self._departure)
        self.size += 1
        return True

    def add_gradient(self, vector: np.ndarray) -> bool:
        """`add` of a gradient of the energy, unless it is rounding."""
        return self.norm(vector) > self._method.negligible * self._scale and self.add(vector)

    def problem(self) -> ProjectedProblem:
        return ProjectedProblem(self._Y[:, : self.size], self._evaluation.residual, self._drift[: self.size])

    def total(self, c: np.ndarray) -> np.ndarray:
        """m − m_ref + Vc."""
        result: np.ndarray = self._departure + self._V[:, : self.size] @ c
        return result

    def gradient(self, c: np.ndarray, weight: float) -> np.ndarray:
        """R⁻¹ of the residual of the regularised equations at δ = Vc."""
        result: np.ndarray = self.misfit_gradient + self._RinvZ[:, : self.size] @ c + weight * self.total(c)
        return result

    def norm(self, vector: np.ndarray) -> float:
        """‖vector‖_R."""
        return float(np.sqrt(max(float(gram(self._R.comm, vector, self._R.apply(vector))), 0.0)))

    def decrease(self, c: np.ndarray, weight: float) -> float:
        """Decrease of the regularised linearised energy by δ = Vc."""
        Y, residual = self._Y[:, : self.size], self._evaluation.residual
        slope = Y.T @ residual + weight * self._drift[: self.size]
        return -float(slope @ c + 0.5 * np.sum((Y @ c) ** 2) + 0.5 * weight * c @ c)

    def finish(self, weight: float, c: np.ndarray, misfit: float, *, skip_first: bool = False) -> Basis:
        k = self.size
        Y = self._Y[:, :k]
        values = np.linalg.svd(Y[:, 1:] if skip_first and k > 1 else Y, compute_uv=False) ** 2
        kept = values[values > self._method.rank_cut**2 * values[0]] if np.any(values > 0) else np.zeros(1)
        return Basis(
            V=self._V[:, :k],
            RV=self._RV[:, :k],
            Y=Y,
            Z=self._Z[:, :k],
            RinvZ=self._RinvZ[:, :k],
            weight=weight,
            cautious=float(kept[-1]),
            coefficients=c,
            linear_misfit=misfit,
        )
