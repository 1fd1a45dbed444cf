"""What the program does with a case: check it or run it."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app import activity
from app.cli import exits
from app.cli.command import Command, RunError, UsageError, add_overrides, program
from app.cli.exits import CONVERGED
from app.cli.ranks import launched, speaks, start
from app.cli.versions import PrintVersions

if TYPE_CHECKING:
    from mpi4py import MPI

    from app.case import BaseCase
    from app.problem import Problem


def arguments(parser: argparse.ArgumentParser) -> None:
    """The case, and what is to be done with it."""
    parser.add_argument("case", metavar="CASE.yaml", help="the case file, or a command")
    parser.add_argument("--out", type=Path, metavar="DIR", help="results, by default results/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the results")
    parser.add_argument(
        "--continue-from",
        type=Path,
        metavar="RESULTS",
        help="start with the network of an earlier run and, unless the case says otherwise, its R and weight",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="check case, mesh and data, say and draw what a run would do, and do not run",
    )
    add_overrides(parser, "regularisation.m.weight=1")
    parser.add_argument(
        "--time-limit",
        type=_minutes,
        metavar="MINUTES",
        help="stop in good time before so many minutes have passed",
    )
    parser.add_argument(
        "--allow-code", action="store_true", help="run the Python file that a custom equation names"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument(
        "--version", action=PrintVersions, nargs=0, help="print the version, and those of what it requires"
    )


def answer(options: argparse.Namespace) -> int:
    """Check the case or run it; collective."""
    path = Path(options.case)
    if speaks() and not options.quiet:
        activity.begin()
    for other in ("overwrite", "continue_from"):
        if options.resume and getattr(options, other):
            word = other.replace("_", "-")
            raise UsageError(f"{program()}: found --resume with --{word}, expected one of them")

    def read() -> "BaseCase":
        from app.case import load_case

        return load_case(path, options.overrides)

    # A process that is the only one says what is wrong with a case before the slow libraries are loaded.
    early = None if launched() else read()
    comm = start(options.petsc)
    from app.parallel import on_root

    case = on_root(comm, read if early is None else lambda: early)
    with activity.doing(activity.PREPARING):
        return (_check if options.check else _run)(options, case, comm)


def _check(options: argparse.Namespace, case: "BaseCase", comm: "MPI.Comm") -> int:
    """Check the case, its mesh and its data; collective."""
    from app import output
    from app.parallel import on_root
    from app.problem import check

    plan = check(case, comm, allow_code=options.allow_code)
    if options.quiet:
        return CONVERGED
    told = [*plan.lines]
    if plan.domain is not None:
        picture = _folder(options, case) / "check.png"

        def make() -> None:
            picture.parent.mkdir(parents=True, exist_ok=True)

        try:
            on_root(comm, make)
            lost = output.draw_check(picture, plan.domain, plan.sensors)
        except OSError as cause:
            lost = cause.strerror or str(cause)
        told.append(f"no picture {picture}: {lost}" if lost else f"drawn: {picture}")
    if comm.rank == 0:
        for line in told:
            print(line)
        print(f"{options.case}: the case, its mesh and its data are in order")
    return CONVERGED


def _folder(options: argparse.Namespace, case: "BaseCase") -> Path:
    """Where the results go."""
    folder: Path = options.out or Path("results") / case.name
    return folder


def _run(options: argparse.Namespace, case: "BaseCase", comm: "MPI.Comm") -> int:
    """Run the case, from its start or from a checkpoint; collective."""
    from app import output
    from app.case import InputError, in_a_line
    from app.parallel import Clock, on_root, process_age
    from app.problem import build
    from app.run import Options, read_state, run

    clock, path = Clock(process_age()), Path(options.case)
    folder = _folder(options, case)

    def taken[T](act: "Callable[[], T]") -> T:
        """What it returns; raises InputError where the folder is not for this run."""
        try:
            return act()
        except output.FolderTaken as error:
            raise InputError([str(error)]) from None
        except OSError as cause:  # too long a name, no permission, a circle of links
            found = f"found a path that cannot be used ({cause.strerror})"
            raise InputError([f"{folder}: {found}, expected a folder for the results"]) from None

    how = {"overwrite": options.overwrite, "inputs": case.files()}
    if options.resume:
        on_root(comm, lambda: output.read_checkpoint(folder))  # said before the problem is built
    else:
        on_root(comm, lambda: taken(lambda: output.check(folder, path, **how)))
    if comm.rank == 0 and not options.quiet:
        print(f"{in_a_line(case)}; results go to {folder}", flush=True)
    with build(case, comm, clock=clock, allow_code=options.allow_code) as problem, ExitStack() as held:
        state = None
        if options.continue_from:
            problem = _continued(problem, options.continue_from)
        if on_root(comm, lambda: not options.resume or os.path.isdir(folder)):
            held.enter_context(_held(comm, lambda: taken(lambda: output.hold(folder))))
        if options.resume:
            problem, state, warnings = read_state(problem, folder)
            if comm.rank == 0:
                for warning in warnings:
                    print(f"warning: {warning}", file=sys.stderr)
        given = Options(
            quiet=options.quiet,
            minutes=options.time_limit,
            again=_again(options),
            prepare=lambda: taken(lambda: output.prepare(folder, path, **how)),
        )
        try:
            summary = run(problem, folder, given, state)
        except output.Unwritten as lost:
            raise RunError(str(lost)) from None
    return exits.of_run(summary)


@contextmanager
def _held(comm: "MPI.Comm", hold: "Callable[[], int | None]") -> Iterator[None]:
    """Keep other runs out of the folder of the results; collective."""
    from app.parallel import on_root

    descriptor = on_root(comm, hold)
    try:
        yield
    finally:
        if comm.rank == 0 and descriptor is not None:
            os.close(descriptor)


def _continued(problem: "Problem", results: Path) -> "Problem":
    """With what it takes over of results; raises InputError on all ranks."""
    from app import output
    from app.case import InputError
    from app.problem import NotContinued, continued, earlier

    try:
        found = output.read_coefficient(results, problem.comm)
        summary = output.read_summary(results, problem.comm)
        return continued(problem, earlier(problem, found, summary))
    except output.NoResult as none:
        raise InputError([str(none)]) from None
    except NotContinued as reason:
        raise InputError([f"{results}: {reason}"]) from None


def _again(options: argparse.Namespace) -> str:
    """What to type to go on."""
    words = [options.case, *(word for each in options.overrides for word in ("--set", each))]
    words += ["--out", str(options.out)] if options.out else []
    words += ["--allow-code"] if options.allow_code else []
    return f"{program()} {shlex.join([*words, '--resume'])}"


def _minutes(text: str) -> float:
    """A time limit; raises ArgumentTypeError."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected minutes > 0")
    return minutes


RUN = Command(
    "Recover an unknown coefficient of a PDE from measurements.",
    arguments,
    answer,
    supervised=True,
    outlasts_output=True,
    takes_petsc=True,
)
