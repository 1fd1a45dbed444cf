"""Recover unknown coefficients of partial differential equations by expansive natural gradient flows.

From Python: `from app import load_case, build, iterate, solve, load_result` (docs/python.md).
"""

import os
import sys

if sys.argv[:1] == ["-m"]:
    # `python -m app`, whose modules Python would look for in the working folder first: a file beside a case,
    # such as numpy.py, is none of them. What is imported above is there before that.
    sys.path[:] = [place for place in sys.path if os.path.realpath(place) != os.path.realpath(os.curdir)]

from typing import TYPE_CHECKING, Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    # One thread a rank unless the user says otherwise; BLAS reads these when it is first loaded.
    os.environ.setdefault(_variable, "1")

__version__ = "0.2.0"

if TYPE_CHECKING:
    from app.api import (
        Result,
        Solution,
        build,
        continue_from,
        iterate,
        load_case,
        load_result,
        load_state,
        solution,
        solve,
    )

__all__ = [
    "Result",
    "Solution",
    "__version__",
    "build",
    "continue_from",
    "iterate",
    "load_case",
    "load_result",
    "load_state",
    "solution",
    "solve",
]


def __getattr__(name: str) -> Any:
    """The names of app.api, which starts MPI, when they are first asked for."""
    if name in __all__:
        from app import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
