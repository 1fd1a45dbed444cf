"""A case to begin with: the command `new`."""

import argparse
from pathlib import Path

from app.cli.command import Command, program
from app.cli.exits import CONVERGED
from app.cli.ranks import start


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is called, and what it is about."""
    parser.add_argument("name", metavar="NAME", help="the case is written as NAME.yaml")
    told = "its kind, by default diffusion, of readings with a time heat, of a survey electrical_tomography"
    parser.add_argument("--equation", metavar="KIND", help=told)
    meshes = "interval, rectangle, box, electrodes, or a .msh file; by default what suits data and equation"
    parser.add_argument("--mesh", metavar="KIND", help=meshes)
    told = (
        "readings: a table whose first line names the columns (x, y, z, t, value, sigma, or what they are "
        "usually called), or a survey (.ohm, .dat, .shm); by default some are made up"
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help=told)


def answer(options: argparse.Namespace) -> int:
    """Write the case, and its data unless they are given; serial: other ranks wait."""
    comm = start()
    from app.case.load import SCHEMA_FILE
    from app.parallel import on_root
    from app.problem.starter import Asked, write_starter

    asked = Asked(options.name, options.equation, options.mesh, options.data, str(SCHEMA_FILE))
    lines = on_root(comm, lambda: write_starter(asked))
    if comm.rank == 0:
        print("\n".join(line.replace("python -m app", program()) for line in lines))
    return CONVERGED


NEW = Command("Write a commented case to begin with, and data for it.", arguments, answer, supervised=True)
