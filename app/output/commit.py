"""The commit of the program, where it is run from its repository."""

import os
import subprocess
from functools import cache
from pathlib import Path

import app

TIMEOUT = 5.0
"""Seconds to wait for git, which looks at every file."""


@cache
def commit(root: Path = Path(app.__file__).parents[1]) -> str | None:
    """As git names it, with `-dirty` where files differ from it; serial.

    None where `root` is no repository, as of a program that was installed (one that it lies in is another
    project's), or where git does not say.
    """
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
