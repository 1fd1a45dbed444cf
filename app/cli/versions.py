"""The option --version."""

import argparse
import platform
import re
from collections.abc import Sequence
from importlib import metadata

import app
from app.cli.ranks import speaks


def versions() -> str:
    """Of the program, of Python, and of what the program requires, one a line.

    They are read from metadata, since the libraries take seconds to load.
    """
    found = {"enngf": app.__version__, "python": platform.python_version()}
    try:
        required = metadata.requires("enngf") or []
    except metadata.PackageNotFoundError:  # run from its folder, without being installed
        required = []
    for requirement in required:
        name, optional = re.split(r"[^\w.-]", requirement, maxsplit=1)[0], "extra ==" in requirement
        try:
            found |= {} if optional else {name: metadata.version(name)}
        except metadata.PackageNotFoundError:  # conda names some of them otherwise
            continue
    return "\n".join(f"{name} {version}" for name, version in found.items())


class PrintVersions(argparse.Action):
    """Prints them on one rank and exits."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        if speaks():
            print(versions())
        parser.exit()
