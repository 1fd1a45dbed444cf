"""Runs of a case with other values of its keys: the command `sweep`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from app.cli.command import Command, UsageError, counted, program
from app.cli.exits import CONVERGED, INTERNAL, INTERRUPTED, STOPPED
from app.cli.grid import Varied, jobs_of, read_varied
from app.cli.ranks import LAUNCHERS
from app.cli.rows import TABLE, Row
from app.cli.sweeping import Sweep, alone_in, launch_on

SHOWN = {
    "status": "status",
    "relative_error": "error",
    "misfit": "misfit",
    "misfit_target": "target",
    "parameters": "parameters",
    "outer_iterations": "iterations",
    "wall_seconds": "seconds",
}
"""Columns of the table in the terminal, behind those of the keys, and what they are called there."""

MPI_LAUNCHERS = [name for name in LAUNCHERS if name != "SLURM_PROCID"]
"""Slurm tells the script of a job too that it is its only process."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The case, the values, and how many runs at a time."""
    parser.add_argument("case", type=Path, metavar="CASE.yaml", help="the case file")
    parser.add_argument(
        "--set",
        action="append",
        required=True,
        metavar="KEY=VALUE,VALUE,...",
        dest="varied",
        help="values of a dotted key, e.g. seed=0,1,2; several keys give all combinations",
    )
    parser.add_argument("--jobs", type=counted(), default=1, metavar="N", help="runs at a time, by default 1")
    parser.add_argument(
        "--ranks", type=counted(), default=1, metavar="N", help="ranks of each run, by default 1"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder, by default results/NAME-sweep")
    parser.add_argument("--allow-code", action="store_true", help="run the Python file of a custom equation")


def answer(options: argparse.Namespace) -> int:
    """Run what is left of a sweep, and tell of all of it."""
    if any(name in os.environ for name in MPI_LAUNCHERS):
        found = "found several ranks of the command itself"
        raise UsageError(f"{program()} sweep: {found}, expected --ranks N: each run is a program of its own")
    varied = read_varied(options.varied)
    folder = options.out or Path("results") / f"{options.case.stem}-sweep"
    jobs = jobs_of(options.case, varied, folder)
    words = ["--allow-code"] if options.allow_code else []
    try:
        with alone_in(folder):
            return _run(Sweep(options.case, folder, jobs, words), varied, options)
    except OSError as cause:
        found = f"found a path that cannot be used ({cause.strerror or cause})"
        raise UsageError(f"{cause.filename or folder}: {found}, expected a folder for a sweep") from None


def _run(sweep: Sweep, varied: Sequence[Varied], options: argparse.Namespace) -> int:
    """What is left of it; the exit code."""
    jobs, folder = sweep.jobs, sweep.folder
    done = len(jobs) - len(sweep.left)
    already = f", {done} of them done already" if done else ""
    print(f"{len(jobs)} runs{already}, {options.jobs} at a time; results in {folder}", flush=True)
    whole = sweep.run(options.jobs, launch_on(options.ranks), lambda line: print(line, flush=True))
    rows = [sweep.rows[job] for job in jobs if job in sweep.rows]
    _tell(varied, rows, folder)
    if not whole:
        print("the same command goes on from here")
        return INTERRUPTED
    return max((_severity(row) for row in rows), key=[CONVERGED, STOPPED, INTERRUPTED, INTERNAL].index)


def _severity(row: Row) -> int:
    """The exit code that a run stands for."""
    code = int(row["code"])
    return code if code in (CONVERGED, STOPPED, INTERRUPTED) else INTERNAL


def _tell(varied: Sequence[Varied], rows: Sequence[Row], folder: Path) -> None:
    """The table, and the figure."""
    from app.output.sweep import draw_sweep

    names = {**{one.key: one.key for one in varied}, **SHOWN}
    cells = [[*names.values()], *([_short(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    picture = folder / "sweep.png"
    try:
        draw_sweep(picture, {one.key: one.values for one in varied}, rows)
    except Exception as failure:  # the table is there, and the exit code is that of the runs
        print(f"no picture {picture}: {str(failure) or type(failure).__name__}")
    print(f"results in {folder}: {TABLE}{', ' + picture.name if picture.is_file() else ''}")


def _short(value: object) -> str:
    """A number in four digits, anything else as it is."""
    try:
        return f"{float(str(value)):.4g}"
    except ValueError:
        return str(value) or "·"


SWEEP = Command("Run a case with several values of some of its keys.", arguments, answer)
