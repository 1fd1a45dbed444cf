"""A sketch of J: its rows from one block of adjoint right-hand sides, or what matters of them from fewer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from app.flow.hat_matrix import HatMatrix
from app.flow.protocols import InnerProduct, LeastSquares
from app.method import SelectionMethod, SketchMethod
from app.parallel import gram

DEFAULT = SketchMethod()
SELECTION = SelectionMethod()


@dataclass(frozen=True)
class Sketch:
    """J ≈ QĴ at a coefficient, and the data of the linearised problem, y = J(m − m_ref) − e.

    The linearised problem is min ½‖y − QĴx‖² + ½w‖x‖²_R for x = m − m_ref.
    """

    rows: np.ndarray
    """Ĵᵀ, a block of k columns."""
    directions: np.ndarray
    """Q, shape (readings, k) with orthonormal columns, the same on all ranks."""
    data: np.ndarray
    """y, shape (readings,)."""
    complete: bool = True
    """Whether what it leaves out of J is faint."""
    blocks: tuple[int, ...] = ()
    """How many columns of the rows were taken at once, one block after the other."""

    def compressed(self, combinations: np.ndarray) -> "Sketch":
        """The sketch along orthonormal combinations of its directions, shape (k, fewer)."""
        return Sketch(
            np.asfortranarray(self.rows @ combinations),
            self.directions @ combinations,
            self.data,
            self.complete,
        )

    def together(self, groups: np.ndarray, sizes: np.ndarray) -> "Sketch":
        """The sketch of the weighted means of groups: of readings whose rows of J are parallel, with these
        norms, the one combination that J is seen in. `groups` numbers them, shape (readings,)."""
        square = np.bincount(groups, sizes**2)
        counts = np.bincount(groups)
        seen = square[groups] > 0
        shares = np.where(seen, sizes, 1.0) / np.sqrt(np.where(seen, square[groups], counts[groups]))
        numbers = np.arange(len(groups))
        P = csr_array((shares, (groups, numbers)), shape=(len(square), len(numbers)))
        directions, B = np.linalg.qr(P @ self.directions)
        return Sketch(np.asfortranarray(self.rows @ B.T), directions, P @ self.data, self.complete)


def take_sketch(
    evaluation: LeastSquares,
    R: InnerProduct,
    departure: np.ndarray,
    rng: np.random.Generator,
    method: SketchMethod = DEFAULT,
    selection: SelectionMethod = SELECTION,
) -> Sketch:
    """J at an evaluation's coefficient, where m − m_ref is `departure`; collective.

    Up to `most_rows` readings give all rows by one block of right-hand sides; of more a randomised range
    finder with a power iteration is made (Halko, Martinsson and Tropp 2011): Q spans JR⁻¹JᵀΞ for random Ξ,
    three right-hand sides a direction. It grows until J is faint in its weakest direction, against the weight
    that leave-one-out finds for R. Where that is out of reach the sketch is not `complete`: what Q leaves of
    the residual is then pursued by a Krylov space, two right-hand sides a direction.
    """
    residual = evaluation.residual
    readings = len(residual)
    if readings <= method.most_rows:
        Q = np.eye(readings)
        rows = _rows(evaluation, Q)
        return Sketch(rows, Q, gram(R.comm, rows, departure) - residual, blocks=(readings,))
    Q, rows, blocks = np.empty((readings, 0)), np.empty((len(departure), 0)), []
    while True:
        start = rng.standard_normal((readings, min(method.columns, readings - Q.shape[1])))
        if not Q.size:
            start[:, 0] = residual
        more = evaluation.jvp(R.riesz(evaluation.vjp(start)))
        for _ in range(2):  # twice is enough
            more = np.linalg.qr(more - Q @ (Q.T @ more))[0]
        Q = np.hstack([Q, more])
        rows = np.asfortranarray(np.hstack([rows, _rows(evaluation, more)]))
        blocks.append(more.shape[1])
        data = Q @ gram(R.comm, rows, departure) - residual
        hat = HatMatrix(gram(R.comm, rows, R.riesz(rows)), Q, data, selection)
        if Q.shape[1] == readings or hat.values[0] <= method.faint * hat.best_weight():
            return Sketch(rows, Q, data, blocks=tuple(blocks))
        if Q.shape[1] >= method.most_columns:
            return _pursued(evaluation, R, departure, Sketch(rows, Q, data, False, tuple(blocks)), method)


def retaken(evaluation: LeastSquares, directions: np.ndarray, blocks: Sequence[int]) -> np.ndarray:
    """The rows JᵀQ of a sketch's directions, taken in blocks as they were: then alike to the last bit."""
    ends = np.cumsum(blocks).tolist()
    parts = [
        _rows(evaluation, directions[:, end - size : end]) for end, size in zip(ends, blocks, strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return np.asfortranarray(np.hstack(parts))


def _rows(evaluation: LeastSquares, block: np.ndarray) -> np.ndarray:
    """Jᵀ @ block; one column is taken as a vector, since its last bits are not those of a block."""
    if block.shape[1] > 1:
        return evaluation.vjp(block)
    return evaluation.vjp(np.ascontiguousarray(block[:, 0]))[:, None]


def _pursued(
    evaluation: LeastSquares, R: InnerProduct, departure: np.ndarray, sketch: Sketch, method: SketchMethod
) -> Sketch:
    """The sketch with further directions, those of conjugate gradients for what it leaves of the residual.

    Without them all that is left would count as noise, and the weight be as large as that asks for.
    """
    residual = evaluation.residual
    Q, rows, blocks = sketch.directions, sketch.rows, list(sketch.blocks)
    left = residual - Q @ (Q.T @ residual)
    gradient = evaluation.vjp(left)
    for _ in range(method.pursued):
        new = evaluation.jvp(R.riesz(gradient))
        for _ in range(2):
            new = new - Q @ (Q.T @ new)
        size = np.linalg.norm(new)
        if not size > 0:
            break
        new = new / size
        row = evaluation.vjp(new)
        Q, rows = np.column_stack([Q, new]), np.column_stack([rows, row])
        blocks.append(1)
        share = new @ left
        left, gradient = left - share * new, gradient - share * row
    rows = np.asfortranarray(rows)
    return Sketch(rows, Q, Q @ gram(R.comm, rows, departure) - residual, False, tuple(blocks))
