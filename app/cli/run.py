"""What the program does with a case: check it or run it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import app
from app.cli.command import Command
from app.cli.exits import BY_STATUS, CONVERGED
from app.cli.ranks import launched, start

if TYPE_CHECKING:
    from app.case import BaseCase


def arguments(parser: argparse.ArgumentParser) -> None:
    """The case, and what is to be done with it."""
    parser.add_argument("case", metavar="CASE.yaml", help="the case file, or a command")
    parser.add_argument("--out", type=Path, metavar="DIR", help="results, by default results/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    parser.add_argument("--check", action="store_true", help="check case, mesh and data, do not run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a dotted key of the case, e.g. regularisation.m.weight=1",
    )
    parser.add_argument(
        "--allow-code", action="store_true", help="run the Python file that a custom equation names"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--version", action="version", version=f"enngf {app.__version__}")


def answer(options: argparse.Namespace) -> int:
    """Check the case or run it; collective."""
    path = Path(options.case)

    def read() -> "BaseCase":
        from app.case import load_case

        return load_case(path, options.overrides)

    # A process that is the only one says what is wrong with a case before the slow libraries are loaded.
    early = None if launched() else read()
    comm = start(options.petsc)
    from app.parallel import on_root, started

    case = on_root(comm, read if early is None else lambda: early)
    from app import build, output
    from app.case import InputError

    started()
    if options.check:
        build.prepare(comm, case, allow_code=options.allow_code)
        if comm.rank == 0 and not options.quiet:
            print(f"{options.case}: the case, its mesh and its data are in order")
        return CONVERGED
    folder = options.out or Path("results") / case.name

    def claim(act: Callable[..., None]) -> None:
        try:
            act(folder, path, overwrite=options.overwrite)
        except output.FolderTaken as taken:
            raise InputError([str(taken)]) from None

    on_root(comm, lambda: claim(output.check))
    setup = build.prepare(comm, case, allow_code=options.allow_code)
    on_root(comm, lambda: claim(output.prepare))
    summary = build.run(setup, folder, quiet=options.quiet)
    return BY_STATUS[summary["status"]]


RUN = Command(
    "Recover an unknown coefficient of a PDE from measurements.", arguments, answer, takes_petsc=True
)
