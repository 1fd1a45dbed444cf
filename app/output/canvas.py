"""The library that draws, by settings of its own or the user's."""

import contextlib
from pathlib import Path


def load_matplotlib() -> None:
    """Import matplotlib, which is slow and late; a matplotlibrc of the working folder is not read."""
    with contextlib.chdir(Path(__file__).parent):
        import matplotlib  # noqa: F401
