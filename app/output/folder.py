"""The output folder: made for a run, never at the cost of another run's results."""

import shutil
from pathlib import Path

OURS = ("summary.json", "history.csv", "case.yaml", "coefficient.png", "fields*", "checkpoint")
"""What a run writes, and all that `--overwrite` removes."""


class FolderTaken(Exception):
    """The folder holds results already, or cannot be made."""


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Make the folder; serial. Raises FolderTaken if it holds anything and `overwrite` is not set."""
    if folder.exists() and not folder.is_dir():
        raise FolderTaken(f"{folder}: found a file, expected a folder for the results")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise FolderTaken(
                f"{folder}: found earlier results, expected an empty folder "
                "(give --overwrite to replace them or --out for another place)"
            )
        for pattern in OURS:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise FolderTaken(f"{folder}: the folder cannot be written ({error.strerror})") from None
