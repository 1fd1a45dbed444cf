"""Small problems of every kind, from the shipped cases on coarse meshes, with runs of a second."""

from dataclasses import dataclass, field
from pathlib import Path

from mpi4py import MPI

from app.case import load_case
from app.flow import Method
from app.method import Exact, SketchMethod
from app.problem import Problem, build

COMM = MPI.COMM_WORLD

CASES = Path(__file__).parents[2] / "cases"

FEW = "expansion.candidates=60"

PHASES = (
    "unknowns.m.representation={kind: phases, number: 2, neurons: 4}",
    "regularisation.m.kind=perimeter",
)

SMOOTH_PHASES = (
    "unknowns.m.representation={kind: phases, number: 2, neurons: 4, smooth: true}",
    "regularisation.m.kind=perimeter",
)

INCOMPLETE = SketchMethod(most_rows=20, columns=5, most_columns=10, pursued=5)
"""Sketches that leave much of J out."""


@dataclass(frozen=True)
class Small:
    """A case with keys changed, and the flow's constants."""

    case: str
    overrides: tuple[str, ...] = ()
    method: Method = field(default_factory=Method)

    def built(self, comm: MPI.Comm = COMM) -> Problem:
        """A problem of its own; collective."""
        return build(load_case(CASES / f"{self.case}.yaml", self.overrides), comm, method=self.method)


def on_square(case: str, *overrides: str, cells: int = 10, method: Method | None = None) -> Small:
    return Small(case, (f"mesh.cells=[{cells},{cells}]", FEW, *overrides), method or Method())


SMALL = {
    "network": on_square("quickstart"),
    "nodal": on_square("quickstart", "unknowns.m.representation.kind=nodal"),
    "discrepancy, lagged R": on_square("sparse", "regularisation.m.kind=edge_preserving"),
    "lagged R chosen": on_square(
        "sparse", "regularisation.m.kind=edge_preserving", "regularisation.m.weight=cross_validation"
    ),
    "lagged R chosen, nodal": on_square(
        "sparse",
        "regularisation.m.kind=edge_preserving",
        "regularisation.m.weight=cross_validation",
        "unknowns.m.representation.kind=nodal",
    ),
    "a prior by evidence": on_square("sparse", "regularisation.m={kind: matern, weight: evidence}"),
    "a prior of stated deviation": on_square("sparse", "regularisation.m={kind: matern, std: 0.5}"),
    "plain step in H1": on_square(
        "sparse",
        "flow.inner_product=h1",
        "flow.step=plain",
        "regularisation.m.kind=h1",
        "flow.max_iterations=6",
    ),
    "combined readings": on_square("sparse", method=Method(sketch=SketchMethod(most_rows=20, columns=12))),
    "incomplete sketch": on_square("sparse", method=Method(sketch=INCOMPLETE)),
    "incomplete sketch, nodal": on_square(
        "sparse", "unknowns.m.representation.kind=nodal", method=Method(sketch=INCOMPLETE)
    ),
    "J taken anew": on_square("sparse", method=Method(exact=Exact(stale=10.0))),
    "in time": on_square("heat_pinnacle", cells=8),
    "two unknowns": on_square("two_unknowns", cells=8),
    "nonlinear": on_square("nonlinear", cells=8),
    "levels": on_square("quickstart", "levels=2", cells=12),
    "levels, nodal": on_square("quickstart", "levels=2", "unknowns.m.representation.kind=nodal", cells=12),
    "levels, J taken anew": on_square("sparse", "levels=2", method=Method(exact=Exact(stale=10.0))),
    "phases": on_square("inclusions", *PHASES, cells=12),
    "phases, levels": on_square("inclusions", *PHASES, "levels=2", cells=16),
    "phases with a smooth part, levels": on_square("mixed", *SMOOTH_PHASES, "levels=2", cells=16),
    "convex": Small("ritz_semilinear", ("mesh.cells=40", FEW)),
    "convex, levels": Small("ritz_semilinear", ("mesh.cells=40", "levels=2", FEW)),
    "regression": on_square("smooth", "flow.tolerance=1.e-2", cells=16),
    "regression, levels": on_square("smooth", "flow.tolerance=1.e-2", "levels=2", cells=16),
}

SOUGHT = {"nonlinear"}
"""States of the equation that are sought by iteration, from one nearby where there is one."""

ALONE = COMM.size == 1

TRIED = list(SMALL) if ALONE else ["levels", "phases, levels", "convex"]
"""On several ranks, which are slow where they outnumber the cores, one of a kind."""
