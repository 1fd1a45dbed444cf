"""The program's problems as other methods see them: the one module here that knows the program's inside.

Everything else in `benchmarks` talks to the command line and to the files of results. Serial.
"""

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI

from app import build
from app.case import InputError, load_case
from app.data import read_readings
from app.flow import ConvexBuilder, run_flow
from app.mesh import centroid, closed_outline, enclosed_area
from app.network import TRANSFORMS, Identity, Network, Nodes, one_thread
from app.parallel import LinearSolver, SolveFailed, seconds, started
from app.pde import Counts
from app.prior import INNER_PRODUCTS, REGULARISATIONS, effective_length

__all__ = [
    "Approximation", "Counts", "InputError", "Network", "Point", "Problem", "SolveFailed", "bare_network",
    "begin", "centroid", "closed_outline", "enclosed_area", "flow", "network_of", "passed", "read_readings",
]  # fmt: skip

Vector = np.ndarray
COMM = MPI.COMM_SELF


def begin() -> None:
    """One thread for torch; what comes is no longer the program's start-up."""
    one_thread()
    started()


def passed() -> float:
    """Seconds since this process started, without those of compiling forms."""
    return sum(spent for stage, spent in seconds().items() if stage != "compile")


class Point:
    """What is known at a coefficient m, nodal values of shape (nodes,), whose state has been solved.

    Derivatives are to be asked for while it is the point that was evaluated last.
    """

    def __init__(self, energy: Any, m: Vector, residual: Vector) -> None:
        self.m, self.residual, self._energy = m, residual, energy

    @property
    def misfit(self) -> float:
        """φ = ½‖e‖²."""
        return 0.5 * float(self.residual @ self.residual)

    @cached_property
    def gradient(self) -> Vector:
        """φ′(m) = Jᵀe by one adjoint solve."""
        return self._energy.derivative(self.residual)

    def jvp(self, block: Vector) -> Vector:
        """J @ block: one incremental right-hand side a column."""
        return self._energy.tangent(block)

    def vjp(self, data: Vector) -> Vector:
        """Jᵀ @ data: one incremental right-hand side a column."""
        return self._energy.adjoint(data)


class Problem:
    """An inverse problem of the program with the H¹ regularisation R and the mass matrix.

    Everything that is solved goes through its forward model, whose `counts` are the measure of a method.
    Raises InputError for a case that is wrong.
    """

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        self.case = cast(Any, load_case(path, list(overrides)))
        setup: Any = build.prepare(COMM, self.case)
        self.name, self.unknown, self.target = setup.name, setup.unknown, setup.target
        self.error, self.reference, self.data = setup.error, setup.reference, setup.data
        self.forward, self.space, self.domain = setup.forward, setup.coefficient, setup.domain
        self.nodes, self.size, self.counts = self.space.coordinates, self.space.size, self.forward.counts
        self._energy = setup.energy
        self.start = Point(setup.energy, setup.reference, setup.start)  # its state has been solved already
        self.diagonal = self.domain.diagonal
        self.whole = effective_length(self.diagonal, None)  # the length of R unless another is given
        length = effective_length(self.diagonal, self.case.regularisation[self.name].length_scale)
        self._solvers: list[LinearSolver] = []
        self.R = INNER_PRODUCTS["h1"](self.space, length, self._solver())
        self.mass = INNER_PRODUCTS["l2"](self.space, length, self._solver())
        self.ready = passed()  # seconds of this process until a method may begin

    @property
    def riesz_solves(self) -> int:
        """Solves so far with all inner products that were made here."""
        return sum(solver.solves for solver in self._solvers)

    def at(self, m: Vector) -> Point:
        """One state solve; raises SolveFailed where the state is not finite."""
        return Point(self._energy, m, self._energy.residual(m))

    def value(self, point: Point, weight: float) -> float:
        """E = φ + ½w‖m − m_ref‖²_R."""
        departure = point.m - self.reference
        return point.misfit + (0.5 * weight * float(departure @ self.R.apply(departure)) if weight else 0.0)

    def derivative(self, point: Point, weight: float) -> Vector:
        """E′ = Jᵀe + wR(m − m_ref)."""
        return point.gradient + weight * self.R.apply(point.m - self.reference)

    def met(self, point: Point) -> bool:
        """The program's stopping test, φ ≤ ½τ²n."""
        return self.target is not None and point.misfit <= self.target

    def using(self, R: Any) -> "Problem":
        """The same problem with another regularisation, which shares counts and solvers."""
        other = copy.copy(self)
        other.R = R
        return other

    def regularisation(self, kind: str, length: float, **options: float) -> Any:
        """R with a solver of its own: `at(m)` is the inner product at m, always the same if `fixed`."""
        make: Any = REGULARISATIONS[kind]
        return make(self.space, length, self._solver(), **options)

    def _solver(self) -> LinearSolver:
        self._solvers.append(LinearSolver(COMM, "direct", f"baseline_{len(self._solvers)}_"))
        return self._solvers[-1]


