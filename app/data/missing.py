"""Numbers that stand for a missing reading in the files of many loggers and programs."""

import numpy as np

SENTINELS = (-9999.0, -999.0, -999.25, -99999.0, -32768.0, 9999.0, 99999.0, 32767.0)
"""Those in use that are seldom a reading; besides all from HUGE on, such as 1e20, 1e30 and the largest number
there is."""

HUGE = 1e15

ENOUGH = 3
"""Other readings, of fewer of which nobody can tell how far they reach."""

FAR = 10.0
"""Such a number is no reading where it is outside of the others' range by more than this multiple of it."""


def stand_ins(values: np.ndarray) -> np.ndarray:
    """Numbers of the readings that stand for missing ones: in use for that, and far from all others."""
    known = np.isin(values, SENTINELS) | (np.abs(values) >= HUGE)
    others = values[~known]
    if not known.any() or len(others) < ENOUGH:
        return np.empty(0, dtype=int)
    low, high = others.min(), others.max()
    reach = FAR * max(high - low, np.finfo(float).eps * np.abs(others).max())
    result: np.ndarray = np.flatnonzero(known & ((values < low - reach) | (values > high + reach)))
    return result
