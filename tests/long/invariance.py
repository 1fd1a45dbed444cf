"""Every equation and observation in every unit and every way that the domain may lie: `python
tests/long/invariance.py`.

Too long for the suite, which tries each pair with some of them (tests/problem/test_invariance.py). One line
each: the largest relative difference of error and misfit, and whether the decisions are the same.
"""

import sys
from itertools import product
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "problem")]

from test_invariance import PAIRS, TO_ROUNDING, TO_THE_MESH, UNITS, WAYS, as_it_is, found  # noqa: E402

import app  # noqa: E402, F401 - before anything numerical


def main() -> None:
    good = 0
    for (name, frame), (kind, read) in product({**UNITS, **WAYS}.items(), PAIRS):
        (numbers, decisions), (expected, same) = found(kind, read, frame), as_it_is(kind, read)
        keys = ["error"] if name in WAYS else list(numbers)
        apart = max(abs(numbers[key] / expected[key] - 1) for key in keys)
        alike = name in WAYS or decisions == same
        fine = alike and apart <= (TO_THE_MESH if name in WAYS else TO_ROUNDING)
        good += fine
        told = "" if alike else ", OTHER decisions"
        print(f"{kind}, {read}, {name}: {apart:.1e}{told}{'' if fine else ' NOT the same'}", flush=True)
    print(f"{good} of {len(PAIRS) * len({**UNITS, **WAYS})}")


if __name__ == "__main__":
    main()
