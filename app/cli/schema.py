"""The command `schema`."""

import argparse
import json

from app.cli.command import Command
from app.cli.exits import CONVERGED
from app.cli.ranks import speaks


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def answer(options: argparse.Namespace) -> int:
    """Print the schema, once."""
    from app.case import schema

    if speaks():
        print(json.dumps(schema(), indent=2))
    return CONVERGED


SCHEMA = Command("Print the JSON Schema of a case file.", arguments, answer)
