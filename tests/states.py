"""States of runs compared to the last bit, field by field, but for seconds and what need not be saved."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from app.flow import FlowState

if TYPE_CHECKING:
    from app.problem import Problem

UNSAVED = ("evaluation", "exact", "read")
"""What a state need not hold to be the same: it can be made again, or is of this process alone."""


def states_of(problem: "Problem") -> list[FlowState]:
    """The start and every state after it, to the end of the run; collective."""
    states = [problem.start()]
    while states[-1].stop_reason is None:
        states.append(problem.advance(states[-1]))
    return states


def bare(state: FlowState) -> FlowState:
    """The state without what need not be saved, as a file would have it."""
    return replace(state, evaluation=None, exact=None, read={}, notes=())


def assert_same(one: FlowState, other: FlowState, *, counts: bool = True) -> None:
    """Every field is the same to the last bit on this rank, seconds aside, and the work counted if asked."""
    if not counts:
        one, other = _uncounted(one), _uncounted(other)
    found = differences(one, other)
    assert not found, "\n".join(found)


def assert_close(one: FlowState, other: FlowState, rounding: float) -> None:
    """The same decisions, and energies, misfits and weights to a relative accuracy."""
    assert (one.stage, one.stop_reason, one.representation.widths) == (
        other.stage,
        other.stop_reason,
        other.representation.widths,
    )
    assert len(one.records) == len(other.records)
    for record, expected in zip(one.records, other.records, strict=True):
        for name in ("iteration", "widths", "parameters", "trials", "vectors", "expansions", "pruned"):
            assert getattr(record, name) == getattr(expected, name), (record.iteration, name)
        for name in ("energy", "misfit", "weight"):
            found, wanted = getattr(record, name), getattr(expected, name)
            assert (found is None) == (wanted is None)
            assert found is None or abs(found - wanted) <= rounding * abs(wanted), (record.iteration, name)


def _uncounted(state: FlowState) -> FlowState:
    return replace(state, spent={}, records=tuple(replace(record, spent={}) for record in state.records))


def differences(one: Any, other: Any, where: str = "state") -> list[str]:
    """Where two values differ, and how."""
    if one is other:
        return []
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        same = np.shape(one) == np.shape(other) and np.array_equal(one, other)
        return [] if same else [f"{where}: arrays differ by {_distance(one, other)}"]
    if type(one) is not type(other):
        return [f"{where}: {one!r}, {other!r}"]
    if hasattr(one, "widths") and hasattr(one, "jacobian"):  # a network: what it is made of, at θ alike
        return differences((one.widths, one.size), (other.widths, other.size), where)
    if is_dataclass(one):
        names = [field.name for field in fields(one) if field.name not in UNSAVED]
        return _all((getattr(one, name), getattr(other, name), f"{where}.{name}") for name in names)
    if isinstance(one, Mapping):
        kept = [
            {key: value for key, value in each.items() if "seconds" not in str(key)} for each in (one, other)
        ]
        if kept[0].keys() != kept[1].keys():
            return [f"{where}: {sorted(kept[0])}, {sorted(kept[1])}"]
        return _all((kept[0][key], kept[1][key], f"{where}[{key}]") for key in kept[0])
    if isinstance(one, Sequence) and not isinstance(one, str):
        if len(one) != len(other):
            return [f"{where}: {len(one)} entries, {len(other)}"]
        return _all((a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))
    return [] if one == other else [f"{where}: {one!r}, {other!r}"]


def _all(pairs: Any) -> list[str]:
    return [each for pair in pairs for each in differences(*pair)]


def _distance(one: Any, other: Any) -> str:
    if np.shape(one) != np.shape(other):
        return f"their shapes {np.shape(one)}, {np.shape(other)}"
    return f"{np.abs(np.asarray(one) - np.asarray(other)).max():.3g}"
