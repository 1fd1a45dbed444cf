"""What is told of a network's growth: expansions.csv, the columns of history.csv, and the picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from mpi4py import MPI
from rows import record, state, states

from app.flow import Expansion, Record
from app.output import History, draw_expansion
from app.output.console import line
from app.output.expansion import EXPANSION_COLUMNS, expansion_cells


def expansion(number: int = 1, **changes: Any) -> Expansion:
    """An ordinary round from 4 + 3(number − 1) neurons to 3 more, with changes."""
    ordinary: dict[str, Any] = {
        "round": number, "measure": "capture", "before": 0.1 + 0.2 * number, "threshold": 0.8, "missing": 0.4,
        "missing_threshold": 0.01, "candidates": 400, "widths": (1 + 3 * number,), "grown": (4 + 3 * number,),
        "predicted": 1.0 / 3.0, "gained": 0.25,
    }  # fmt: skip
    return Expansion(**(ordinary | changes))


def run_of(**changes: Any) -> list[Record]:
    """A start, two iterations of which the first grows twice and prunes, and one in vain."""
    growth = (expansion(1), expansion(2, ended="no_progress"))
    return [
        record(iteration=0, alignment=None, capture=None),
        record(iteration=1, expansions=2, growth=growth, widths=(8,), pruned=2, **changes),
        record(iteration=2, widths=(8,)),
        record(iteration=3, widths=(8,), alignment=None, capture=None),
    ]


def written(folder: Path, records: list[Record]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """history.csv and expansions.csv."""
    history = History(folder, MPI.COMM_SELF)
    for each in states(records):
        history.state(each)
    tables = []
    for name in ("history.csv", "expansions.csv"):
        with (folder / name).open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return tables[0], tables[1]


def test_every_round_is_a_row(tmp_path: Path) -> None:
    """With its iteration, to the last digit; only the last says why there was no other."""
    _, rounds = written(tmp_path, run_of())
    assert tuple(rounds[0]) == EXPANSION_COLUMNS
    assert [(row["iteration"], row["round"], row["ended"]) for row in rounds] == [
        ("1", "1", ""),
        ("1", "2", "no_progress"),
    ]
    assert float(rounds[0]["predicted"]) == 1.0 / 3.0
    assert [(row["layer"], row["neurons"], row["width"]) for row in rounds] == [
        ("1", "3", "7"),
        ("1", "3", "10"),
    ]


def test_history_sums_up_the_rounds(tmp_path: Path) -> None:
    """Neurons that joined, gains predicted and seen, and neurons pruned, of each iteration; the widths
    follow."""
    history, _ = written(tmp_path, run_of())
    assert [(row["grown"], row["pruned"], row["width"]) for row in history] == [
        ("0", "0", "4"),
        ("6", "2", "8"),
        ("0", "0", "8"),
        ("0", "0", "8"),
    ]
    assert float(history[1]["gain_predicted"]) == pytest.approx(2.0 / 3.0, rel=1e-15)
    assert float(history[1]["gain_seen"]) == 0.5


def test_earlier_rounds_are_not_continued(tmp_path: Path) -> None:
    """A new run begins the file anew."""
    written(tmp_path, run_of())
    _, rounds = written(tmp_path, run_of()[:1])
    assert rounds == []


def test_nodal_values_have_no_such_file(tmp_path: Path) -> None:
    """Nor a picture."""
    only = state([record(iteration=0, widths=())])
    History(tmp_path, MPI.COMM_SELF).state(only)
    assert draw_expansion(MPI.COMM_SELF, tmp_path / "expansion.png", only.records) is None
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_layers_are_counted_from_one() -> None:
    """Those that became wider; an inserted one is new."""
    both = record(growth=(expansion(widths=(4, 2), grown=(4, 5)), expansion(widths=(4,), grown=(3, 4))))
    assert [cells["layer"] for cells in expansion_cells(both)] == ["2", "new"]
    assert [cells["neurons"] for cells in expansion_cells(both)] == [3, 3]
    (wider,) = expansion_cells(record(growth=(expansion(widths=(4, 2), grown=(6, 5)),)))
    assert wider["layer"] == "1 2"


@pytest.mark.parametrize("records", [run_of(), run_of()[:1], run_of()[:2]], ids=["run", "start", "one"])
def test_picture_is_drawn(tmp_path: Path, records: list[Record]) -> None:
    """Of any number of iterations, also without growth; a PNG."""
    path = tmp_path / "expansion.png"
    assert draw_expansion(MPI.COMM_SELF, path, records) is None
    assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 10_000


def test_a_picture_that_cannot_be_drawn_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And fails nothing; one that cannot be written is lost as any file is."""
    path = tmp_path / "nowhere" / "expansion.png"
    with pytest.raises(FileNotFoundError):
        draw_expansion(MPI.COMM_SELF, path, run_of())

    def broken() -> None:
        raise RuntimeError("no fonts here")

    monkeypatch.setattr("app.output.expansion.styled", broken)
    assert draw_expansion(MPI.COMM_SELF, tmp_path / "expansion.png", run_of()) == "no fonts here"


def test_line_says_what_was_pruned() -> None:
    """The width is that after pruning."""
    text = line(run_of()[1], None)
    assert "grew to 8" in text and "2 pruned" in text
    assert "pruned" not in line(run_of()[2], None)


def test_growth_that_is_pruned_away_is_none() -> None:
    """A network that loses what it gained does not count as growing (else it would never stall)."""
    assert record(expansions=1).grew and not record().grew
    assert record(expansions=2, growth=(expansion(1), expansion(2)), pruned=5).grew
    assert not record(expansions=2, growth=(expansion(1), expansion(2)), pruned=6).grew
