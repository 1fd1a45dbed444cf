"""Records and states made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.flow import FlowState, Record, Representation, StepState


def record(
    state_solves: int = 4, linear_solves: int = 19, seconds: dict[str, float] | None = None, **changes: Any
) -> Record:
    """An ordinary record, with changes; `seconds` by stage."""
    ordinary: dict[str, Any] = {
        "iteration": 1, "energy": 200.0, "misfit": 160.0, "regularisation": 40.0, "parameters": 17,
        "widths": (4,), "weight": 2.0, "alignment": 0.75, "capture": 0.9, "vectors": 5, "complement": 3.0,
        "trials": 0, "inner_iterations": 7, "expansions": 0, "relative_error": 0.25,
    }  # fmt: skip
    spent = {"state_solves": state_solves, "linear_solves": linear_solves}
    times = {f"seconds_{stage}": each for stage, each in (seconds or {"solve": 1.0, "other": 0.5}).items()}
    return Record(**(ordinary | {"spent": spent | times} | changes))


def state(records: Sequence[Record], **changes: Any) -> FlowState:
    """A run after these records."""
    own = Representation(None, np.zeros(3), 3)
    return FlowState("approach", own, StepState(), None, tuple(records), **changes)


def states(records: Sequence[Record]) -> list[FlowState]:
    """A run after each of them."""
    return [state(records[: index + 1]) for index in range(len(records))]
