"""From a case to a run: the only room that knows every other."""

from pathlib import Path
from typing import Any

from mpi4py import MPI

from app.build.convex import ConvexSetup, run_convex
from app.build.reduction import prepare_reduction
from app.build.regression import prepare_regression
from app.build.ritz import prepare_ritz
from app.build.run import run as run_inverse
from app.build.setup import Setup
from app.build.setup import prepare as prepare_inverse
from app.case import BaseCase, Case, ReductionCase, RegressionCase, RitzCase

__all__ = ["ConvexSetup", "Setup", "prepare", "run"]

PREPARE: dict[type[BaseCase], Any] = {
    RegressionCase: prepare_regression,
    RitzCase: prepare_ritz,
    ReductionCase: prepare_reduction,
}
"""Of the energies other than the misfit of observations."""


def prepare(comm: MPI.Comm, case: BaseCase, *, allow_code: bool = False) -> Setup | ConvexSetup:
    """Read, compile, assemble and solve for the first time, before anything is written; collective.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    if isinstance(case, Case):
        return prepare_inverse(comm, case, allow_code=allow_code)
    return PREPARE[type(case)](comm, case)


def run(setup: Setup | ConvexSetup, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    if isinstance(setup, ConvexSetup):
        return run_convex(setup, folder, quiet=quiet)
    return run_inverse(setup, folder, quiet=quiet)
