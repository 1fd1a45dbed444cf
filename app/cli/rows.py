"""The table of a sweep: a row for each run, from what the run has left."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.cli.exits import CONVERGED, INTERNAL, INTERRUPTED, STOPPED
from app.cli.grid import Job

QUANTITIES = (
    "relative_error", "misfit", "misfit_target", "energy", "parameters", "outer_iterations", "state_solves",
    "linear_solves", "work_units", "wall_seconds",
)  # fmt: skip
"""Columns of what a run's summary tells."""

TABLE = "sweep.csv"

Row = dict[str, Any]
"""The settings, `status`, `stop_reason`, the quantities, exit `code`, `folder` and `identity`."""


def begun(job: Job) -> Row:
    """The row of a run that has started."""
    return _row(job, {"status": "running", "stop_reason": "running"}, INTERRUPTED)


def row_of(job: Job, code: int) -> Row:
    """What a run has left."""
    summary = {} if code == 2 else _summary(job.folder / "summary.json")
    if code == INTERRUPTED and summary.get("stop_reason") != "interrupted":
        summary = {"status": "interrupted", "stop_reason": "interrupted"}
    elif not summary or code not in (CONVERGED, STOPPED, INTERRUPTED):
        summary = {"status": "failed", "stop_reason": f"exit code {code}"}
        code = INTERNAL if code in (CONVERGED, STOPPED) else code
    return _row(job, summary, code)


def read_rows(path: Path) -> list[Row]:
    """The rows of a table that are whole, none where there is no table."""
    from app.schema.files import fault

    if fault(path):
        return []
    rows = []
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows += [dict(row) for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return []
    return [row for row in rows if _is_whole(row)]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the table, or leave the one that was there as it was; no link is followed."""
    names = dict.fromkeys(name for row in rows for name in row)
    part = path.with_name(f"part-{path.name}")
    part.unlink(missing_ok=True)
    with part.open("x", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def number(value: object) -> float | None:
    """A cell, or a value of a summary, as a number; None where it is none."""
    try:
        return None if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _summary(path: Path) -> dict[str, Any]:
    """A run's summary, empty where there is none."""
    from app.schema.files import fault

    try:
        found = {} if fault(path) else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    words = ("status", "stop_reason")
    is_one = isinstance(found, dict) and all(isinstance(found.get(word), str) for word in words)
    return found if is_one else {}


def _row(job: Job, summary: Mapping[str, Any], code: int) -> Row:
    told = {name: summary[name] for name in ("status", "stop_reason")}
    told |= {name: _cell(summary.get(name)) for name in QUANTITIES}
    return {**dict(job.settings), **told, "code": code, "folder": job.folder.name, "identity": job.identity}


def _cell(value: object) -> object:
    """A number as it is, of those of several unknowns their root mean square, empty where there is none."""
    if isinstance(value, dict) and value:
        each = [number(part) for part in value.values()]
        return "" if None in each else math.hypot(*filter(None, each)) / len(each) ** 0.5
    return "" if number(value) is None else value


def _is_whole(row: Mapping[Any, Any]) -> bool:
    """Whether a row of a table is one of a sweep's."""
    if None in row or None in row.values() or not {"folder", "identity", "code", "stop_reason"} <= row.keys():
        return False
    told = [row.get(name, "") for name in QUANTITIES]
    return row["code"].removeprefix("-").isdecimal() and all(
        not each or number(each) is not None for each in told
    )
