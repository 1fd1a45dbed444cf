"""What a command is, and how its words are read."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import NoReturn

from app.cli.ranks import speaks


class UsageError(ValueError):
    """Words that the command line does not accept."""


class RunError(Exception):
    """An internal failure that is told in words of its own."""


@dataclass(frozen=True)
class Command:
    """What the program does at one word of the command line."""

    sentence: str
    """What it does, for --help."""
    arguments: Callable[[argparse.ArgumentParser], None]
    """Adds its arguments to those that all commands have."""
    answer: Callable[[argparse.Namespace], int]
    """Does it and returns the exit code (see app.cli.exits).

    Raises InputError, on all ranks alike, for what is wrong with the user's input."""
    supervised: bool = False
    """Whether it starts libraries that compute for long, or may end the process: it is watched over (see
    app.supervisor)."""
    outlasts_output: bool = False
    """Whether standard output only accompanies what it does, and may fail."""
    takes_petsc: bool = False
    """Whether words that it does not know are options of PETSc; they are in `petsc` of what it is given."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see --help)")


def add_overrides(parser: argparse.ArgumentParser, example: str) -> None:
    """Give a command the option --set, in its help with an example."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help=f"override a dotted key of the case, e.g. {example}",
    )


def counted(most: float = math.inf) -> Callable[[str], int]:
    """What reads a word as a whole number from 1 to `most`; raises ArgumentTypeError."""
    expected = "a whole number >= 1" if most == math.inf else f"a whole number from 1 to {most}"

    def read_count(text: str) -> int:
        if not (text.isdecimal() and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
        return int(text)

    return read_count


def program() -> str:
    """How the user calls the program."""
    name = Path(sys.argv[0]).stem
    return name if name == "enngf" else "python -m app"


def read(command: Command, name: str, words: Sequence[str], epilog: str = "") -> argparse.Namespace:
    """The options of a command from its words; --help prints on one rank and exits.

    Raises UsageError.
    """
    parser = Parser(
        prog=f"{program()} {name}".rstrip(),
        description=command.sentence,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the epilog has lines of its own
    )
    command.arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    with redirect_stdout(sys.stdout if speaks() else StringIO()):
        options, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("--")]
    if unknown or (rest and not (command.takes_petsc and rest[0].startswith("-"))):
        raise UsageError(f"{parser.prog}: unrecognized argument {(unknown or rest)[0]} (see --help)")
    options.petsc = rest
    return options
