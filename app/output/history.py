"""The history of a run: one row an outer iteration, written to history.csv as it happens.

Beside it, of networks, expansions.csv with one row each time that they grow.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mpi4py import MPI

from app.flow import Choice, Record
from app.output.choice import choice_lines
from app.output.expansion import EXPANSION_COLUMNS, expansion_cells
from app.parallel import on_root, seconds, timed

COLUMNS = (
    "iteration", "energy", "misfit", "regularisation", "weight", "relative_error", "alignment",
    "capture", "vectors", "lambda", "trials", "width", "parameters", "state_solves",
    "linear_solves", "inner_iterations", "seconds", "grown", "gain_predicted", "gain_seen", "merged",
)  # fmt: skip


class Work(Protocol):
    """Counts of solves so far (app.pde.Counts)."""

    state_solves: int

    @property
    def linear_solves(self) -> int:
        """Right-hand sides so far."""


@dataclass(frozen=True)
class Row:
    """A record with what only the run knows: the error against a truth, the work and the time so far."""

    record: Record
    relative_error: float | Mapping[str, float] | None
    """Of several unknowns one for each name whose truth is known."""
    state_solves: int
    linear_solves: int
    inner_iterations: int
    seconds: float

    @property
    def mean_error(self) -> float | None:
        """The error; of several unknowns the root mean square of theirs."""
        if not isinstance(self.relative_error, Mapping):
            return self.relative_error
        return math.sqrt(sum(error**2 for error in self.relative_error.values()) / len(self.relative_error))

    def cells(self) -> dict[str, Any]:
        """Values by column; None is an empty cell."""
        record = self.record
        errors = self.relative_error if isinstance(self.relative_error, Mapping) else {}
        return {
            "iteration": record.iteration,
            "energy": record.energy,
            "misfit": record.misfit,
            "regularisation": record.regularisation,
            "weight": record.weight,
            "relative_error": self.mean_error,
            "alignment": record.alignment,
            "capture": record.capture,
            "vectors": record.vectors,
            "lambda": record.complement,
            "trials": record.trials,
            "width": sum(record.widths),
            "parameters": record.parameters,
            "state_solves": self.state_solves,
            "linear_solves": self.linear_solves,
            "inner_iterations": self.inner_iterations,
            "seconds": round(self.seconds, 3),
            "grown": sum(each.neurons for each in record.growth),
            "gain_predicted": sum(each.predicted for each in record.growth),
            "gain_seen": sum(each.gained for each in record.growth),
            "merged": record.merged,
            **{f"relative_error_{name}": error for name, error in errors.items()},
        }


class Listener(Protocol):
    """Is shown each row, on rank 0 only."""

    def row(self, row: Row) -> None: ...
    def note(self, message: str) -> None: ...


class History:
    """The flow's observer: makes rows of records on all ranks; rank 0 writes them and tells a listener."""

    def __init__(
        self,
        comm: MPI.Comm,
        path: Path,
        work: Callable[[], Work],
        error: Callable[[Any], float | Mapping[str, float]] | None,
        listener: Listener,
        names: Sequence[str] = (),
    ) -> None:
        """`names` are those of several unknowns whose errors are known."""
        self._columns = [*COLUMNS, *(f"relative_error_{name}" for name in names)]
        self._comm, self._path, self._work, self._error = comm, path, work, error
        self._listener = listener
        self.rows: list[Row] = []
        on_root(comm, self._begin)

    def iteration(self, record: Record) -> None:
        """Complete, write and show a record; collective."""
        with timed("output"):
            work = self._work()
            row = Row(
                record,
                None if self._error is None else self._error(record.coefficient),
                work.state_solves,
                work.linear_solves,
                record.inner_iterations + (self.rows[-1].inner_iterations if self.rows else 0),
                sum(seconds().values()),
            )
            self.rows.append(row)
            on_root(self._comm, lambda: self._write(row))

    @property
    def records(self) -> list[Record]:
        """The flow's part of the rows."""
        return [row.record for row in self.rows]

    def note(self, message: str) -> None:
        """Show a message once."""
        if self._comm.rank == 0:
            self._listener.note(message)

    def chosen(self, choice: Choice) -> None:
        """Show what was considered and chosen."""
        for line in choice_lines(choice):
            self.note(line)

    def _begin(self) -> None:
        with self._path.open("w", newline="") as file:
            csv.DictWriter(file, self._columns).writeheader()

    def _write(self, row: Row) -> None:
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row.cells())
        if row.record.widths:
            self._write_expansions(row)
        self._listener.row(row)

    def _write_expansions(self, row: Row) -> None:
        first = row.record.iteration == 0
        path = self._path.with_name("expansions.csv")
        with path.open("w" if first else "a", newline="") as file:
            writer = csv.DictWriter(file, EXPANSION_COLUMNS)
            if first:
                writer.writeheader()
            writer.writerows(expansion_cells(row.record))
