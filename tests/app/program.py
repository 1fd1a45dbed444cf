"""The program as a user runs it: a command, what it printed, and the folder it left behind."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from launch import end, environment, mpirun
from on_ranks import call

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART, LSHAPE = ROOT / "cases" / "quickstart.yaml", ROOT / "cases" / "lshape.yaml"
COARSE = "mesh.cells=[16, 16]"
"""A mesh on which quickstart takes a second or two, the imports aside, and converges as on its own."""

BY_DISCREPANCY = "regularisation.m.kind=h1"
"""The regularisation without the choice from the data: H1, weight by discrepancy."""

TIMEOUT = 300
"""Seconds after which a run counts as hanging; the slowest takes about 10 on an idle machine."""


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    code: int
    out: str
    err: str
    """What all ranks printed, one after the other."""
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
    program: bool = False
    """As a program of its own; else in this process, or in the launch that tests share (see `Launch`)."""
    pictures: bool = False
    """Rendered, not only composed; a program of its own renders them."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command line without --out."""
        return (str(self.case), *settings(*self.overrides))


NODAL = "unknowns.m.representation.kind=nodal"

JOBS = {
    "chosen on 1 rank": Job(QUICKSTART, (COARSE,), pictures=True),
    "chosen on 3 ranks": Job(QUICKSTART, (COARSE,), ranks=3, pictures=True),
    "lshape on 1 rank": Job(LSHAPE, pictures=True),
    "lshape on 3 ranks": Job(LSHAPE, ranks=3, pictures=True),
    "by discrepancy on 1 rank": Job(QUICKSTART, (COARSE, BY_DISCREPANCY), program=True),
    "by discrepancy on 3 ranks": Job(QUICKSTART, (COARSE, BY_DISCREPANCY), ranks=3, pictures=True),
    "nodal": Job(QUICKSTART, (COARSE, NODAL), pictures=True),
    "nodal by discrepancy": Job(QUICKSTART, (COARSE, NODAL, BY_DISCREPANCY), pictures=True),
}
"""Runs by a title: each is made once a session and looked at by many tests. The cases are shipped ones on
coarse meshes (that of `lshape` is made by conftest.py), with the classical competitor, and both with and
without the choice from the data."""

CHOOSING = [title for title, job in JOBS.items() if BY_DISCREPANCY not in job.overrides]
"""Titles of those in which the data choose the regularisation."""


def settings(*overrides: str) -> list[str]:
    """Words of the command line."""
    return [word for override in overrides for word in ("--set", override)]


def start(*words: object, out: Path, ranks: int = 1) -> subprocess.Popen[str]:
    """Start `python -m app words --out out` as a program, in a process group of its own."""
    launch = (mpirun(), "-n", str(ranks)) if ranks > 1 else ()
    return subprocess.Popen(
        (*launch, sys.executable, "-m", "app", *map(str, words), "--out", str(out)),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], out: Path) -> Run:
    """Return the run once it has ended; one that hangs is killed and fails the test."""
    try:
        printed, said = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        end(process)
        raise
    return Run(process.returncode, printed, said, out)


def run_program(*words: object, out: Path, ranks: int = 1) -> Run:
    """Run `python -m app words --out out` as a program to its end."""
    return finish(start(*words, out=out, ranks=ranks), out)


def run_here(*words: object, out: Path, pictures: bool = False) -> Run:
    """Run the same in this process, which has the imports behind it: they take longer than a coarse run."""
    return Run(*call([*map(str, words), "--out", str(out)], pictures), out)


def same(left: float, right: float, relative: float) -> bool:
    """Equal to a relative tolerance; two unknowns (nan) are equal."""
    return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=relative)
