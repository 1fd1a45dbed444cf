"""The command `sample-prior`: what a case claims before any reading."""

import argparse
from pathlib import Path

from app.cli.command import Command, add_overrides, counted
from app.cli.exits import CONVERGED
from app.cli.ranks import start

MOST = 1000
"""Draws at most: each is a field of its own in the files."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The case, how many draws, and where they go."""
    parser.add_argument("case", type=Path, metavar="CASE.yaml", help="the case file")
    told = f"how many samples, 4 unless given, at most {MOST}"
    parser.add_argument("--number", type=counted(MOST), default=4, metavar="K", help=told)
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder, by default results/NAME-prior")
    add_overrides(parser, "regularisation.m.std=0.5")


def answer(options: argparse.Namespace) -> int:
    """Draw, write and describe; collective."""
    comm = start()
    from app.case import InputError, load_case
    from app.parallel import on_root
    from app.problem.prior_samples import sample_prior

    case = on_root(comm, lambda: load_case(options.case, options.overrides))
    folder = options.out or Path("results") / f"{case.name}-prior"
    try:
        lines = sample_prior(comm, case, options.number, folder)
    except OSError as cause:
        found = f"found a path that cannot be used ({cause.strerror})"
        raise InputError([f"{folder}: {found}, expected a folder for the samples"]) from None
    if comm.rank == 0:
        print("\n".join(lines))
    return CONVERGED


SAMPLE_PRIOR = Command("Draw samples of the prior that a case states.", arguments, answer, supervised=True)
