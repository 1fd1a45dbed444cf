"""One look at J: its rows from one block of adjoint right-hand sides, or what matters of them from fewer."""

from dataclasses import dataclass

import numpy as np

from app.flow.protocols import InnerProduct, LeastSquares
from app.flow.smoother import Smoother
from app.parallel import gram

MOST_ROWS = 1500
"""More readings than this are looked at through random combinations of them."""

SKETCH, SKETCH_LIMIT = 32, 384
"""Combinations of readings that are taken at once until they are enough, and at most."""

FAINT = 3.0
"""They are enough when J is fainter in the weakest one than this multiple of the weight."""

PURSUED = 32
"""Directions that are added, where that was not reached, after what is left of the data."""


@dataclass(frozen=True)
class Look:
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

    def compressed(self, combinations: np.ndarray) -> "Look":
        """The look along orthonormal combinations of its directions, shape (k, fewer)."""
        return Look(
            np.asfortranarray(self.rows @ combinations),
            self.directions @ combinations,
            self.data,
            self.complete,
        )


def take_look(
    energy: LeastSquares,
    R: InnerProduct,
    residual: np.ndarray,
    departure: np.ndarray,
    rng: np.random.Generator,
) -> Look:
    """J at the coefficient that was evaluated last, where the residual is e and m − m_ref is `departure`.

    Up to MOST_ROWS readings give all rows by one block of right-hand sides; more are looked at by a
    randomised range finder with a power iteration (Halko, Martinsson and Tropp 2011): Q spans JR⁻¹JᵀΞ for
    random Ξ, three right-hand sides a direction. It grows until J is faint in its weakest direction, against
    the weight that leave-one-out finds for R. Where that is out of reach the look is not `complete`: what Q
    leaves of the residual is then pursued by a Krylov space, two right-hand sides a direction.
    """
    readings = len(residual)
    if readings <= MOST_ROWS:
        Q = np.eye(readings)
        rows = energy.adjoint(Q)
        return Look(rows, Q, gram(R.comm, rows, departure) - residual)
    Q, rows = np.empty((readings, 0)), np.empty((len(departure), 0))
    while True:
        start = rng.standard_normal((readings, SKETCH))
        if not Q.size:
            start[:, 0] = residual
        more = energy.tangent(R.riesz(energy.adjoint(start)))
        for _ in range(2):  # twice is enough
            more = np.linalg.qr(more - Q @ (Q.T @ more))[0]
        Q = np.hstack([Q, more])
        rows = np.asfortranarray(np.hstack([rows, energy.adjoint(more)]))
        look = Look(rows, Q, Q @ gram(R.comm, rows, departure) - residual)
        smoother = Smoother(gram(R.comm, rows, R.riesz(rows)), Q, look.data)
        if smoother.values[0] <= FAINT * smoother.best_weight():
            return look
        if Q.shape[1] >= SKETCH_LIMIT:
            return _pursued(energy, R, residual, departure, look)


def _pursued(
    energy: LeastSquares, R: InnerProduct, residual: np.ndarray, departure: np.ndarray, look: Look
) -> Look:
    """The look with further directions, those of conjugate gradients for what it leaves of the residual.

    Without them all that is left would count as noise, and the weight be as large as that asks for.
    """
    Q, rows = look.directions, look.rows
    left = residual - Q @ (Q.T @ residual)
    gradient = energy.adjoint(left)
    for _ in range(PURSUED):
        new = energy.tangent(R.riesz(gradient))
        for _ in range(2):
            new = new - Q @ (Q.T @ new)
        size = np.linalg.norm(new)
        if not size > 0:
            break
        new = new / size
        row = energy.adjoint(new)
        Q, rows = np.column_stack([Q, new]), np.column_stack([rows, row])
        share = new @ left
        left, gradient = left - share * new, gradient - share * row
    rows = np.asfortranarray(rows)
    return Look(rows, Q, Q @ gram(R.comm, rows, departure) - residual, complete=False)
