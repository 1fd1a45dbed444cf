"""The history of a run: one row an outer iteration, written to history.csv as it happens.

Beside it, of networks, expansions.csv with one row each time that they grow.
"""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mpi4py import MPI

from app.flow import FlowState, Record
from app.output.expansion import EXPANSION_COLUMNS, expansion_cells
from app.output.files import written
from app.parallel import on_root
from app.types import Described, Summary

WRITES = ("history.csv", "expansions.csv")
"""Names of the files, for whoever replaces them."""

COLUMNS = (
    "iteration", "energy", "misfit", "regularisation", "weight", "relative_error", "alignment",
    "capture", "vectors", "lambda", "trials", "width", "parameters", "state_solves",
    "linear_solves", "inner_iterations", "seconds", "grown", "gain_predicted", "gain_seen", "pruned",
)  # fmt: skip


def mean_error(record: Record) -> float | None:
    """The error against the truth; of several unknowns the root mean square of theirs."""
    error = record.relative_error
    if not isinstance(error, Mapping):
        return error
    return math.sqrt(sum(each**2 for each in error.values()) / len(error))


def spent_seconds(record: Record) -> float:
    """Seconds since the run's start."""
    return sum(spent for name, spent in record.spent.items() if name.startswith("seconds_"))


def cells(records: Sequence[Record], index: int) -> Summary:
    """Values of a record by column; None is an empty cell."""
    record = records[index]
    errors = record.relative_error if isinstance(record.relative_error, Mapping) else {}
    return {
        "iteration": record.iteration,
        "energy": record.energy,
        "misfit": record.misfit,
        "regularisation": record.regularisation,
        "weight": record.weight,
        "relative_error": mean_error(record),
        "alignment": record.alignment,
        "capture": record.capture,
        "vectors": record.vectors,
        "lambda": record.complement,
        "trials": record.trials,
        "width": sum(record.widths),
        "parameters": record.parameters,
        "state_solves": record.spent.get("state_solves", 0),
        "linear_solves": record.spent.get("linear_solves", 0),
        "inner_iterations": sum(each.inner_iterations for each in records[: index + 1]),
        "seconds": round(spent_seconds(record), 3),
        "grown": sum(each.neurons for each in record.growth),
        "gain_predicted": sum(each.predicted for each in record.growth),
        "gain_seen": sum(each.gained for each in record.growth),
        "pruned": record.pruned,
        **{f"relative_error_{name}": error for name, error in errors.items()},
    }


class History:
    """Writes history.csv, and of networks expansions.csv, as the run goes; on rank 0, the others do
    nothing."""

    def __init__(self, folder: Path, comm: MPI.Comm, names: Sequence[str] = ()) -> None:
        """`names` are those of several unknowns whose errors are known."""
        self._comm = comm
        self._path, self._growth = folder / "history.csv", folder / "expansions.csv"
        self._columns = [*COLUMNS, *(f"relative_error_{name}" for name in names)]
        self._written = 0

    def state(self, state: FlowState) -> None:
        """Write the records that are not written yet; collective. Raises OSError on all ranks."""
        on_root(self._comm, lambda: self._write(state.records))
        self._written = len(state.records)

    def _write(self, records: Sequence[Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed
        begun = self._written if self._path.is_file() else 0
        self._written = 0  # all are written anew if this fails
        rows = [cells(records, index) for index in range(begun, len(records))]
        _append(self._path, self._columns, rows, first=begun == 0)
        if records[-1].widths:
            new = [row for record in records[begun:] for row in expansion_cells(record)]
            _append(self._growth, EXPANSION_COLUMNS, new, first=begun == 0)


def _append(path: Path, columns: Sequence[str], rows: Sequence[Described], *, first: bool) -> None:
    if first:
        with written(path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        return
    before = path.stat().st_size
    try:
        with open(path, "a", newline="", opener=_no_link) as file:
            csv.DictWriter(file, columns).writerows(rows)
    except OSError:
        with suppress(OSError):
            os.truncate(path, before)  # no half of a row
        raise


def _no_link(path: str, flags: int) -> int:
    """Opens a file, and raises OSError for a link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
