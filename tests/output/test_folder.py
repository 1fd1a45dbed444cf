"""The output folder is made for a run, never at the cost of anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.output import FolderTaken, check, hold, prepare
from app.output import folder as folders

OURS = (
    "summary.json", "part-summary.json", "history.csv", "expansions.csv", "case.yaml", "coefficient.png",
    "coefficient.pdf", "state.png", "state_one.svg", "check.png", "choice.png", "expansion.png",
    "posterior.png", "reduction.png", "fit.csv", "fit.png", "fit.svg", "fields.pvd", "fields000000.pvtu",
    "fields_p0_000000.vtu", "network.json", "network.safetensors",
    "coefficient.safetensors", "posterior.safetensors", "predictions.csv", "design.csv", "design.png",
    "report.html",
    "checkpoint/000003/state.json",
    "checkpoint/000003/arrays.safetensors", "checkpoint/new-000004/state",
)  # fmt: skip
"""Names that a run writes."""

THEIRS = (
    "notes.txt", "summary.json.bak", "myfields.vtu", "history.csv~", "fields_measured.csv", "fields.csv",
)  # fmt: skip

CASE = Path("elsewhere") / "case.yaml"


def filled(folder: Path) -> Path:
    """A folder with results of a run and with files of the user's."""
    (folder / "my data").mkdir(parents=True)
    for name in (*OURS, *THEIRS, "my data/summary.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """A new folder holds an empty history only, whether or not overwriting is allowed."""
    for overwrite in (False, True):
        folder = tmp_path / str(overwrite) / "a" / "b"
        prepare(folder, CASE, overwrite=overwrite)
        assert content(folder) == {"history.csv": ""}


def test_empty_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """An existing folder without content is as good as a new one."""
    prepare(tmp_path, CASE, overwrite=False)
    assert content(tmp_path) == {"history.csv": ""}


def test_a_picture_of_the_check_is_in_no_way(tmp_path: Path) -> None:
    """What `--check` leaves is no result of a run, and goes when one starts."""
    (tmp_path / "check.png").touch()
    check(tmp_path, CASE, overwrite=False)
    prepare(tmp_path, CASE, overwrite=False)
    assert content(tmp_path) == {"history.csv": ""}


def test_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    """Without `overwrite` nothing is touched, and the message names the folder and both ways out."""
    folder = filled(tmp_path / "results")
    before = content(folder)
    with pytest.raises(FolderTaken, match="--overwrite") as caught:
        prepare(folder, CASE, overwrite=False)
    assert str(folder) in str(caught.value) and "--out" in str(caught.value)
    assert content(folder) == before


def test_hidden_file_counts_as_content(tmp_path: Path) -> None:
    """A folder under version control is not empty."""
    (tmp_path / ".gitkeep").touch()
    with pytest.raises(FolderTaken):
        prepare(tmp_path, CASE, overwrite=False)


def test_overwriting_removes_only_what_a_run_writes(tmp_path: Path) -> None:
    """Files of the user's stay, those of a run are gone."""
    folder = filled(tmp_path / "results")
    prepare(folder, CASE, overwrite=True)
    assert set(content(folder)) == {*THEIRS, "my data/summary.json", "history.csv"}
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["my data"]
    assert (folder / "history.csv").read_text() == ""


def test_overwriting_removes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    """A link named like a result may point to the user's own data."""
    precious = filled(tmp_path / "precious")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "history.csv").touch()
    (folder / "summary.json").symlink_to(precious / "summary.json")
    (folder / "fields.pvd").symlink_to(tmp_path / "nowhere")
    (folder / "checkpoint").symlink_to(precious / "checkpoint")
    prepare(folder, CASE, overwrite=True)
    assert content(folder) == {"history.csv": ""} and set(OURS) <= set(content(precious))


def test_overwriting_wants_earlier_results(tmp_path: Path) -> None:
    """A folder that no run has written is not swept, whatever the names in it."""
    (tmp_path / "case.yaml").write_text("mine")
    with pytest.raises(FolderTaken, match="no earlier results"):
        prepare(tmp_path, CASE, overwrite=True)
    assert content(tmp_path) == {"case.yaml": "mine"}


def test_the_case_is_never_overwritten(tmp_path: Path) -> None:
    """Results do not go where the case file lies: a run's own case.yaml would replace it."""
    folder = filled(tmp_path / "results")
    before = content(folder)
    with pytest.raises(FolderTaken, match="the case file itself"):
        prepare(folder, folder / "case.yaml", overwrite=True)
    assert content(folder) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_in_the_folders_place_is_refused(tmp_path: Path, overwrite: bool) -> None:
    """A file is never replaced by a folder."""
    path = tmp_path / "results"
    path.write_text("mine")
    with pytest.raises(FolderTaken, match="found a file"):
        prepare(path, CASE, overwrite=overwrite)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_among_the_parents_is_refused(tmp_path: Path, overwrite: bool) -> None:
    """No folder can be made inside a file: an error of the user's, told as one."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderTaken):
        prepare(tmp_path / "file" / "results", CASE, overwrite=overwrite)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Found before the run, not after it."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FolderTaken, match="cannot be written"):
            prepare(tmp_path, CASE, overwrite=False)
    finally:
        tmp_path.chmod(0o700)


def test_what_the_case_reads_is_never_removed(tmp_path: Path) -> None:
    """Neither by its own name nor through a link; files of other names may lie there."""
    folder = filled(tmp_path / "results")
    (tmp_path / "link.csv").symlink_to(folder / "fit.csv")
    before = content(folder)
    for file in (folder / "fit.csv", tmp_path / "link.csv", folder / "checkpoint/000003/arrays.safetensors"):
        with pytest.raises(FolderTaken, match="which the case reads"):
            prepare(folder, CASE, overwrite=True, inputs=[file])
        assert content(folder) == before
    with pytest.raises(FolderTaken, match="found results, which the case reads"):
        prepare(folder, CASE, overwrite=True, inputs=[folder])
    check(
        folder, CASE, overwrite=True, inputs=[folder / "notes.txt", folder / "my data", tmp_path / "fit.csv"]
    )


def test_a_folder_is_held_by_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one waits a while and is refused; it is free again when the first lets go. No trace is left."""
    monkeypatch.setattr(folders, "TIMEOUT", 0.0)
    first = hold(tmp_path / "results")
    assert first is not None
    with pytest.raises(FolderTaken, match="another run"):
        hold(tmp_path / "results")
    os.close(first)
    second = hold(tmp_path / "results")
    assert second is not None and not content(tmp_path)
    os.close(second)
