"""The command `report`: what a run left as one page, or several runs side by side."""

import argparse
from pathlib import Path

from app.cli.command import Command
from app.cli.exits import CONVERGED
from app.cli.ranks import start

SIDE_BY_SIDE = Path("comparison.html")
"""Where the page of several runs goes unless another place is given."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The results, and where the page goes."""
    told = "the folder of a run; of several the page shows them side by side"
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help=told)
    where = f"the page, by default report.html in the results, of several runs {SIDE_BY_SIDE}"
    parser.add_argument("--out", type=Path, metavar="FILE", help=where)


def answer(options: argparse.Namespace) -> int:
    """Make the page from the folders alone; serial: other ranks wait."""
    comm = start()
    from app import output
    from app.case import InputError
    from app.parallel import on_root

    folders: list[Path] = options.results
    alone = len(folders) == 1
    path: Path = options.out or (folders[0] / "report.html" if alone else SIDE_BY_SIDE)

    def write() -> None:
        if len(folders) > output.MOST_RUNS:
            expected = f"expected at most {output.MOST_RUNS} of them on a page"
            raise InputError([f"report: found {len(folders)} folders of results, {expected}"])
        try:
            output.write_report(path, folders)
        except output.NoRun as none:
            raise InputError([str(none)]) from None
        except OSError as cause:
            found = f"found a path that cannot be used ({cause.strerror})"
            place = cause.filename or path
            raise InputError([f"{place}: {found}, expected results and a place for their report"]) from None

    on_root(comm, write)
    if comm.rank == 0:
        print(path)
    return CONVERGED


REPORT = Command(
    "Write the results of a run as a page, or those of several side by side.",
    arguments,
    answer,
    supervised=True,
)
