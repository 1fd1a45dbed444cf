"""Morozov's discrepancy principle: the weight with which the misfit is what it should be."""

from collections.abc import Callable

import numpy as np
from scipy import optimize

CLOSE = 1e-14
"""Error of a weight's logarithm, which is about 50 at the ends of the range: twice its rounding there."""

MOST = 3000
"""Steps at most; Brent's method takes no more than the square of those of bisection, which are 53 here."""


def weight_for(misfit: Callable[[float], float], level: float, low: float, high: float) -> tuple[float, bool]:
    """The weight between `low` and `high`, both positive, whose misfit meets `level`, and whether one does.

    The misfit rises with the weight. Where `low` misses the level it is the answer, or `high` if that is
    less; where `high` meets it, `high` is.
    """
    if misfit(low) > level:
        return min(low, high), False
    if high <= low or misfit(high) <= level:
        return high, True
    ends = np.log([low, high])
    found = optimize.brentq(lambda log: misfit(float(np.exp(log))) - level, *ends, xtol=CLOSE, maxiter=MOST)
    return min(float(np.exp(found)), high), True
