"""What solving a linear system by a factorisation or by multigrid costs, and which of the two is chosen.

With n nodes of b components each, N = bn unknowns and z entries, a symmetric system costs

    ====================  ===============================  =====================================
    MUMPS                 in the plane                     in space
    ====================  ===============================  =====================================
    entries of L          3.3 b² n log₂n                   10 b² n^(4/3)
    operations for L      23 b³ n^(3/2)                    7 b³ n²
    ====================  ===============================  =====================================

by the law of nested dissection (George 1973; Lipton, Rose and Tarjan 1979) with the factors that MUMPS counts
on Laplacians of 4 000 to 1 000 000 unknowns; twice that if it is not symmetric. Conjugate gradients with GAMG
take iterations of some fifteen products with the matrix, whose number hardly grows with N. Seconds are those
of one core of an AMD EPYC server that others used as well, on meshes of 64² to 512² squares and of 16³ to 48³
cubes, linear and quadratic; what counts is their ratio, which is good to a factor of two.
"""

from dataclasses import dataclass
from math import comb, log, log2

from app.parallel.solver import WHOLE, Kind
from app.types import Summary

ENTITIES = {1: (1, 1), 2: (1, 3, 2), 3: (1, 7, 12, 6)}
"""Vertices, edges, faces and cells a vertex of a mesh of simplices has in the mean, by the dimension."""

ANALYSIS = 8e-6
"""Seconds of MUMPS for a node, before and beside the operations."""
OPERATION = 1.25e-10
"""Seconds of MUMPS for an operation of the factorisation: 8 Gflop/s of a core."""
ROW = 4.5e-8
"""Seconds of MUMPS for a row of a right-hand side that is one of a block."""
SUBSTITUTION = 2.3e-10
"""The same for an entry of L, which is four operations; a single right-hand side, which reads all of L for
itself, takes five to ten times as long."""
FACTOR = 12.0
"""Bytes that MUMPS keeps for an entry of L: the number, and half as much beside it."""

HIERARCHY = 4e-7
"""Seconds of GAMG for an entry of the matrix, to set it up."""
ITERATION = 1.2e-8
"""Seconds of an iteration for an entry of the matrix."""
LEVELS = 40.0
"""Bytes of GAMG for an entry of the matrix, the coarse ones and what smooths included."""
ITERATIONS = 14
"""To a relative residual of ACCURATE, for linear elements and one component."""
HIGHER = 0.6
"""How many more, relative to them, it takes for each degree more, and for several components."""
ACCURATE = 1e-12


@dataclass(frozen=True)
class System:
    """What is known of the systems A x = b of one purpose before A is assembled, over all ranks."""

    dimension: int
    """Of the mesh."""
    unknowns: int
    degree: int = 1
    """Of the elements."""
    components: int = 1
    symmetric: bool = True
    """And positive definite."""
    solves: int = 1
    """Right-hand sides that are expected for each A."""
    held: int = 1
    """Matrices A that are set up at the same time."""
    tolerance: float = ACCURATE
    """Of iterative solutions."""
    ranks: int = 1

    @property
    def row(self) -> float:
        """Entries of a row of A, in the mean over a large mesh.

        Of the pairs of dofs in a common cell those in a common facet are counted twice, and so on.
        """
        entities, degree, dimension = ENTITIES[self.dimension], self.degree, self.dimension
        if degree == 0:
            return self.components * (dimension + 2.0)
        signed = [(-1) ** (dimension - k) * count for k, count in enumerate(entities)]
        pairs = sum(count * comb(degree + k, k) ** 2 for k, count in enumerate(signed))
        return float(self.components * pairs / degree**dimension)


@dataclass(frozen=True)
class Cost:
    """Of all right-hand sides of one A."""

    seconds: float
    memory: float
    """Bytes over all ranks."""


@dataclass(frozen=True)
class Choice:
    """How the systems of one purpose are solved, and why."""

    purpose: str
    system: System
    kind: Kind
    reason: str

    @property
    def memory(self) -> float:
        """Bytes over all ranks that the factorisations will take, 0 if there are none."""
        return self.system.held * factorisation(self.system).memory if self.kind == "direct" else 0.0

    def summary(self) -> Summary:
        """As summary.json has it."""
        costs = {"direct": factorisation(self.system), "iterative": multigrid(self.system)}
        return {
            "purpose": self.purpose,
            "kind": self.kind,
            "reason": self.reason,
            "unknowns": self.system.unknowns,
            "expected_solves": self.system.solves,
            "predicted": {
                kind: {"seconds": _rounded(cost.seconds), "memory_mb": _rounded(cost.memory / 1e6)}
                for kind, cost in costs.items()
            },
        }


def factorisation(system: System) -> Cost:
    """Of MUMPS; up to WHOLE unknowns each rank factorises by itself, and is sent its share of the columns."""
    b, nodes = system.components, system.unknowns / system.components
    match system.dimension:
        case 1:
            entries, operations = 3.0 * nodes * system.degree, 10.0 * nodes * system.degree**2
        case 2:
            entries, operations = 3.3 * nodes * log2(nodes + 1.0), 23.0 * nodes**1.5
        case _:
            entries, operations = 10.0 * nodes ** (4 / 3), 7.0 * nodes**2
    sides = 1.0 if system.symmetric else 2.0
    entries, operations = sides * b**2 * entries, sides * b**3 * operations
    whole = system.unknowns <= WHOLE
    made = ANALYSIS * nodes + OPERATION * operations
    solved = system.solves * (ROW * system.unknowns + SUBSTITUTION * entries)
    seconds = made / (1 if whole else system.ranks) + solved / system.ranks
    return Cost(seconds, FACTOR * entries * (system.ranks if whole else 1))


def multigrid(system: System) -> Cost:
    """Of conjugate gradients with GAMG."""
    entries = system.row * system.unknowns
    iterations = ITERATIONS * log(system.tolerance) / log(ACCURATE)
    iterations *= (1.0 + HIGHER * max(0, system.degree - 1)) * (1.0 + HIGHER * (system.components > 1))
    seconds = entries * (HIERARCHY + system.solves * iterations * ITERATION)
    return Cost(seconds / system.ranks, LEVELS * entries)


def choose(purpose: str, system: System, memory: float) -> Choice:
    """The cheaper of the two for systems whose factorisations may take so many bytes together.

    A factorisation that each rank has whole gives the same solution to the last bit on any number of ranks,
    and costs little. Multigrid is not sure to converge unless A is definite: it is left to systems whose
    factorisation does not fit.
    """
    direct, iterative = factorisation(system), multigrid(system)
    needed = system.held * direct.memory
    if system.unknowns <= WHOLE:
        kind: Kind = "direct"
        reason = f"up to {WHOLE} unknowns a factorisation is cheap"
    elif needed > memory:
        kind = "iterative"
        count = "a factorisation takes" if system.held == 1 else f"{system.held} factorisations take"
        reason = f"{count} {needed / 1e9:.3g} GB, of which {max(0.0, memory) / 1e9:.3g} GB are left for it"
    elif not system.symmetric:
        kind, reason = "direct", "multigrid may not converge for an operator that is not positive definite"
    else:
        kind = "iterative" if iterative.seconds < direct.seconds else "direct"
        reason = f"predicted {direct.seconds:.2g} s direct, {iterative.seconds:.2g} s iterative"
    return Choice(purpose, system, kind, reason)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
