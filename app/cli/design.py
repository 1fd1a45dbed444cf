"""Where to measure next, from results: the command `design`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.command import Command, RunError, add_overrides, counted
from app.cli.exits import CONVERGED
from app.cli.ranks import start

if TYPE_CHECKING:
    from app.case import BaseCase


def arguments(parser: argparse.ArgumentParser) -> None:
    """The results, the candidates, and what they are chosen for."""
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="the folder of a run, with its checkpoint"
    )
    parser.add_argument(
        "--candidates",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV or NPY with the columns of the observation but for value, and perhaps sigma",
    )
    parser.add_argument(
        "--number", type=counted(), required=True, metavar="K", help="how many are to be chosen"
    )
    told = "what is to become sure: the unknown in the mean (mean, the default), or the case's predictions"
    parser.add_argument("--for", choices=("mean", "predictions"), default="mean", dest="aim", help=told)
    parser.add_argument(
        "--observation",
        metavar="NAME",
        help="that of the case of whose kind, component and noise the candidates are, of an experiment as "
        "EXPERIMENT.NAME; by default the first of points",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a CSV file, beside it the picture; by default in the results",
    )
    add_overrides(parser, "observations.heads.file=heads.csv, where the results were moved away from it")
    parser.add_argument("--allow-code", action="store_true", help="run the Python file of a custom equation")


def answer(options: argparse.Namespace) -> int:
    """Choose, say, write and draw; collective."""
    comm = start()
    from app import output
    from app.case import load_case
    from app.data.places import Places
    from app.data.tables import column_names
    from app.parallel import on_root
    from app.problem import build
    from app.problem.design import Wanted, require_posterior
    from app.run import read_state

    def read() -> "BaseCase":
        """The case; what is missing is said before the problem is built."""
        case = load_case(options.results / "case.yaml", options.overrides)
        require_posterior(case)
        output.read_checkpoint(options.results)
        column_names(options.candidates)
        return case

    case = on_root(comm, read)
    with build(case, comm, allow_code=options.allow_code) as problem:
        problem, state, warnings = read_state(problem, options.results)
        if comm.rank == 0:
            for warning in warnings:
                print(f"warning: {warning}", file=sys.stderr)
        state = problem.complete(state)
        wanted = Wanted(
            candidates=Places(options.candidates),
            number=options.number,
            observation=options.observation,
            aim=options.aim,
        )
        found = problem.designed(state, wanted)
        path, lost, rows = options.out or options.results / "design.csv", output.Losses(), found.rows
        lost.attempt(path, lambda: on_root(comm, lambda: output.write_design(path, rows)))
        picture = path.with_suffix(".png")
        lost.draw(picture, lambda: found.draw(picture))
        if comm.rank == 0:
            for line in output.design_lines(rows, found.candidates, found.aim):
                print(line)
            if path.name not in lost.unwritten:
                print(path)
            for name, reason in lost.undrawn.items():
                print(f"no picture {picture.parent / name}: {reason}")
        try:
            lost.check(path.parent)
        except output.Unwritten as error:
            raise RunError(str(error)) from None
    return CONVERGED


DESIGN = Command("Choose where to measure next, from results.", arguments, answer, supervised=True)
