"""Checkpoints: the state of a run after its last whole step, written so that a kill at any moment loses
nothing.

`checkpoint/NNNNNN/` holds `state.json` and `arrays.safetensors`. A new one is written beside the others under
a name of its own, flushed to the disk, and renamed; the one before is kept and older ones are removed. No
pickle.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from app.schema.problems import InputError
from app.types import Described, Summary

WRITES = ("checkpoint",)
"""Names of the files, for whoever replaces them."""

FORMAT = 2
"""Of what is written; another one is refused."""

KEPT = 2
"""Checkpoints: the last one and the one before."""

FOLDER, STATE, ARRAYS, NEW = "checkpoint", "state.json", "arrays.safetensors", "new-"


class NoCheckpoint(InputError):
    """There is no checkpoint that can be used; says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What was read of one."""

    content: Summary
    arrays: dict[str, np.ndarray]
    number: int
    warnings: tuple[str, ...] = ()
    """Of later ones that could not be used."""


def write_checkpoint(
    results: Path, number: int, content: Described, arrays: Mapping[str, np.ndarray]
) -> None:
    """Write one, numbered by the steps of the run so far; serial. Raises OSError and leaves the others
    alone."""
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{NEW}*"):
        shutil.rmtree(left)
    new = folder / f"{NEW}{number:06d}"
    new.mkdir()
    packed = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    told = {"format": FORMAT, "arrays_sha256": hashlib.sha256(packed).hexdigest(), **content}
    try:
        _write(new / ARRAYS, packed)
        _write(new / STATE, json.dumps({"sha256": _digest(told), "content": told}).encode())
        _sync(new)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)  # on a full disk it takes the place of other results
        raise
    final = folder / f"{number:06d}"
    if final.exists():  # of a run that was resumed from an earlier one
        leaving = folder / f"{NEW}{final.name}-old"
        final.rename(leaving)
        shutil.rmtree(leaving)
    new.rename(final)
    _sync(folder)
    for old in _numbered(folder)[KEPT:]:
        leaving = folder / f"{NEW}{old.name}-old"  # at no moment is there half of a checkpoint by its number
        old.rename(leaving)
        shutil.rmtree(leaving)


def read_checkpoint(results: Path) -> Checkpoint:
    """The last checkpoint that is whole; serial. Raises NoCheckpoint, with what is wrong with each."""
    folder = results / FOLDER
    found = _numbered(folder) if os.path.isdir(folder) else []
    if not found:
        raise NoCheckpoint([f"{results}: found no checkpoint, expected results of a run that wrote one"])
    warnings: list[str] = []
    for path in found:
        try:
            content, arrays = _read(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            warnings.append(f"{path}: the checkpoint is damaged ({_told(error)}) and not used")
            continue
        return Checkpoint(content, arrays, int(path.name), tuple(warnings))
    raise NoCheckpoint(warnings)


def _read(path: Path) -> tuple[Summary, dict[str, np.ndarray]]:
    told = json.loads((path / STATE).read_text())
    content = told["content"]
    if told["sha256"] != _digest(content):
        raise ValueError(f"{STATE} was altered")
    if content["format"] != FORMAT:
        raise ValueError(f"found format {content['format']}, expected {FORMAT}")
    packed = (path / ARRAYS).read_bytes()
    if hashlib.sha256(packed).hexdigest() != content["arrays_sha256"]:
        raise ValueError(f"{ARRAYS} was altered or is not whole")
    return content, load(packed)


def _numbered(folder: Path) -> list[Path]:
    """Whole checkpoints, the last one first."""
    found = [path for path in folder.iterdir() if path.name.isdigit() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _digest(content: Described) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _told(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(error.filename).name} is missing"
    if isinstance(error, json.JSONDecodeError):
        return f"{STATE} is not whole"
    return str(error)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
