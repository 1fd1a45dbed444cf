"""What several steps from a case to a run need: solvers, nodal values and random streams."""

import numpy as np
from mpi4py import MPI

from app import fem
from app.case import Case, CaseError
from app.parallel import LinearSolver, agreed

STREAMS = {"network": 0, "candidates": 1, "choice": 2}
"""Random streams that derive from the case's seed, by purpose."""


def solver_of(comm: MPI.Comm, case: Case, prefix: str, size: int, *, symmetric: bool = True) -> LinearSolver:
    """The solver that the case asks for, for so many unknowns over all ranks."""
    options = case.equation.solver
    kind = options.kind
    if kind == "auto":
        kind = "direct" if size < options.direct_below else "iterative"
    return LinearSolver(comm, kind, prefix, options.tolerance, symmetric=symmetric)


def nodal_values(case: Case, space: fem.CoefficientSpace, name: str, key: str) -> np.ndarray:
    """Nodal values of an expression of the unknown; raises CaseError where they are not finite."""
    values = space.interpolate(getattr(case.unknowns[name], key))
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where = case.where("unknowns", name, key)
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return values


def stream(case: Case, purpose: str) -> np.random.Generator:
    """The random stream for a purpose, the same on all ranks."""
    return np.random.default_rng([case.seed, STREAMS[purpose]])
