"""What the baselines share: the program's own problem, and the record of what a method spends on it."""

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI

from app import build, output
from app.case import Case, effective_yaml
from app.energy import InverseProblem
from app.flow import Record, StopReason
from app.output.history import COLUMNS
from app.parallel import LinearSolver, gram, on_root, seconds, timed
from app.pde import Counts
from app.prior import REGULARISATIONS, effective_length
from app.prior.inner_products import INNER_PRODUCTS

Show = Callable[[output.Row], None]


@dataclass(frozen=True)
class Point:
    """A coefficient whose state has been solved."""

    energy: InverseProblem
    m: np.ndarray
    """Owned nodal values."""
    residual: np.ndarray
    """e(m)."""

    @property
    def misfit(self) -> float:
        """φ = ½‖e‖²."""
        return 0.5 * float(self.residual @ self.residual)

    @cached_property
    def slope(self) -> np.ndarray:
        """φ′(m) = Jᵀe by one adjoint solve; to be asked for first while m is the last that was solved."""
        return self.energy.derivative(self.residual)


class Problem:
    """A case as `app.problem.prepare` makes it, with the H¹ regularisation R and the mass matrix.

    Everything that is solved goes through `forward`, whose counts are the measure of a method.
    """

    def __init__(self, comm: MPI.Comm, case: Case) -> None:
        self.setup = build.prepare(comm, case)
        self.comm, self.case = comm, case
        self.energy, self.target = self.setup.energy, self.setup.target
        self.reference = self.setup.reference
        space = self.setup.coefficient
        given = case.regularisation[self.setup.name].length_scale
        self.length = effective_length(self.setup.domain.diagonal, given, REGULARISATIONS["h1"].share)
        self.riesz_solvers = [LinearSolver(comm, "direct", prefix) for prefix in ("riesz_", "mass_")]
        self.R = INNER_PRODUCTS["h1"](space, self.length, lambda: self.riesz_solvers[0])
        self.mass = INNER_PRODUCTS["l2"](space, self.length, lambda: self.riesz_solvers[1])
        self.ready = seconds()
        """Seconds by stage at which a method may begin."""

    @cached_property
    def start(self) -> Point:
        """m_ref, whose state `prepare` has solved."""
        return Point(self.energy, self.reference, self.setup.start)

    def at(self, m: np.ndarray) -> Point:
        """One state solve; raises SolveFailed where the state is not finite."""
        return Point(self.energy, m, self.energy.residual(m))

    def dot(self, left: np.ndarray, right: np.ndarray) -> float:
        """leftᵀ right over all ranks."""
        return float(gram(self.comm, left, right))

    def penalty(self, m: np.ndarray, weight: float) -> float:
        """½w‖m − m_ref‖²_R."""
        departure = m - self.reference
        return 0.5 * weight * self.dot(departure, self.R.apply(departure)) if weight else 0.0

    def value(self, point: Point, weight: float) -> float:
        """E = φ + ½w‖m − m_ref‖²_R."""
        return point.misfit + self.penalty(point.m, weight)

    def derivative(self, point: Point, weight: float) -> np.ndarray:
        """E′ = Jᵀe + wR(m − m_ref)."""
        return point.slope + weight * self.R.apply(point.m - self.reference)

    def met(self, point: Point) -> bool:
        """The program's stopping test, φ ≤ ½τ²n."""
        return self.target is not None and point.misfit <= self.target


@dataclass(frozen=True)
class Spent:
    """What a run has taken."""

    counts: Counts
    riesz_solves: int
    """Solves with R and the mass matrix."""
    seconds: dict[str, float]
    """By stage, since the process started, without what the run does not answer for."""


