"""The command line: what the program does at each word, its exit codes, and which process speaks."""

import argparse
import os
from collections.abc import Sequence
from textwrap import wrap

from app.cli.cases import CASES
from app.cli.columns import COLUMNS
from app.cli.command import Command, UsageError, program, read
from app.cli.design import DESIGN
from app.cli.exits import MEANING
from app.cli.new import NEW
from app.cli.prior import SAMPLE_PRIOR
from app.cli.report import REPORT
from app.cli.results import EVALUATE, EXPORT
from app.cli.run import RUN
from app.cli.schema import SCHEMA
from app.cli.sweep import SWEEP

__all__ = ["COMMANDS", "Command", "UsageError", "parse"]

COMMANDS: dict[str, Command] = {
    "new": NEW,
    "cases": CASES,
    "sweep": SWEEP,
    "schema": SCHEMA,
    "evaluate": EVALUATE,
    "export": EXPORT,
    "sample-prior": SAMPLE_PRIOR,
    "design": DESIGN,
    "report": REPORT,
}
"""By the first word of the command line; any other is a case. Further commands join here."""


def parse(words: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """The command that the words of a command line ask for, and its options.

    Only the word itself is a command: a file of its name is a case as ./NAME. Raises UsageError.
    """
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]], read(COMMANDS[words[0]], words[0], words[1:])
    options = read(RUN, "", words, _epilog())
    if options.case in COMMANDS:
        expected = f"it as the first word (or ./{options.case} for a file)"
        raise UsageError(f"{program()}: found the command {options.case} behind options, expected {expected}")
    if options.case.isidentifier() and not os.path.exists(options.case):
        _refuse_misspelt(options.case)
    return RUN, options


def _epilog() -> str:
    """The end of --help: commands, columns, and what a run ends with."""
    width = 1 + max(map(len, COLUMNS))
    commands = [f"  {name}: {command.sentence}" for name, command in COMMANDS.items()]
    columns = [f"  {name:<{width}} {told}" for name, told in COLUMNS.items()]
    petsc = "PETSc's options, such as -log_view, are passed on; they stand behind the case."
    return "\n".join([
        "commands in place of the case:", *commands, "",
        "columns while it runs:", *columns, "",
        *wrap(f"{petsc} {MEANING}", 100),
    ])  # fmt: skip


def _refuse_misspelt(word: str) -> None:
    """Raise UsageError for what is nearly a command."""
    from app.schema.problems import nearest

    if near := nearest(word, COMMANDS):
        expected = f"a case file or one of the commands {', '.join(COMMANDS)}{near}"
        raise UsageError(f"{program()}: found {word!r}, expected {expected}")
