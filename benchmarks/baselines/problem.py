"""The program's problems as other methods see them: the one module here that knows the program's inside.

Everything else in `benchmarks` talks to the command line and to the files of results. Serial.
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI

from app.api import iterate, solve
from app.case import InputError, load_case
from app.data import read_readings
from app.energy import Misfit
from app.flow import StopReason
from app.mesh import centroid, closed_outline, enclosed_area
from app.mesh.fields import in_ufl
from app.method import Method
from app.network import Identity, Network, Nodes, Transform, one_thread
from app.parallel import Clock, LinearSolver, SolveFailed, process_age
from app.pde import Counts
from app.posterior import LinearisedPosterior
from app.posterior.chains import Target, effective_samples
from app.prior import REGULARISATIONS, effective_length
from app.prior.gram import InnerProduct, Regularisation
from app.prior.inner_products import INNER_PRODUCTS
from app.problem import build
from app.problem.factories import stream, transform_of
from app.problem.inversion import evaluated_at_start, read_inversion
from app.problem.models import candidate_of
from app.problem.work import MESH, work_on, work_units

__all__ = [
    "Approximation", "Counts", "InputError", "Network", "Point", "Problem", "Regularisation", "Sampled",
    "SolveFailed", "bare_network", "centroid", "closed_outline", "effective_samples", "enclosed_area", "flow",
    "in_ufl", "network_of", "one_thread", "prior_readings", "read_readings", "without_readings",
]  # fmt: skip

Vector = np.ndarray
Point = Misfit[Any]
"""What is known at a coefficient m, nodal values of shape (nodes,), whose state has been solved: `m`,
`residual` e, `value` ½‖e‖², `derivative()` Jᵀe by one adjoint solve, and `jvp` and `vjp` by one incremental
right-hand side a column."""
COMM = MPI.COMM_SELF


class Problem:
    """An inverse problem of the program with the H¹ regularisation R and the mass matrix.

    Everything that is solved goes through its forward model, whose `counts` are the measure of a method.
    Raises InputError for a case that is wrong, and ValueError for one of several unknowns.
    """

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        self._clock, self._born = Clock(), time.perf_counter() - process_age()
        self.case = cast(Any, load_case(path, list(overrides)))
        with self._clock.running():
            self._given = given = read_inversion(COMM, self.case, Method())
            self.close = given.owned.close  # releases what was made
            if len(given.spaces) > 1:
                self.close()
                raise ValueError(f"{path}: found {len(given.spaces)} unknowns, expected one for a baseline")
            self.start = evaluated_at_start(given)
            self.target, self.reference = given.target, given.reference
            self.unknown, self.space = self.case.unknowns[given.name], given.spaces[given.name]
            self.forward, self.error = cast(Any, given.forward), cast(Any, given.errors.get(given.name))
            self.data, self.domain, self.diagonal = given.data, given.domain, given.domain.diagonal
            self.nodes, self.size = self.space.coordinates, self.space.size
            chosen, share = self.case.regularisation[given.name], REGULARISATIONS["h1"].share
            self.whole = effective_length(self.diagonal, None, share)  # of R unless another is given
            length = effective_length(self.diagonal, chosen.length_scale, share)
            made = (INNER_PRODUCTS[name](self.space, length, self._solver) for name in ("h1", "l2"))
            self.R, self.mass = cast(list[InnerProduct], [given.owned.enter_context(each) for each in made])
        self.ready = self.passed()  # seconds of this process until a method may begin

    @property
    def counts(self) -> Counts:
        """Solves with the state operator so far."""
        return self.forward.counts

    @property
    def work(self) -> dict[str, float]:
        """Solves so far with all inner products that were made here, and what `work_units` goes by."""
        riesz = self._given.solvers.riesz
        return {"riesz_solves": riesz.solves, **work_on(0, self.counts, riesz)}

    def told(self, spent: dict[str, Any]) -> dict[str, Any]:
        """What was spent, as a summary has it, with the work units of the program."""
        kept = {name: value for name, value in spent.items() if not name.startswith(MESH)}
        return kept | {"work_units": sum(work_units(spent, [self._given]))}

    def passed(self) -> float:
        """Seconds since this process started, without those of compiling the problem's forms."""
        return time.perf_counter() - self._born - self._clock.seconds()["compile"]

    def at(self, m: Vector, near: Point | None = None) -> Point:
        """One state solve, of an equation that is not linear from the state of `near` on; raises SolveFailed
        where the state is not finite."""
        return self._given.energy.at(m, near)

    def energy(self, point: Any, weight: float) -> float:
        """E = φ + ½w‖m − m_ref‖²_R."""
        departure = point.m - self.reference
        return point.value + (0.5 * weight * float(departure @ self.R.apply(departure)) if weight else 0.0)

    def derivative(self, point: Point, weight: float) -> Vector:
        """E′ = Jᵀe + wR(m − m_ref)."""
        return point.derivative() + weight * self.R.apply(point.m - self.reference)

    def met(self, point: Point) -> bool:
        """The program's stopping test, φ ≤ ½τ²n."""
        return self.target is not None and point.value <= self.target

    def using(self, R: InnerProduct) -> "Problem":
        """The same problem with another regularisation, which shares counts and solvers."""
        other = copy.copy(self)
        other.R = R
        return other

    def regularisation(self, kind: str, length: float, **options: float) -> Regularisation:
        """A regularisation with solvers of its own, which the caller closes."""
        with self._clock.running():
            return REGULARISATIONS[kind](self.space, length, self._solver, **options)

    def _solver(self) -> LinearSolver:
        return LinearSolver(COMM, "direct", "baseline_", tally=self._given.solvers.riesz)


