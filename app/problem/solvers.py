"""The linear solvers of a problem: each is chosen by what it would cost, and the reason is kept."""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import comb

from mpi4py import MPI

from app.case import LinearSolverSpec
from app.mesh import CoefficientSpace, TaggedMesh
from app.parallel import LinearSolver, Tally
from app.parallel.memory import available
from app.parallel.solver import Kind
from app.parallel.solver_cost import Choice, System, choose
from app.prior.gram import SolverFactory
from app.types import Summary

STATE_SOLVES = 40
"""Right-hand sides that are expected for each operator of an inverse problem's state; 46 on `quickstart`,
all but eight of them in blocks."""

CONFIRMING_SOLVES = 4
"""The same on a mesh that only confirms what a coarser one has found: a state, an adjoint, and a trial."""

RIESZ_SOLVES = 300
"""The same for each inner product: some powers of a hundred rows of J or Krylov vectors; 1000 on `quickstart`
where the data choose among ten regularisations."""

SHARE = 0.5
"""Of the memory that is left, what all factorisations may take together."""


def unknowns(domain: TaggedMesh, degree: int) -> int:
    """Dofs of continuous elements of this degree; collective."""
    topology, count = domain.mesh.topology, 0
    for dimension in range(domain.dimension + 1):
        if inside := comb(degree - 1, dimension):  # dofs of an entity that are not on its boundary
            topology.create_entities(dimension)
            count += inside * topology.index_map(dimension).size_global
    return count


@dataclass(frozen=True, eq=False)
class Solvers:
    """Makes the linear solvers of one problem, for the choice of which the memory is looked at once."""

    comm: MPI.Comm
    state_solves: int = STATE_SOLVES
    """Right-hand sides that are expected for each operator of the state."""
    riesz: Tally = field(default_factory=Tally)
    """Of all inner products that are made."""
    chosen: list[Choice] = field(default_factory=list)
    """One for all solvers of the same purpose and size."""

    @cached_property
    def memory(self) -> float:
        """Bytes over all ranks that factorisations may take; collective when first asked."""
        return SHARE * available(self.comm) * self.comm.size

    def of(self, options: LinearSolverSpec, purpose: str, system: System) -> LinearSolver:
        """A solver for the state, as a section of the case asks for; collective."""
        return self._made(options, purpose, system, None)

    def factory(
        self, options: LinearSolverSpec, purpose: str, space: CoefficientSpace, held: int = 1
    ) -> SolverFactory:
        """Makes solvers for inner products of coefficients, of which so many are held at the same time."""
        dimension = space.domain.dimension
        system = System(dimension, space.size, space.degree, solves=RIESZ_SOLVES, held=held)
        return partial(self._made, options, purpose, system, self.riesz)

    def summary(self) -> list[Summary]:
        """What was chosen so far, and why."""
        return [choice.summary() for choice in self.chosen]

    def _made(
        self, options: LinearSolverSpec, purpose: str, system: System, tally: Tally | None
    ) -> LinearSolver:
        system = replace(system, tolerance=options.tolerance, ranks=self.comm.size)
        known = (each for each in self.chosen if (each.purpose, each.system) == (purpose, system))
        choice = next(known, None)
        if choice is None:
            choice = self._choice(options, purpose, system)
            self.chosen.append(choice)
        symmetric, prefix = system.symmetric, f"{purpose}_"
        return LinearSolver(
            self.comm, choice.kind, prefix, options.tolerance, symmetric=symmetric, tally=tally
        )

    def _choice(self, options: LinearSolverSpec, purpose: str, system: System) -> Choice:
        if options.kind != "auto":
            return Choice(purpose, system, options.kind, f"the case asks for kind: {options.kind}")
        if options.direct_below is None:
            taken = sum(each.memory for each in self.chosen)
            return choose(purpose, system, self.memory - taken)
        kind: Kind = "direct" if system.unknowns < options.direct_below else "iterative"
        return Choice(purpose, system, kind, f"the case asks for direct_below: {options.direct_below}")
