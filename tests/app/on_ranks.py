"""Runs of the program one after the other in one launch, whose imports they share.

`mpirun -n N python on_ranks.py FOLDER PID` waits for commands in the folder and ends with the process PID.
While it waits no rank is in a call of MPI, so none of them is busy.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

Answer = tuple[int, str, str]
"""Exit code, and what was printed on standard output and on standard error."""

NAP = 0.01
"""Seconds between two looks for a command or an answer."""


def call(words: Sequence[str], pictures: bool) -> Answer:
    """Run `python -m app words` in this process, with its output to strings; as plain as that to a pipe.

    Without `pictures` they are composed but not rendered, which is half of a coarse run: their files are
    empty.
    """
    from app.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(patch.dict(os.environ, {"FORCE_COLOR": "", "TTY_COMPATIBLE": "0"}))
        if not pictures:
            stack.enter_context(patch("matplotlib.figure.Figure.savefig", empty))
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def empty(figure: object, path: str, **how: object) -> None:
    """Write an empty file in place of a figure's picture."""
    Path(path).touch()


def put(path: Path, content: object) -> None:
    """Write a file as JSON that is there whole or not at all."""
    path.with_suffix(".part").write_text(json.dumps(content))
    path.with_suffix(".part").replace(path)


def serve(folder: Path, client: int) -> None:
    """Run the commands of `0.command`, `1.command` … on all ranks; `0.answer` … hold each rank's answer."""
    import app

    # isort: split
    import torch  # noqa: F401
    from mpi4py import MPI
    from petsc4py import PETSc

    import app.run  # noqa: F401

    gc.freeze()  # what has been imported stays: no search for circles need go through it
    comm, number = MPI.COMM_WORLD, 0
    while True:
        command = folder / f"{number}.command"
        while not command.exists():
            os.kill(client, 0)  # raises where nobody is left to ask
            time.sleep(NAP)
        answers = comm.gather(call(**json.loads(command.read_text())))
        if answers is not None:
            put(folder / f"{number}.answer", answers)
        number += 1
        gc.collect()
        PETSc.garbage_cleanup()  # on several ranks its objects wait to be destroyed together


class Launch:
    """The client's side: one launch on some ranks, made when it is first asked for and after one has died."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._command, self._parent, self._environment = command, folder, environment
        self._process: subprocess.Popen[str] | None = None
        self._hung = ""

    def call(self, words: Sequence[str], pictures: bool, timeout: float) -> list[Answer]:
        """Return what each rank answers; AssertionError where a rank dies or the time is over.

        After a command that hangs all others fail at once, rather than wait as long.
        """
        assert not self._hung, f"not tried after {self._hung} hung"
        process = self._process or self._start()
        put(self._folder / f"{self._number}.command", {"words": list(words), "pictures": pictures})
        answer, deadline = self._folder / f"{self._number}.answer", time.monotonic() + timeout
        while not answer.exists():
            running = process.poll() is None
            if not running or time.monotonic() > deadline:
                self._hung = " ".join(words) if running else ""
                self.close()
                said = (self._folder / "output").read_text()
                raise AssertionError(f"{' '.join(words)}: no answer, {running = }\n{said}")
            time.sleep(NAP)
        self._number += 1
        return [tuple(each) for each in json.loads(answer.read_text())]

    def _start(self) -> subprocess.Popen[str]:
        self._folder, self._number = Path(mkdtemp(dir=self._parent)), 0
        with (self._folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                [*self._command, __file__, str(self._folder), str(os.getpid())],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return self._process

    def close(self) -> None:
        """End it; the next command makes another."""
        from launch import end

        if self._process is not None:
            end(self._process)
            self._process = None


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    with contextlib.suppress(ProcessLookupError):
        serve(Path(sys.argv[1]), int(sys.argv[2]))
