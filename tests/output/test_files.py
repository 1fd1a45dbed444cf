"""Files are written whole or not at all, never through a link, and a loss of one is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fits import fit, noise
from mpi4py import MPI
from rows import record, state

from app.output import History, Losses, Unwritten, write_checkpoint, write_fit, write_json, written


def history(path: Path) -> None:
    History(path.parent, MPI.COMM_SELF).state(state([record()]))


WRITERS: dict[str, Callable[[Path], None]] = {
    "summary.json": lambda path: write_json(path, {}),
    "fit.csv": lambda path: write_fit(path, fit(noise(3))),
    "history.csv": history,
}


@pytest.mark.parametrize("prefix", ["", "part-"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str, prefix: str) -> None:
    """Whether it has the file's name or that of its beginning."""
    (tmp_path / "precious").write_text("mine")
    (tmp_path / f"{prefix}{name}").symlink_to(tmp_path / "precious")
    WRITERS[name](tmp_path / name)
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / name).stat().st_size and not (tmp_path / name).is_symlink()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A named pipe, a device or a folder of that name stays what it is."""
    make(tmp_path / "place")
    kind = (tmp_path / "place").stat().st_mode
    with (
        pytest.raises(OSError, match=r"it is a (named pipe|directory).*place'$"),
        written(tmp_path / "place"),
    ):
        raise AssertionError("found that it is written")
    assert (tmp_path / "place").stat().st_mode == kind


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """Nothing of the failed attempt stays."""
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(OSError), written(path) as part:
        part.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "before" and [each.name for each in tmp_path.iterdir()] == ["table.csv"]


def test_losses_name_file_and_reason(tmp_path: Path) -> None:
    """Each is told once; what is written later is none; the rest is raised at the end."""

    def full() -> None:
        raise OSError(28, "No space left on device")

    lost = Losses()
    told = [lost.attempt(tmp_path / name, full) for name in ("a.csv", "b.csv", "a.csv")]
    assert (
        told[0]
        == f"warning: {tmp_path}/a.csv could not be written (No space left on device); the run goes on"
    )
    assert told[1] and told[2] is None
    assert lost.attempt(tmp_path / "b.csv", lambda: None) is None
    with pytest.raises(Unwritten, match=r"could not write a\.csv \(No space left on device\)"):
        lost.check(tmp_path)


def test_pictures_are_told_apart_from_files(tmp_path: Path) -> None:
    """One that cannot be drawn is missing and ends no run with an error; one that cannot be written does."""

    def full() -> str | None:
        raise OSError(28, "No space left on device")

    def faulty() -> str | None:
        raise ValueError("no graphics")

    lost = Losses()
    for draw in (lambda: "no graphics", faulty):
        lost.draw(tmp_path / "a.png", draw)
        assert lost.unwritten == {"a.png": "no graphics"} and not lost
        lost.check(tmp_path)
    lost.draw(tmp_path / "b.png", full)
    assert lost.unwritten == {"a.png": "no graphics", "b.png": "No space left on device"}
    with pytest.raises(Unwritten, match=r"could not write b\.png \(No space"):
        lost.check(tmp_path)
    for name in ("a.png", "b.png"):
        lost.draw(tmp_path / name, lambda: None)
    assert not lost.unwritten
    lost.check(tmp_path)


def test_history_is_whole_after_its_folder_was_removed(tmp_path: Path) -> None:
    """All rows are written again."""
    folder = tmp_path / "results"
    rows = [record(iteration=iteration) for iteration in range(3)]
    table = History(folder, MPI.COMM_SELF)
    table.state(state(rows[:2]))
    (folder / "history.csv").rename(tmp_path / "away")
    table.state(state(rows))
    assert len((folder / "history.csv").read_text().splitlines()) == 4


def test_checkpoint_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of itself."""
    write_checkpoint(tmp_path, 1, {}, {"theta": np.ones(3)})
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError):
        write_checkpoint(tmp_path, 2, {}, {"theta": np.ones(3)})
    assert [each.name for each in (tmp_path / "checkpoint").iterdir()] == ["000001"]
