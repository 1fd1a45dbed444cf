"""history.csv is written as it happens, one row an outer iteration."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from mpi4py import MPI
from rows import record, state, states

from app.output import History
from app.output.history import COLUMNS, cells


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_is_on_disk_when_its_state_is_told(tmp_path: Path) -> None:
    """Whoever sees an iteration on the screen finds it in the file; a state that is no iteration, as that
    after the selection, adds none."""
    history = History(tmp_path, MPI.COMM_SELF)
    for iteration, each in enumerate(states([record(iteration=i) for i in range(3)])):
        for _ in range(2):
            history.state(each)
            assert [row["iteration"] for row in read(tmp_path)] == [str(i) for i in range(iteration + 1)]


def test_a_run_that_goes_on_has_all_of_its_rows(tmp_path: Path) -> None:
    """The first state that is told may have many records: those of a resumed run, however far the file
    before came; later ones are added."""
    every = [record(iteration=i) for i in range(4)]
    (tmp_path / "history.csv").write_text("old\n")
    history = History(tmp_path, MPI.COMM_SELF)
    history.state(state(every[:3]))
    assert [row["iteration"] for row in read(tmp_path)] == ["0", "1", "2"]
    history.state(state(every))
    assert [row["iteration"] for row in read(tmp_path)] == ["0", "1", "2", "3"]


def test_numbers_survive_the_file_to_the_last_digit(tmp_path: Path) -> None:
    """Floats are written as Python reads them back; what is not known is an empty cell."""
    third = 1 / 3
    told = record(energy=third, misfit=1e-300, alignment=None, weight=None, relative_error=None)
    History(tmp_path, MPI.COMM_SELF).state(state([told]))
    (row,) = read(tmp_path)
    assert (float(row["energy"]), float(row["misfit"])) == (third, 1e-300)
    assert (row["alignment"], row["weight"], row["relative_error"]) == ("", "", "")


def test_rows_accumulate_inner_iterations_and_take_the_work_as_it_stood(tmp_path: Path) -> None:
    """Solves, seconds and inner iterations are cumulative, vectors and trials are the iteration's own."""
    every = [
        record(
            state_solves=i + 1, linear_solves=5 * (i + 1), seconds={"solve": i, "output": 0.25}, iteration=i,
            inner_iterations=inner, vectors=2, trials=1,
        )
        for i, inner in enumerate([0, 3, 4])
    ]  # fmt: skip
    History(tmp_path, MPI.COMM_SELF).state(state(every))
    table = read(tmp_path)
    assert [row["inner_iterations"] for row in table] == ["0", "3", "7"]
    assert [row["state_solves"] for row in table] == ["1", "2", "3"]
    assert [row["linear_solves"] for row in table] == ["5", "10", "15"]
    assert [row["seconds"] for row in table] == ["0.25", "1.25", "2.25"]
    told = {(row["vectors"], row["trials"], row["relative_error"]) for row in table}
    assert told == {("2", "1", "0.25")}


def test_several_unknowns_have_a_column_each(tmp_path: Path) -> None:
    """Behind the others, and in the common one the root mean square of their errors."""
    errors = {"kappa": 0.3, "q": 0.4}
    History(tmp_path, MPI.COMM_SELF, list(errors)).state(state([record(relative_error=errors)]))
    (row,) = read(tmp_path)
    assert list(row) == [*COLUMNS, "relative_error_kappa", "relative_error_q"]
    assert (row["relative_error_kappa"], row["relative_error_q"]) == ("0.3", "0.4")
    assert float(row["relative_error"]) == pytest.approx(((0.3**2 + 0.4**2) / 2) ** 0.5)


def test_width_is_that_of_all_layers() -> None:
    """The column width sums the hidden layers; a nodal coefficient has none."""
    assert cells([record(widths=(6, 4))], 0)["width"] == 10
    assert cells([record(widths=())], 0)["width"] == 0


def test_cells_are_the_columns() -> None:
    """A row has a cell for each column and no other, in their order; of work that is not counted there is
    none."""
    assert tuple(cells([record()], 0)) == COLUMNS
    uncounted = cells([record(spent={})], 0)
    assert tuple(uncounted) == COLUMNS
    assert (uncounted["state_solves"], uncounted["linear_solves"], uncounted["seconds"]) == (0, 0, 0)
