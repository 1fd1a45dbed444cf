"""Which of several processes this is, also before MPI is started, and its start."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

LAUNCHERS = (
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "MV2_COMM_WORLD_RANK",
    "PALS_RANKID",
    "FLUX_TASK_RANK",
    "SLURM_PROCID",
)
"""Variables by which Open MPI, PMIx, MPICH and Intel MPI, MVAPICH, PALS, Flux and Slurm tell a process its
rank. Slurm's comes last: what another launcher starts within a job of Slurm's has it too."""


def launched() -> bool:
    """Whether this process was started as one of perhaps several; without MPI, which takes time to start."""
    return any(name in os.environ for name in LAUNCHERS)


def world() -> "MPI.Comm | None":
    """All ranks, None where MPI is not running in this process."""
    started = sys.modules.get("mpi4py.MPI")
    if started is None or not started.Is_initialized() or started.Is_finalized():
        return None
    comm: MPI.Comm = started.COMM_WORLD
    return comm


def speaks() -> bool:
    """Whether this process prints what all have to say: rank 0, by MPI or, where it is not running, by what
    the launcher says."""
    comm = world()
    if comm is not None:
        return comm.rank == 0
    told = next((os.environ[name] for name in LAUNCHERS if name in os.environ), "0")
    return told == "0"


def start(petsc: Sequence[str] = ()) -> "MPI.Comm":
    """Start MPI and PETSc, with PETSc's options; returns all ranks."""
    import app.wheel  # noqa: F401

    # isort: split
    import petsc4py

    petsc4py.init(["app", "-skip_petscrc", "-no_signal_handler", *petsc])
    from mpi4py import MPI

    from app.parallel import plain_signals

    plain_signals()
    return MPI.COMM_WORLD
