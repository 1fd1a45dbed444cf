"""The output folder: made for a run and held by it, never at the cost of another run's results."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from app.output import (
    chains,
    checkpoint,
    choice,
    coefficient,
    design,
    deviations,
    expansion,
    exports,
    fields,
    fit,
    history,
    picture,
    posterior,
    predictions,
    reduction,
    report,
    state,
    summary,
)
from app.output import (
    check as check_picture,
)
from app.output.files import PART

_NAMES: tuple[str, ...] = (
    "case.yaml",
    *chains.WRITES,
    *check_picture.WRITES,
    *checkpoint.WRITES,
    *choice.WRITES,
    *coefficient.WRITES,
    *design.WRITES,
    *deviations.WRITES,
    *expansion.WRITES,
    *exports.WRITES,
    *fields.WRITES,
    *fit.WRITES,
    *history.WRITES,
    *picture.WRITES,
    *posterior.WRITES,
    *predictions.WRITES,
    *reduction.WRITES,
    *report.WRITES,
    *state.WRITES,
    *summary.WRITES,
)

OURS = (*_NAMES, *(f"{PART}{name}" for name in _NAMES))
"""What a run writes, and all that `--overwrite` removes."""

TIMEOUT = 10.0
"""Seconds to wait for another run in the folder: one whose launcher was killed still writes its results."""


class FolderTaken(Exception):
    """The folder holds something already, or cannot be made."""


def check(folder: Path, case: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise FolderTaken if results of this case cannot go there; changes nothing; serial.

    `inputs` are the files that the case reads, and the results of other runs.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderTaken(f"{folder}: found a file, expected a folder for the results")
    if not folder.is_dir() or all(path.name in check_picture.WRITES for path in folder.iterdir()):
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
    replaced = {path.resolve() for path in _ours(folder)}
    for file in inputs:
        whole = file.resolve()
        inside = any(path.is_relative_to(whole) for path in replaced)
        if inside or replaced & {*whole.parents}:
            found = f"found {file.name}, which the case reads, among the results to be replaced"
            raise FolderTaken(f"{folder}: {found}, expected another folder (give --out)")


def hold(folder: Path) -> int | None:
    """Make the folder and keep other runs out of it until the process ends, however; serial.

    Returns what is to be closed to let it go, None where the file system has no locks. Raises FolderTaken
    where another run holds it, or where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        part = folder / f"{PART}case.yaml"
        part.unlink(missing_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise FolderTaken(f"{folder}: the folder cannot be written ({error.strerror})") from None
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            held = error.errno == errno.EWOULDBLOCK
            if held and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            os.close(descriptor)
            if not held:
                return None
            found = "found another run that writes its results there, expected a folder of its own"
            raise FolderTaken(f"{folder}: {found} (give --out)") from None


def prepare(folder: Path, case: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Empty the folder of earlier results, once there is something to put in their place; serial.

    Makes it where it is not there. Raises FolderTaken as `check` does.
    """
    check(folder, case, overwrite=overwrite, inputs=inputs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in _ours(folder):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (folder / "history.csv").touch()
    except OSError as error:
        raise FolderTaken(f"{folder}: the folder cannot be written ({error.strerror})") from None


def _ours(folder: Path) -> list[Path]:
    """What is there of what a run writes."""
    return list({path for pattern in OURS for path in folder.glob(pattern)})
