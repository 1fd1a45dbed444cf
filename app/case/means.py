"""The mean of a prior is the unknown's reference: said once, it holds for both."""

from __future__ import annotations

from typing import Any


def with_means(value: Any) -> Any:
    """What a case file says, with the means of its regularisations as references of unknowns that have none.

    What is no mapping is left to the fields' own validation.
    """
    if not isinstance(value, dict):
        return value
    unknowns, parts = value.get("unknowns"), value.get("regularisation")
    if not isinstance(unknowns, dict) or not isinstance(parts, dict):
        return value
    started = dict(unknowns)
    for name, part in parts.items():
        mean, unknown = part.get("mean") if isinstance(part, dict) else None, unknowns.get(name)
        if mean is not None and isinstance(unknown, dict) and unknown.get("reference") is None:
            started[name] = {**unknown, "reference": mean}
    return {**value, "unknowns": started}
