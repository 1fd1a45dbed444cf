"""Orthogonal matching pursuit by inner products alone (Pati, Rezaiifar and Krishnaprasad 1993)."""

import numpy as np

DEPENDENT = 1e-9
"""A column of which less than this share, squared, is outside of the span of those chosen adds nothing."""


def pursued(products: np.ndarray, slopes: np.ndarray, count: int) -> tuple[list[int], np.ndarray]:
    """Numbers of the columns that lower ½xᵀGx − sᵀx most, one after the other, and by how much each does.

    `products` is G, shape (columns, columns), `slopes` is s; at most `count` columns, alike on all ranks.
    """
    left, slope, own = products.copy(), slopes.copy(), np.diag(products).copy()
    chosen: list[int] = []
    gained: list[float] = []
    for _ in range(min(count, len(slopes))):
        size = np.diag(left)
        fit = size > DEPENDENT * own
        gains = np.divide(slope**2, 2.0 * size, out=np.zeros_like(slope), where=fit)
        gains[chosen] = 0.0
        most = gains.max()
        if not most > 0:
            break
        best = int(np.argmax(np.round(gains / most, 9)))
        chosen.append(best)
        gained.append(float(gains[best]))
        column = left[:, best] / size[best]
        slope = slope - column * slope[best]
        left = left - np.outer(column, left[best])
    return chosen, np.array(gained)
