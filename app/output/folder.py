"""The output folder: made for a run, never at the cost of another run's results."""

import shutil
from pathlib import Path

from app.output import (
    checkpoint,
    choice,
    coefficient,
    expansion,
    exports,
    fields,
    fit,
    history,
    picture,
    reduction,
    summary,
)

OURS: tuple[str, ...] = (
    "case.yaml",
    *checkpoint.WRITES,
    *choice.WRITES,
    *coefficient.WRITES,
    *expansion.WRITES,
    *exports.WRITES,
    *fields.WRITES,
    *fit.WRITES,
    *history.WRITES,
    *picture.WRITES,
    *reduction.WRITES,
    *summary.WRITES,
)
"""What a run writes, and all that `--overwrite` removes."""


class FolderTaken(Exception):
    """The folder holds something already, or cannot be made."""


def check(folder: Path, case: Path, *, overwrite: bool) -> None:
    """Raise FolderTaken if results of this case cannot go there; changes nothing; serial."""
    if folder.exists() and not folder.is_dir():
        raise FolderTaken(f"{folder}: found a file, expected a folder for the results")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise FolderTaken(
            f"{folder}: found earlier results, expected an empty folder "
            "(give --overwrite to replace them or --out for another place)"
        )
    if case.resolve().parent == folder.resolve():
        raise FolderTaken(f"{folder}: found the case file itself, expected another folder (give --out)")
    if not (folder / "history.csv").exists():
        raise FolderTaken(f"{folder}: found files but no earlier results, expected an empty folder")


def prepare(folder: Path, case: Path, *, overwrite: bool) -> None:
    """Make the folder, empty of earlier results; serial. Raises FolderTaken as `check` does."""
    check(folder, case, overwrite=overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in [path for pattern in OURS for path in folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (folder / "history.csv").touch()
    except OSError as error:
        raise FolderTaken(f"{folder}: the folder cannot be written ({error.strerror})") from None
