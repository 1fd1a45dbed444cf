"""history.csv is written as it happens, one row an outer iteration."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from choices import choice
from mpi4py import MPI
from rows import record, row

from app.output import History, Row
from app.output.choice import choice_lines
from app.output.history import COLUMNS


@dataclass
class Ear:
    """Remembers what it was shown, and what the file held at that moment."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def row(self, row: Row) -> None:
        self.rows.append(row)
        self.lines.append(len(self.path.read_text().splitlines()))

    def note(self, message: str) -> None:
        self.notes.append(message)


@dataclass
class Counter:
    """The work so far."""

    state_solves: int = 0
    linear_solves: int = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.csv"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_file_has_a_header_before_the_first_iteration(path: Path) -> None:
    """A run that fails at once leaves an empty table, not no table."""
    History(MPI.COMM_SELF, path, Counter, None, Ear(path))
    assert path.read_text().strip().split(",") == list(COLUMNS)


def test_each_row_is_on_disk_when_it_is_shown(path: Path) -> None:
    """Whoever sees an iteration on the screen finds it in the file."""
    ear = Ear(path)
    history = History(MPI.COMM_SELF, path, Counter, None, ear)
    for iteration in range(3):
        history.iteration(record(iteration=iteration))
    assert ear.lines == [2, 3, 4]  # the header and the rows
    assert [row.record.iteration for row in history.rows] == [0, 1, 2]
    assert ear.rows == history.rows


def test_earlier_history_is_not_continued(path: Path) -> None:
    """A new run begins a new file."""
    path.write_text("old\n")
    History(MPI.COMM_SELF, path, Counter, None, Ear(path)).iteration(record(iteration=0))
    assert [cells["iteration"] for cells in read(path)] == ["0"]


def test_numbers_survive_the_file_to_the_last_digit(path: Path) -> None:
    """Floats are written as Python reads them back; what is not known is an empty cell."""
    third = 1 / 3
    History(MPI.COMM_SELF, path, Counter, None, Ear(path)).iteration(
        record(energy=third, misfit=1e-300, alignment=None, weight=None)
    )
    (cells,) = read(path)
    assert (float(cells["energy"]), float(cells["misfit"])) == (third, 1e-300)
    assert (cells["alignment"], cells["weight"], cells["relative_error"]) == ("", "", "")


def test_rows_accumulate_inner_iterations_and_take_the_work_as_it_stands(path: Path) -> None:
    """Solves and inner iterations are cumulative, vectors and trials are the iteration's own."""
    work = Counter()
    history = History(MPI.COMM_SELF, path, lambda: work, lambda coefficient: 0.5, Ear(path))
    for iteration, inner in enumerate([0, 3, 4]):
        work.state_solves += 1
        work.linear_solves += 5
        history.iteration(record(iteration=iteration, inner_iterations=inner, vectors=2, trials=1))
    table = read(path)
    assert [cells["inner_iterations"] for cells in table] == ["0", "3", "7"]
    assert [cells["state_solves"] for cells in table] == ["1", "2", "3"]
    assert [cells["linear_solves"] for cells in table] == ["5", "10", "15"]
    assert {(cells["vectors"], cells["trials"], cells["relative_error"]) for cells in table} == {
        ("2", "1", "0.5")
    }
    assert float(table[0]["seconds"]) <= float(table[-1]["seconds"])


def test_width_is_that_of_all_layers() -> None:
    """The column width sums the hidden layers; a nodal coefficient has none."""
    assert row(widths=(6, 4)).cells()["width"] == 10
    assert row(widths=()).cells()["width"] == 0


def test_cells_are_the_columns() -> None:
    """A row has a cell for each column and no other, in their order."""
    assert tuple(row().cells()) == COLUMNS


def test_choice_is_told_line_by_line(path: Path) -> None:
    """The lines of a choice are notes, in their order, and no rows."""
    ear, made = Ear(path), choice()
    History(MPI.COMM_SELF, path, Counter, None, ear).chosen(made)
    assert ear.notes == choice_lines(made) and ear.rows == []


def test_notes_go_to_the_listener(path: Path) -> None:
    """Rank 0 hears a note once."""
    ear = Ear(path)
    History(MPI.COMM_SELF, path, Counter, None, ear).note("hear")
    assert ear.notes == ["hear"]
