"""What several steps from a case to its results need: solvers, networks, random streams, the end of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import BaseCase, Case, CaseError, ConvexCase
from app.case import LinearSolver as Options
from app.mesh import MESHES, CoefficientSpace, MeshError, TaggedMesh
from app.network import TRANSFORMS, Network, Nodes, Transform
from app.parallel import LinearSolver, Tally, agreed, on_root, timed

STREAMS = {"network": 0, "candidates": 1, "choice": 2, "unseen": 3}
"""Random streams that derive from the case's seed, by purpose."""


def mesh_of(comm: MPI.Comm, case: BaseCase) -> TaggedMesh:
    """The mesh of a case, generated or read; raises CaseError."""
    options = dict(case.mesh)
    kind = options.pop("kind")
    if kind == "electrodes":
        found = "found a mesh through electrodes without readings of electrodes"
        raise CaseError([f"{case.where('mesh', 'kind')}: {found}, expected another kind"])
    if kind == "file":
        options["file"] = case.resolve(options["file"])
    try:
        return MESHES[kind](comm, **options)
    except MeshError as error:
        raise CaseError([f"{case.where('mesh', 'file')}: {error}"]) from None


def solver_of(
    comm: MPI.Comm,
    case: Case,
    prefix: str,
    size: int,
    *,
    symmetric: bool = True,
    tally: Tally | None = None,
) -> LinearSolver:
    """The solver that the case's equation asks for, for so many unknowns over all ranks."""
    return solver_for(comm, case.equation.solver, prefix, size, symmetric=symmetric, tally=tally)


def solver_for(
    comm: MPI.Comm,
    options: Options,
    prefix: str,
    size: int,
    *,
    symmetric: bool = True,
    tally: Tally | None = None,
) -> LinearSolver:
    """The solver that a section of a case asks for."""
    kind = options.kind
    if kind == "auto":
        kind = "direct" if size < options.direct_below else "iterative"
    return LinearSolver(comm, kind, prefix, options.tolerance, symmetric=symmetric, tally=tally)


def nodal_values(case: Case, space: CoefficientSpace, name: str, key: str) -> np.ndarray:
    """Nodal values of an expression of the unknown; raises CaseError where they are not finite."""
    values = space.interpolate(getattr(case.unknowns[name], key))
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where = case.where("unknowns", name, key)
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return values


def stream(case: BaseCase, purpose: str) -> np.random.Generator:
    """The random stream for a purpose, the same on all ranks."""
    return np.random.default_rng([case.seed, STREAMS[purpose]])


def transform_of(representation: Any) -> Transform:
    """The transform of a network's output."""
    options = dict(representation.transform)
    return TRANSFORMS[options.pop("kind")](**options)


def network_of(representation: Any, nodes: Nodes) -> Network:
    """The network that a case describes, at these nodes."""
    chosen, transform = representation, transform_of(representation)
    return Network(chosen.hidden, nodes, chosen.activation, transform, chosen.max_width, chosen.features)


def growth_of(case: Case | ConvexCase) -> flow.GrowthRule | None:
    """How the case's networks grow."""
    rule = case.expansion
    if rule.strategy == "none":
        return None
    strategy = flow.STRATEGIES[rule.strategy](
        stream(case, "candidates"),
        rule.candidates,
        rule.scales,
        rule.neurons,
        deep=rule.depth,
        polish=rule.polish,
    )
    return flow.GrowthRule(strategy, rule.capture, rule.missing, rule.rounds, rule.progress, rule.merge)


def finish(
    comm: MPI.Comm,
    terminal: output.Terminal,
    history: output.History,
    folder: Path,
    summary: dict[str, Any],
    write: Callable[[], str | None],
) -> dict[str, Any]:
    """Write the results and the summary of a run, with what it took, and say so; collective.

    `write` writes fields and pictures and returns why there is no picture, if so. Returns the summary.
    """
    with timed("output"):
        failure = write()
        drawn = output.draw_expansion(comm, folder / "expansion.png", history.records)
    for told in filter(None, (failure, drawn)):
        terminal.note(told)
    summary |= output.resources(comm)
    on_root(comm, lambda: output.write_json(folder / "summary.json", summary))
    for line in output.closing_lines(summary, folder):
        terminal.note(line)
    return summary