def network_of(problem: Problem, hidden: Sequence[int]) -> tuple[Network, Vector]:
    """The program's network with these widths, the case's activation and transform if it has them, and its
    start by the case's seed."""
    chosen = problem.unknown.representation
    nodal = chosen.kind == "nodal"
    options = {"kind": "identity"} if nodal else dict(chosen.transform)
    transform = TRANSFORMS[options.pop("kind")](**options)
    activation, features = ("tanh", "quadratic") if nodal else (chosen.activation, chosen.features)
    nodes = Nodes.of(problem.nodes, problem.domain.bounding_box(), problem.reference, transform)
    network = Network(tuple(hidden), nodes, activation, transform, max(hidden), features)
    return network, network.start(np.random.default_rng([problem.case.seed, 0]))


def bare_network(hidden: Sequence[int], points: Vector, rng: np.random.Generator) -> tuple[Network, Vector]:
    """A tanh network of ridges at points of [−1, 1]ᵈ, shape (points, d), and its θ in general position."""
    box = (-np.ones(points.shape[1]), np.ones(points.shape[1]))
    network = Network(tuple(hidden), Nodes.of(points, box, np.zeros(len(points)), Identity()))
    return network, network.start(rng) + 0.3 * rng.standard_normal(network.size)


class Approximation:
    """A convex energy with the network that its case starts with, which is zero."""

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        case: Any = load_case(path, list(overrides))
        self.setup = cast(Any, build.prepare(COMM, case))
        self.energy = self.setup.energy
        self.network, self.theta = self.setup.step.network, self.setup.step.theta.copy()
        self.tolerance, self.seed = case.flow.tolerance, case.seed
        self._memory: Vector | None = None

    def slope(self, theta: Vector) -> tuple[float, Vector]:
        """The energy of m(θ) and its gradient Dᵀφ′(m)."""
        residual = self.energy.residual(self.network.values(theta))
        self._memory = self.network.jacobian(theta, self._memory)
        return self.energy.misfit(residual), self._memory.T @ self.energy.derivative(residual)


class _Until:
    """Stops a flow and keeps its errors; as an observer it tells nobody."""

    least_gain = 0.0

    def __init__(self, tell: Any, level: float, most: int) -> None:
        self._tell, self._level, self._most = tell, level, most
        self.errors: list[float] = []

    def __call__(self, records: Sequence[Any]) -> Any:
        told = self._tell(records[-1].coefficient)
        self.errors.append(told.get("distance_h1", told["distance"]))
        if self.errors[-1] <= self._level:
            return "tolerance"
        return "max_iterations" if len(records) > self._most else None

    def scale(self, energy: float) -> float:
        return 0.0

    def iteration(self, record: Any) -> None: ...
    def note(self, message: str) -> None: ...
    def chosen(self, choice: Any) -> None: ...


def flow(problem: Approximation, level: float, most: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary and the history of the flow on the network that the case starts with, which stops where the
    relative error in H¹ is at the level or after `most` iterations."""
    setup, energy, start = problem.setup, problem.energy, problem.setup.step.values()
    watch, builder = _Until(setup.tell, level, most), ConvexBuilder(setup.plain)
    given = (energy, energy.residual(start), np.zeros_like(start), builder, setup.step)
    found = {"status": "converged", "stop_reason": run_flow(*given, watch, watch).stop_reason}
    rows = [{"iteration": number, "relative_error": error} for number, error in enumerate(watch.errors)]
    return found | {"relative_error": watch.errors[-1]}, rows
