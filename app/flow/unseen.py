"""What a sketch of J has left out and a step needs: directions of the data by conjugate gradients."""

import numpy as np

from app.flow.protocols import InnerProduct, LeastSquares
from app.method import SketchMethod
from app.parallel import gram

DEFAULT = SketchMethod()


def unseen_directions(
    evaluation: LeastSquares,
    R: InnerProduct,
    weight: float,
    seen: InnerProduct,
    rows: np.ndarray,
    directions: np.ndarray,
    derivative: np.ndarray,
    negligible: float,
    method: SketchMethod = DEFAULT,
) -> tuple[np.ndarray, np.ndarray]:
    """Further orthonormal directions Q' of the data and JᵀQ', for a step from `derivative`.

    `seen` is wR + JᵀQQᵀJ with the `directions` Q and the `rows` JᵀQ at the evaluation's coefficient.
    Conjugate gradients for (wR + JᵀJ)δ = −derivative, preconditioned by it, end when what is left promises no
    more than `negligible` or the share `small` of the whole; the data that their directions p lead to, Jp,
    are what is added. Two right-hand sides a direction. Q and Q' are whole on every rank, the others blocks.
    """
    rest = -derivative
    step = seen.riesz(rest)
    promise = first = float(gram(R.comm, rest, step))
    images: list[np.ndarray] = []
    products: list[np.ndarray] = []
    while len(images) < method.completed and 0.5 * promise > max(negligible, 0.5 * method.small * first):
        image = evaluation.jvp(step)
        product = evaluation.vjp(image)
        curved = weight * R.apply(step) + product
        curvature = float(gram(R.comm, step, curved))
        images.append(image / np.sqrt(curvature))
        products.append(product / np.sqrt(curvature))
        rest = rest - (promise / curvature) * curved
        steeper = seen.riesz(rest)
        before, promise = promise, float(gram(R.comm, rest, steeper))
        step = steeper + (promise / before) * step
    if not images:
        return np.empty((len(directions), 0)), np.empty((len(derivative), 0), order="F")
    Y, Z = np.stack(images, axis=1), np.stack(products, axis=1)
    overlap = directions.T @ Y
    new, sizes, rotation = np.linalg.svd(Y - directions @ overlap, full_matrices=False)
    kept = sizes > method.rank_cut * sizes[0]
    back = rotation[kept].T / sizes[kept]
    return new[:, kept], np.asfortranarray(Z @ back - rows @ (overlap @ back))
