"""Parametric families of states: quadrature and inner product over the parameters, snapshots, POD.

A function of the coordinates and the parameters is known by its nodal values at some values μ_1, …, μ_S of
the parameters, the samples: as a block of shape (owned, S), the nodes spread over the ranks and all samples
on each, or as one vector of its columns one after the other.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.polynomial.legendre import leggauss
from slepc4py import SLEPc

from app.mesh.rows import empty_rows
from app.mesh.spaces import CoefficientSpace, interpolated
from app.parallel import SolveFailed, dense_matrix, gram, symmetric_gram
from app.pde.forward import ForwardModel
from app.pde.transient import TransientModel
from app.prior.gram import GramMatrix

ROUNDING = 1e-13
"""Share of the largest singular value below which others count as rounding."""


class SampleFailed(SolveFailed):
    """There is no state at the sample of this `index`."""

    def __init__(self, index: int, cause: SolveFailed) -> None:
        super().__init__(str(cause))
        self.index = index


def gauss_legendre(
    intervals: Sequence[tuple[float, float]], points: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the tensor product of Gauss's rules on intervals: shapes (S, intervals) and (S,).

    The weights are those of a mean: they are positive and add up to one.
    """
    rules = [leggauss(count) for count in points]
    scaled = [
        low + 0.5 * (high - low) * (nodes + 1.0)
        for (low, high), (nodes, _) in zip(intervals, rules, strict=True)
    ]
    grid = np.stack(np.meshgrid(*scaled, indexing="ij"), axis=-1).reshape(-1, len(rules))
    weights = np.ones(1)
    for _, own in rules:
        weights = np.multiply.outer(weights, 0.5 * own).ravel()
    return grid, weights


class ParametricProduct:
    """W ⊗ K, ⟨u, v⟩ = Σ_s w_s u(μ_s)ᵀ K v(μ_s), of the vectors described above; never formed.

    Blocks have shape (S · owned, columns): for each sample, the rank's owned rows.
    """

    def __init__(self, inner: GramMatrix, weights: np.ndarray) -> None:
        """`inner` is K; `weights`, shape (S,), are positive and the same on all ranks."""
        self.comm = inner.comm
        self._inner, self._weights = inner, weights

    def apply(self, block: np.ndarray) -> np.ndarray:
        """(W ⊗ K) @ block."""
        return self._scaled(self._by_sample(self._inner.apply, block), self._weights)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """(W ⊗ K)⁻¹ @ block."""
        return self._scaled(self._by_sample(self._inner.riesz, block), 1.0 / self._weights)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ (W ⊗ K) block."""
        return symmetric_gram(self.comm, block, self.apply)

    def norm(self, vector: np.ndarray) -> float:
        """The root of vectorᵀ (W ⊗ K) vector, alike on all ranks."""
        return float(np.sqrt(gram(self.comm, vector, self.apply(vector))))

    def _by_sample(self, act: Callable[[np.ndarray], np.ndarray], block: np.ndarray) -> np.ndarray:
        """Of a column-major block all samples are columns of one wider block, in the same memory."""
        wide = self._wide(block)
        return np.asfortranarray(act(wide)).reshape(block.shape, order="F")

    def _scaled(self, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Each sample's rows times a number; in place, as the block is new."""
        wide = self._wide(block)
        wide *= np.tile(weights, wide.shape[1] // len(weights))
        return block

    def _wide(self, block: np.ndarray) -> np.ndarray:
        """Shape (owned, S · columns)."""
        owned, columns = len(block) // len(self._weights), block.shape[1] if block.ndim > 1 else 1
        return np.asfortranarray(block).reshape((owned, len(self._weights) * columns), order="F")


def snapshots(
    forward: ForwardModel, space: CoefficientSpace, coefficients: Sequence[np.ndarray]
) -> np.ndarray:
    """States of a scalar equation at the coefficients (owned nodal values), in time those at the end.

    Interpolated in `space`: shape (owned, S), column-major. Raises SampleFailed on all ranks alike.
    """
    nothing = empty_rows(forward.space, 0)
    if isinstance(forward, TransientModel):
        forward.observe_at(nothing, np.empty(0))
    else:
        forward.observe_with(nothing)
    states = np.empty((space.owned, len(coefficients)), order="F")
    for index, values in enumerate(coefficients):
        try:
            found = forward.at(values)
        except SolveFailed as cause:
            raise SampleFailed(index, cause) from None
        states[:, index] = space.nodal(interpolated(forward.function(found), space.space))
    return states


class OrthogonalDecomposition:
    """Proper orthogonal decomposition of weighted snapshots in an inner product K.

    The modes, shape (owned, count), are K-orthonormal; `singular_values`, shape (count,), are those of
    K^½ X W^½ with the snapshots X, largest first, as far as they are more than rounding.
    """

    def __init__(self, snapshots: np.ndarray, inner: GramMatrix, weights: np.ndarray) -> None:
        basis, triangle = _orthonormalised(snapshots * np.sqrt(weights), inner)
        left, values, _ = np.linalg.svd(triangle, full_matrices=False)
        kept = values > ROUNDING * values[0]
        self.singular_values = values[kept]
        self.modes = basis @ left[:, kept]

    def projected(self, block: np.ndarray, count: int, inner: GramMatrix) -> np.ndarray:
        """The best approximations of the columns of a block by the first `count` modes in an inner product,
        which need not be that of the modes."""
        modes = np.asfortranarray(self.modes[:, :count])
        image = inner.apply(modes)
        return modes @ np.linalg.solve(gram(inner.comm, modes, image), gram(inner.comm, image, block))


def _orthonormalised(block: np.ndarray, inner: GramMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Q and R with block = QR and K-orthonormal columns of Q, by Gram and Schmidt's method, each step twice.

    R, shape (columns of Q, columns), is the same on all ranks; a column that depends on those before it, but
    for rounding, adds none to Q. Column by column, since SLEPc's methods for whole blocks take a length from
    the difference of two squares: of a dependent column it is then 1e-8 in place of rounding.
    """
    comm, columns = inner.comm, block.shape[1]
    least = ROUNDING * np.sqrt(np.diag(inner.square(block)).max())
    source = dense_matrix(comm, np.array(block, order="F"))
    basis = SLEPc.BV().createFromMat(source)
    basis.setType(SLEPc.BV.Type.SVEC)
    basis.setMatrix(inner.matrix, False)
    basis.setOrthogonalization(SLEPc.BV.OrthogType.CGS, SLEPc.BV.OrthogRefineType.ALWAYS)
    lengths = np.empty(columns)
    for j in range(columns):
        lengths[j], _ = basis.orthogonalizeColumn(j)
        basis.scaleColumn(j, 1.0 / lengths[j] if lengths[j] > least else 0.0)
    made = basis.createMat()
    Q = np.asfortranarray(made.getDenseArray()[:, lengths > least])
    for done in (made, basis, source):
        done.destroy()
    return Q, gram(comm, inner.apply(Q), block)
