"""summary.json: the run in numbers, under the names that other programs may rely on."""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

import dolfinx
from mpi4py import MPI
from petsc4py import PETSc

import app
from app.flow import Record, StopReason
from app.output.commit import commit
from app.output.files import written
from app.parallel import on_root, peak_memory_mb
from app.types import Summary

WRITES = ("summary.json",)
"""Names of the files, for whoever replaces them."""

SECONDS = "seconds_"
"""How a meter names the seconds of a stage."""

MESH = "mesh_"
"""How it names what was done on one mesh."""

PACKAGES = ("mpi4py", "torch", "numpy", "scipy", "pyvista")

CONVERGED: tuple[StopReason, ...] = ("discrepancy", "minimum", "tolerance")

WITHOUT_TARGET: tuple[StopReason, ...] = ("stalled", "noise_not_met")


def status(reason: StopReason, *, target_known: bool) -> str:
    """`converged`, `stopped`, `interrupted` or `failed`; where no target is known a stall is convergence, and
    so is a minimum, however large its misfit."""
    if reason in ("interrupted", "error"):
        return "interrupted" if reason == "interrupted" else "failed"
    converged = reason in CONVERGED or (reason in WITHOUT_TARGET and not target_known)
    return "converged" if converged else "stopped"


def records_summary(records: Sequence[Record]) -> Summary:
    """What the history adds up to."""
    last = records[-1]
    return {
        "energy": last.energy,
        "misfit": last.misfit,
        "regularisation": last.regularisation,
        "regularisation_weight": last.weight,
        "relative_error": _plain(last.relative_error),
        "alignment": _last_known(record.alignment for record in records),
        "capture": _last_known(record.capture for record in records),
        "parameters": last.parameters,
        "widths": list(last.widths),
        "outer_iterations": last.iteration,
        "inner_iterations": sum(record.inner_iterations for record in records),
        "expansions": sum(record.expansions for record in records),
        "rejected_trials": sum(record.trials for record in records),
        "krylov_vectors": sum(record.vectors for record in records),
    }


def work_summary(spent: Mapping[str, float]) -> Summary:
    """Solves of every kind, on all meshes together."""
    return {name: count for name, count in spent.items() if not name.startswith((SECONDS, MESH))}


def _plain(error: float | Mapping[str, float] | None) -> float | dict[str, float] | None:
    return dict(error) if isinstance(error, Mapping) else error


def _last_known(values: Iterable[float | None]) -> float | None:
    """The last one that is known: an iteration without an accepted step has none."""
    return next((value for value in reversed(list(values)) if value is not None), None)


def resources(comm: MPI.Comm, spent: Mapping[str, float]) -> Summary:
    """Ranks, seconds of the slowest rank (parts add up to the whole), memory of the largest; collective."""
    own = {name.removeprefix(SECONDS): each for name, each in spent.items() if name.startswith(SECONDS)}
    slowest = max(comm.allgather(own), key=lambda parts: sum(parts.values()))
    return {
        "ranks": comm.size,
        "wall_seconds": sum(slowest.values()),
        "seconds": slowest,
        "peak_memory_mb": comm.allreduce(peak_memory_mb(), op=MPI.MAX),
        "versions": versions(),
        "commit": on_root(comm, commit),
    }


def read_summary(folder: Path, comm: MPI.Comm) -> Summary:
    """What a run wrote, empty where it was ended before; collective."""
    path = folder / "summary.json"
    return on_root(comm, lambda: json.loads(path.read_text()) if path.exists() else {})


def write_json(path: Path, content: Summary) -> None:
    """Write, or leave the file that was there as it was; serial."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with written(path) as part:
        part.write_text(text)


_version = cache(metadata.version)
"""Of a package, which is read in its files; each state that is saved tells it."""


def versions() -> dict[str, str]:
    """Of the program and what it stands on."""
    found = {
        "app": app.__version__,
        "python": platform.python_version(),
        "dolfinx": dolfinx.__version__,
        "petsc": ".".join(map(str, PETSc.Sys.getVersion())),
    }
    for package in PACKAGES:
        try:
            found[package] = _version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