class Trace:
    """The rows of a run, and what has been solved and how long it took since the run began.

    `since` are the counts that are not the run's; by default all so far. Time between the problem's being
    ready and the run's beginning is not charged to the run.
    """

    def __init__(self, problem: Problem, show: Show | None = None, since: Counts | None = None) -> None:
        self.rows: list[output.Row] = []
        self.first_met: dict[str, Any] | None = None
        """The work at the first point that met the target."""
        self._problem, self._show = problem, show
        self._counts = Counts(**asdict(since or problem.setup.forward.counts))
        self._riesz = 0 if since else self._solves()
        now = seconds()
        self._waited = {stage: now[stage] - problem.ready[stage] for stage in now}
        self._spent: Spent | None = None

    @property
    def spent(self) -> Spent:
        """What the run has taken so far, or until `end`."""
        if self._spent is not None:
            return self._spent
        now = self._problem.setup.forward.counts
        parts = {f.name: getattr(now, f.name) - getattr(self._counts, f.name) for f in fields(now)}
        passed = {stage: spent - self._waited[stage] for stage, spent in seconds().items()}
        return Spent(Counts(**parts), self._solves() - self._riesz, passed)

    def end(self) -> None:
        """Take nothing more into account."""
        self._spent = self.spent

    def work(self, point: Point) -> dict[str, Any]:
        """Counts and seconds so far, with what they have bought."""
        spent = self.spent
        with timed("output"):
            error = self._error(point)
        return {
            "state_solves": spent.counts.state_solves,
            "linear_solves": spent.counts.linear_solves,
            "seconds": sum(spent.seconds.values()),
            "misfit": point.misfit,
            "relative_error": error,
        }

    def look(self, point: Point) -> None:
        """Note the first point that meets the target; to be shown every point that is accepted."""
        if self.first_met is None and self._problem.met(point):
            self.first_met = self.work(point)

    def row(
        self,
        point: Point,
        weight: float | None,
        parameters: int,
        widths: tuple[int, ...] = (),
        vectors: int = 0,
        trials: int = 0,
    ) -> None:
        """Add an outer iteration; the first row is the start."""
        self.look(point)
        penalty = None if weight is None else self._problem.penalty(point.m, weight)
        record = Record(
            iteration=len(self.rows),
            coefficient=point.m,
            energy=None if penalty is None else point.misfit + penalty,
            misfit=point.misfit,
            regularisation=penalty,
            parameters=parameters,
            widths=widths,
            weight=weight,
            vectors=vectors,
            trials=trials,
        )
        work = self.work(point)
        row = output.Row(
            record, work["relative_error"], work["state_solves"], work["linear_solves"], 0, work["seconds"]
        )
        self.rows.append(row)
        if self._show is not None:
            self._show(row)

    def summary(self, method: str, stop_reason: StopReason, **more: Any) -> dict[str, Any]:
        """The program's summary of the run, with the method's own keys at the end; ends it; collective."""
        self.end()
        problem, spent = self._problem, self.spent
        setup, counts = problem.setup, spent.counts
        sigma = setup.data.sigma
        misfit = self.rows[-1].record.misfit
        return {
            "name": problem.case.name,
            "method": method,
            "status": output.status(stop_reason, target_known=problem.target is not None),
            "stop_reason": stop_reason,
            **output.records_summary(self.rows),
            "misfit_target": problem.target,
            "target_met": None if problem.target is None else misfit <= problem.target,
            "regularisation_kind": "h1",
            "length_scale": problem.length,
            "noise_level": None if sigma is None else float(np.sqrt(np.mean(sigma**2))),
            "chi2": None if sigma is None else 2.0 * misfit / len(setup.data.values),
            **asdict(counts),
            "linear_solves": counts.linear_solves,
            "riesz_solves": spent.riesz_solves,
            "coefficient_dofs": setup.coefficient.size,
            "state_dofs": setup.forward.size,
            "seed": problem.case.seed,
            **output.resources(problem.comm),
            "wall_seconds": sum(spent.seconds.values()),
            "seconds": spent.seconds,
            **more,
        }

    def _error(self, point: Point) -> float | None:
        error = self._problem.setup.error
        return None if error is None else error(point.m)

    def _solves(self) -> int:
        return sum(solver.solves for solver in self._problem.riesz_solvers)


def write(problem: Problem, folder: Path, trace: Trace, summary: dict[str, Any]) -> None:
    """case.yaml, history.csv and summary.json into the folder; collective."""

    def files() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.yaml").write_text(effective_yaml(problem.case))
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(row.cells() for row in trace.rows)
        output.write_json(folder / "summary.json", summary)

    on_root(problem.comm, files)


def write_alone(folder: Path, summary: dict[str, Any]) -> None:
    """summary.json of a method that could not run; serial."""
    folder.mkdir(parents=True, exist_ok=True)
    output.write_json(folder / "summary.json", summary)
