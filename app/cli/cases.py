"""The cases that come with the program: the command `cases`."""

import argparse
import os
import sys
from pathlib import Path

from app.cli.command import Command, program
from app.cli.exits import BAD_INPUT, CONVERGED
from app.cli.ranks import speaks


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def answer(options: argparse.Namespace) -> int:
    """Print each file with a sentence, once."""
    from app.case.shipped import FOLDER, sentence_of, shipped_cases

    cases = shipped_cases()
    if not cases:
        if speaks():
            told = f"{FOLDER}: found no cases, expected the folder `cases` of the program's source"
            print(f"{told}; {program()} new NAME writes one to begin with", file=sys.stderr)
        return BAD_INPUT
    names = [_short(case) for case in cases]
    width = max(map(len, names))
    if speaks():
        for name, case in zip(names, cases, strict=True):
            print(f"{name:<{width}}  {sentence_of(case)}")
    return CONVERGED


def _short(path: Path) -> str:
    """A path from the working folder, where it is below it."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


CASES = Command("List the cases that come with the program, with a sentence each.", arguments, answer)
