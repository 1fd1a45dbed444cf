"""The command `schema`."""

import argparse
import json

from app.cli.command import Command
from app.cli.exits import CONVERGED
from app.cli.ranks import speaks


def arguments(parser: argparse.ArgumentParser) -> None:
    """How it is printed."""
    parser.add_argument(
        "--format",
        choices=("json", "markdown"),
        default="json",
        help="for programs, or to read (default json)",
    )


def answer(options: argparse.Namespace) -> int:
    """Print the schema, once."""
    from app.case import schema
    from app.cli.keys import page

    if speaks():
        print(page(schema()) if options.format == "markdown" else json.dumps(schema(), indent=2))
    return CONVERGED


SCHEMA = Command("Print the keys of a case: JSON Schema, or a page.", arguments, answer)