def network_of(problem: Problem, hidden: Sequence[int]) -> tuple[Network, Vector]:
    """The program's network with these widths, the case's activation and transform if it has them, and its
    start by the case's seed."""
    chosen = problem.unknown.representation
    nodal = chosen.kind == "nodal"
    transform: Transform = Identity() if nodal else transform_of(chosen)
    activation, features = ("tanh", "quadratic") if nodal else (chosen.activation, chosen.features)
    nodes = Nodes.of(problem.nodes, problem.domain.bounding_box(), problem.reference, transform)
    network = Network(tuple(hidden), nodes, activation, transform, max(hidden), features)
    return network, network.start(stream(problem.case, "network"))


def bare_network(hidden: Sequence[int], points: Vector, rng: np.random.Generator) -> tuple[Network, Vector]:
    """A tanh network of ridges at points of [−1, 1]ᵈ, shape (points, d), and its θ in general position."""
    box = (-np.ones(points.shape[1]), np.ones(points.shape[1]))
    network = Network(tuple(hidden), Nodes.of(points, box, np.zeros(len(points)), Identity()))
    return network, network.start(rng) + 0.3 * rng.standard_normal(network.size)


class Approximation:
    """A convex energy with the network that its case starts with, which is zero."""

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        case: Any = load_case(path, list(overrides))
        self.built = build(case, COMM)
        start = cast(Any, self.built.minimisation.start)
        self.network, self.theta = start.network, start.theta.copy()
        self.tolerance, self.seed = case.flow.tolerance, case.seed
        self.close, self._memory = self.built.close, cast(Vector | None, None)  # close releases what was made

    def slope(self, theta: Vector) -> tuple[float, Vector]:
        """The energy of m(θ) and its gradient Dᵀφ′(m)."""
        at = self.built.minimisation.energy.at(self.network.values(theta))
        self._memory = self.network.jacobian(theta, self._memory)
        return at.value, self._memory.T @ at.derivative()


class _Endless:
    """Lets a flow go on until no step is accepted, see app.flow.Stopping."""

    least_gain = 0.0

    def scale(self, energy: float, at: Any) -> float:
        return 0.0

    def __call__(self, records: Sequence[Any], at: Any) -> StopReason | None:
        return None


def flow(problem: Approximation, level: float, most: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary and the history of the flow on the network that the case starts with, which stops where the
    relative error in H¹ is at the level or after `most` iterations."""
    endless = replace(problem.built.minimisation, stopping=_Endless())
    own = replace(problem.built, minimisation=endless)
    report, rows, reason = cast(Any, own.report), list[dict[str, Any]](), "error"
    for state in iterate(own):
        told = report.told(own.complete(state))
        error = told["distance_h1" if "distance_h1" in told else "distance"]
        if len(rows) == state.iteration:
            rows.append({"iteration": state.iteration, "relative_error": error})
        ended = "tolerance" if error <= level else "max_iterations" if state.iteration >= most else None
        if reason := state.stop_reason or ended:
            break
    status = "failed" if reason == "error" else "converged"
    return {"status": status, "stop_reason": reason, "relative_error": error}, rows


@dataclass(frozen=True)
class _LogReading:
    """Of the size of the last reading, as draws are told of it (app.problem.likelihood.Quantities)."""

    given: Any
    names = ("log_reading",)

    def of(self, found: Any) -> Vector:
        last: Vector = np.log(np.abs(found.forward.readings[-1:]))
        return last


class Sampled:
    """The result of a case with `posterior: {kind: mcmc, chains: 1}`, which chains begin at."""

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        self.built = build(load_case(path, list(overrides)), COMM)
        self.close = self.built.close  # releases what was made
        self.sampling: Any = cast(Any, solve(self.built).uncertainty.sample)(quantities=_LogReading)


def without_readings(target: Target) -> Target:
    """The same likelihood about the prior."""
    at = cast(Any, target.reference)
    none = np.empty((len(at.mean), 0), order="F")
    prior = LinearisedPosterior.of(at.reference, at.reference, at.R, at.weight, at.noise, none)
    return Target(prior, target.likelihood)


def prior_readings(path: Path, rng: np.random.Generator) -> Vector:
    """Readings without noise of a draw of the prior that a case states."""
    with build(load_case(path), COMM) as problem:
        given = cast(Any, problem.report).given
        R = cast(Any, candidate_of(given, "matern", "riesz").regularisation.at(given.reference))
        readings = given.forward.at(given.reference + R.sample(rng, 1)[:, 0]).readings
        R.close()
        return np.array(readings)
