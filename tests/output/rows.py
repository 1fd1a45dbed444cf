"""Rows of a history made up for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.flow import Record
from app.output import Row


def record(**changes: Any) -> Record:
    """An ordinary record, with changes."""
    ordinary: dict[str, Any] = {
        "iteration": 1, "coefficient": np.zeros(4), "energy": 200.0, "misfit": 160.0, "regularisation": 40.0,
        "parameters": 17, "widths": (4,), "weight": 2.0, "alignment": 0.75, "capture": 0.9, "vectors": 5,
        "complement": 3.0, "trials": 0, "inner_iterations": 7, "expansions": 0,
    }  # fmt: skip
    return Record(**(ordinary | changes))


def row(
    relative_error: float | None = 0.25,
    state_solves: int = 4,
    linear_solves: int = 19,
    inner_iterations: int = 7,
    seconds: float = 1.5,
    **changes: Any,
) -> Row:
    """A row of an ordinary record, with changes."""
    return Row(record(**changes), relative_error, state_solves, linear_solves, inner_iterations, seconds)
