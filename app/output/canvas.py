"""The library that draws, by settings of its own or the user's."""

import contextlib


def load_matplotlib() -> None:
    """Import matplotlib, which is slow and late; a matplotlibrc of the working folder is not read."""
    with contextlib.chdir("/"):
        import matplotlib  # noqa: F401
