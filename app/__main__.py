"""The command line: `python -m app CASE.yaml`, alone or under mpirun."""

import argparse
import json
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

CONVERGED, INTERNAL, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = {
    "converged": CONVERGED,
    "failed": INTERNAL,
    "stopped": STOPPED,
    "interrupted": INTERRUPTED,
}
"""By the summary's status."""


class Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that rank 0 alone speaks."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message} (see --help)")


def parser() -> argparse.ArgumentParser:
    """The arguments; every other word that starts with a single dash is an option of PETSc."""
    commands = Parser(
        prog="python -m app",
        description="Recover an unknown coefficient of a PDE from measurements.",
        epilog="`python -m app schema` prints the JSON Schema of a case. PETSc's options, such as -log_view, "
        "are passed on; they stand behind the case. Exit codes: 0 converged, 1 internal failure, 2 bad case "
        "or data, 3 stopped without reaching the stopping test, 130 interrupted.",
    )
    commands.add_argument("case", metavar="CASE.yaml", help="the case file, or the word schema")
    commands.add_argument("--out", type=Path, metavar="DIR", help="results, by default results/NAME")
    commands.add_argument("--overwrite", action="store_true", help="replace earlier results")
    commands.add_argument("--check", action="store_true", help="check case, mesh and data, do not run")
    commands.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a dotted key of the case, e.g. regularisation.m.weight=1",
    )
    commands.add_argument(
        "--allow-code", action="store_true", help="run the Python file that a custom equation names"
    )
    commands.add_argument("--quiet", action="store_true", help="print errors only")
    commands.add_argument("--debug", action="store_true", help="show tracebacks")
    return commands


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options, petsc = _parse(words)
    except ValueError as error:
        import app.wheel  # noqa: F401

        # isort: split
        from mpi4py import MPI

        if MPI.COMM_WORLD.rank == 0:
            print(error, file=sys.stderr)
        return BAD_INPUT
    if options.case == "schema":
        from app.case import schema

        print(json.dumps(schema(), indent=2))
        return CONVERGED
    return _start(options, petsc)


def _parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what is PETSc's; raises ValueError."""
    options, petsc = parser().parse_known_args(words)  # --help never starts MPI
    unknown = [word for word in petsc if word.startswith("--")]
    if unknown or (petsc and not petsc[0].startswith("-")):
        raise ValueError(f"python -m app: unrecognized argument {(unknown or petsc)[0]} (see --help)")
    return options, petsc


def _start(options: argparse.Namespace, petsc: list[str]) -> int:
    import app.wheel  # noqa: F401

    # isort: split
    import petsc4py

    petsc4py.init(["app", *petsc])
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    try:
        return _run(comm, options)
    except KeyboardInterrupt:
        if comm.size > 1:
            comm.Abort(INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        code, message = _explain(error)
        alone = code == INTERNAL and not getattr(error, "agreed", False)  # perhaps this rank's only
        if comm.rank == 0 or alone:
            if options.debug:
                traceback.print_exc()
            print(message, file=sys.stderr, flush=True)
        if alone and comm.size > 1:
            comm.Abort(INTERNAL)
        return code


def _run(comm: Any, options: argparse.Namespace) -> int:
    from app.case import load_case
    from app.parallel import Clock, on_root, process_age

    case = on_root(comm, lambda: load_case(Path(options.case), options.overrides))
    from app import network, output
    from app.problem import build
    from app.run import Options, run

    network.one_thread()
    clock = Clock(process_age())
    folder = options.out or Path("results") / case.name
    if options.check:
        build(case, comm, allow_code=options.allow_code).close()
        if comm.rank == 0 and not options.quiet:
            print(f"{options.case}: the case, its mesh and its data are in order")
        return CONVERGED
    path = Path(options.case)
    on_root(comm, lambda: output.check(folder, path, overwrite=options.overwrite))
    problem = build(case, comm, clock=clock, allow_code=options.allow_code)
    on_root(comm, lambda: output.prepare(folder, path, overwrite=options.overwrite))
    summary = run(problem, folder, Options(quiet=options.quiet))
    return EXIT_CODES[summary["status"]]


def _explain(error: Exception) -> tuple[int, str]:
    from app.case import InputError
    from app.output import FolderTaken

    if isinstance(error, InputError | FolderTaken):
        return BAD_INPUT, str(error)
    return INTERNAL, f"internal failure: {type(error).__name__}: {error} (--debug shows where)"


if __name__ == "__main__":
    sys.exit(main())
