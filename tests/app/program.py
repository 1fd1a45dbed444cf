"""The program as a user runs it: a command, what it printed, and the folder it left behind."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART, LSHAPE = ROOT / "cases" / "quickstart.yaml", ROOT / "cases" / "lshape.yaml"
COARSE = "mesh.cells=[12, 12]"
"""A mesh on which quickstart takes a second or two, the imports aside."""

MIDDLING = "mesh.cells=[24, 24]"
"""A mesh on which quickstart finds what it finds on its own, in half the time."""

BY_DISCREPANCY = "regularisation.m.kind=h1"
"""The regularisation without the choice from the data: H1, weight by discrepancy."""

PATIENCE = 300
"""Seconds after which a run counts as hanging; the slowest takes about 40 on an idle machine."""


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str
    folder: Path
    """Where --out pointed; absent when the program made no folder."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        return json.loads((self.folder / "summary.json").read_text())

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """history.csv; an empty cell is nan."""
        with (self.folder / "history.csv").open(newline="") as file:
            return [{key: float(cell or "nan") for key, cell in row.items()} for row in csv.DictReader(file)]

    @cached_property
    def grid(self) -> Any:
        """fields.pvd at its last time: all pieces in one, the cells that another piece owns left out."""
        return self.grid_at(self.times[-1])

    @cached_property
    def times(self) -> list[float]:
        """The times of fields.pvd."""
        import pyvista

        return list(pyvista.get_reader(str(self.folder / "fields.pvd")).time_values)

    def grid_at(self, time: float) -> Any:
        """fields.pvd at one of its times, as `grid`."""
        import pyvista

        reader: Any = pyvista.get_reader(str(self.folder / "fields.pvd"))
        reader.set_active_time_value(time)
        pieces = reader.read().combine()
        ghost = np.asarray(pieces.cell_data.get("vtkGhostType", np.zeros(pieces.n_cells)))
        return pieces.extract_cells(np.flatnonzero(ghost == 0))

    def field(self, name: str) -> np.ndarray:
        """Values of a field at the nodes of `grid`."""
        return np.asarray(self.grid.point_data[name])


@dataclass(frozen=True)
class Job:
    """A case with overrides, to be run on some ranks."""

    case: Path
    overrides: tuple[str, ...] = ()
    ranks: int = 1

    def run(self, folder: Path) -> Run:
        """Run it with its results in `folder`."""
        settings = [word for override in self.overrides for word in ("--set", override)]
        return run_program(self.case, *settings, out=folder, ranks=self.ranks)


FULL = {
    "quickstart on 1 rank": Job(QUICKSTART),
    "quickstart on 2 ranks": Job(QUICKSTART, ranks=2),
    "lshape on 1 rank": Job(LSHAPE),
    "lshape on 2 ranks": Job(LSHAPE, ranks=2),
    "nodal": Job(QUICKSTART, ("unknowns.m.representation.kind=nodal",)),
    "quickstart by discrepancy": Job(QUICKSTART, (BY_DISCREPANCY,)),
    "nodal by discrepancy": Job(QUICKSTART, ("unknowns.m.representation.kind=nodal", BY_DISCREPANCY)),
}
"""Shipped cases as they are, the classical competitor, and both without the choice from the data."""

SMALL = {
    "middling on 1 rank": Job(QUICKSTART, (MIDDLING,)),
    "middling on 3 ranks": Job(QUICKSTART, (MIDDLING,), ranks=3),
    "coarse by discrepancy on 1 rank": Job(QUICKSTART, (COARSE, BY_DISCREPANCY)),
    "coarse by discrepancy on 2 ranks": Job(QUICKSTART, (COARSE, BY_DISCREPANCY), ranks=2),
}

JOBS = FULL | SMALL
"""Jobs by a title: each is run once a session and looked at by many tests."""

CHOOSING = [title for title, job in JOBS.items() if BY_DISCREPANCY not in job.overrides]
"""Titles of those in which the data choose the regularisation."""


def command(*words: object, ranks: int = 1) -> tuple[str, ...]:
    """The command line, under mpirun on more than one rank."""
    launch: Sequence[str] = ()
    if ranks > 1:
        beside = Path(sys.executable).parent / "mpirun"
        launch = (str(beside) if beside.exists() else str(shutil.which("mpirun")), "-n", str(ranks))
    return (*launch, sys.executable, "-m", "app", *map(str, words))


def environment() -> dict[str, str]:
    """One thread a rank, and nothing that makes output other than that to a pipe."""
    return {**os.environ, "OMP_NUM_THREADS": "1"} | {"FORCE_COLOR": "", "TTY_COMPATIBLE": "0"}


def start(*words: object, out: Path, ranks: int = 1) -> subprocess.Popen[str]:
    """The program on its way, in a process group of its own."""
    return subprocess.Popen(
        command(*words, "--out", out, ranks=ranks),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], out: Path) -> Run:
    """The run once it has ended; one that hangs is killed and fails the test."""
    try:
        printed, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()  # mpirun hands it on to its ranks
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    return Run(tuple(process.args), process.returncode, printed, said, out)  # type: ignore[arg-type]


def run_program(*words: object, out: Path, ranks: int = 1) -> Run:
    """Run `python -m app words --out out` to its end."""
    return finish(start(*words, out=out, ranks=ranks), out)


def same(left: float, right: float, relative: float) -> bool:
    """Equal to a relative tolerance; two unknowns (nan) are equal."""
    return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=relative)
