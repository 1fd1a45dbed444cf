"""What the program does with results: evaluate the coefficient, or write it for other programs."""

import argparse
import sys
from pathlib import Path

from app.cli.command import Command
from app.cli.exits import CONVERGED
from app.cli.ranks import start


def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The results, and where to evaluate."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the folder of a run")
    parser.add_argument(
        "--points",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV or NPY with the columns x, y, z as far as there are, and of a family its parameters",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a CSV file; by default standard output")


def evaluate(options: argparse.Namespace) -> int:
    """Write the values of all unknowns at points; collective."""
    comm = start()
    from app import output
    from app.case import DataError, InputError
    from app.data.tables import read_table
    from app.mesh import PointOutside
    from app.parallel import on_root

    try:
        found = output.read_coefficient(options.results, comm)
        table = on_root(comm, lambda: read_table(options.points, found.inputs, ()))
        points = found.stacked(table.numbers)
        values = found.evaluate(points)
    except output.NoResult as none:
        raise InputError([str(none)]) from None
    except PointOutside as outside:
        raise DataError([f"{options.points}:{table.lines[outside.index]}: {outside}"]) from None
    columns = {name: points[:, i] for i, name in enumerate(found.inputs)} | values

    def write() -> None:
        if options.out is None:
            output.write_columns(sys.stdout, columns)
            return
        with options.out.open("w", newline="") as file:
            output.write_columns(file, columns)

    on_root(comm, write)
    return CONVERGED


FORMATS = ("npz", "csv", "vtu", "torch")
"""What `export` writes."""


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """The results, and for whom."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the folder of a run")
    told = (
        "npz: nodes, cells and nodal values; csv: nodes and values; vtu: for ParaView and meshio; "
        "torch: the network as torch.export saves it, one file an unknown"
    )
    parser.add_argument("--format", required=True, choices=FORMATS, help=told)
    where = "by default coefficient.FORMAT in the results"
    parser.add_argument("--out", type=Path, metavar="FILE", help=where)


def export(options: argparse.Namespace) -> int:
    """Write the coefficient for other programs; serial: other ranks wait."""
    comm = start()
    from app import output
    from app.case import InputError
    from app.parallel import on_root

    ending = "pt2" if options.format == "torch" else options.format
    path = options.out or options.results / f"coefficient.{ending}"

    def write() -> list[Path]:
        try:
            return output.export(output.read_coefficient(options.results), options.format, path)
        except output.NoResult as none:
            raise InputError([str(none)]) from None
        except output.NotExportable as reason:
            raise InputError([f"{options.results}: {reason}"]) from None

    for written in on_root(comm, write):
        if comm.rank == 0:
            print(written)
    return CONVERGED


EVALUATE = Command(
    "Evaluate the coefficient of results anywhere.", evaluate_arguments, evaluate, supervised=True
)
EXPORT = Command(
    "Write the coefficient of results for other programs.", export_arguments, export, supervised=True
)
