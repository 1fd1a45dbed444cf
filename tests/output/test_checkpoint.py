"""Checkpoints on disk: whole or not there, whatever was interrupted or altered."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from app.output import NoCheckpoint, read_checkpoint, write_checkpoint
from app.output import checkpoint as module

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="files of one process")


def write(results: Path, number: int) -> None:
    write_checkpoint(results, number, {"state": number}, {"theta": np.arange(number + 1.0)})


def test_the_last_one_is_read_and_the_one_before_is_kept(tmp_path: Path) -> None:
    """Numbers to the last bit, and no more than two folders."""
    for number in range(4):
        write(tmp_path, number)
    found = read_checkpoint(tmp_path)
    assert (found.number, found.content["state"], found.warnings) == (3, 3, ())
    np.testing.assert_array_equal(found.arrays["theta"], np.arange(4.0))
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["000002", "000003"]


DAMAGES = {
    "arrays cut": lambda folder: cut(folder / "arrays.safetensors", -3),
    "arrays altered": lambda folder: flip(folder / "arrays.safetensors", -1),
    "arrays gone": lambda folder: (folder / "arrays.safetensors").unlink(),
    "state cut": lambda folder: cut(folder / "state.json", -3),
    "state empty": lambda folder: (folder / "state.json").write_bytes(b""),
    "state gone": lambda folder: (folder / "state.json").unlink(),
    "number altered": lambda folder: edit(folder, "state", 7),
    "other format": lambda folder: edit(folder, "format", 99),
    "no JSON object": lambda folder: (folder / "state.json").write_text("[1, 2]"),
}


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def flip(path: Path, index: int) -> None:
    content = bytearray(path.read_bytes())
    content[index] ^= 1
    path.write_bytes(bytes(content))


def edit(folder: Path, key: str, value: object) -> None:
    told = json.loads((folder / "state.json").read_text())
    told["content"][key] = value
    (folder / "state.json").write_text(json.dumps(told))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_noticed_and_the_one_before_is_used(damage: str, tmp_path: Path) -> None:
    """With a warning that names it; where both are damaged both are named."""
    write(tmp_path, 1), write(tmp_path, 2)
    DAMAGES[damage](tmp_path / "checkpoint" / "000002")
    found = read_checkpoint(tmp_path)
    assert found.number == 1
    (warning,) = found.warnings
    assert "000002" in warning and "damaged" in warning
    DAMAGES[damage](tmp_path / "checkpoint" / "000001")
    with pytest.raises(NoCheckpoint, match=r"(?s)000002.*000001"):
        read_checkpoint(tmp_path)


def test_results_without_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCheckpoint, match="found no checkpoint"):
        read_checkpoint(tmp_path)


CALLS = ("mkdir", "fsync", "rename", "rmtree", "open")


@pytest.mark.parametrize("call", CALLS)
def test_an_interruption_at_any_call_leaves_a_whole_one(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call to the system is the last one: the checkpoint is that before or the new one, and writing
    the next one works. The number of calls until one is never reached is small."""

    class Killed(BaseException):
        pass

    for last in range(40):
        results = tmp_path / str(last)
        results.mkdir()
        for number in range(3):
            write(results, number)
        left = [last]

        def counted(real: object, left: list[int] = left) -> object:
            def act(*words: object, **options: object) -> object:
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return real(*words, **options)  # type: ignore[operator]

            return act

        with monkeypatch.context() as patch:
            if call == "fsync":
                patch.setattr(os, "fsync", counted(os.fsync))
            elif call == "rmtree":
                patch.setattr(module.shutil, "rmtree", counted(module.shutil.rmtree))
            else:
                patch.setattr(Path, call, counted(getattr(Path, call)))
            try:
                write(results, 3)
                done = True
            except Killed:
                done = False
        assert read_checkpoint(results).number in ((3,) if done else (2, 3))
        write(results, 4)
        assert read_checkpoint(results).number == 4
        assert len(list((results / "checkpoint").iterdir())) == 2
        if done:
            break
    assert done and last > 0
