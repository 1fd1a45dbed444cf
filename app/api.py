"""From Python: load a case, build its problem, iterate or solve it, and evaluate what was found.

The same under MPI, where every function is collective. Several problems may be alive in a process, each with
a clock and counts of its own; whoever built one closes it, or uses it as a context manager.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import app.wheel  # noqa: F401
from app.types import Summary

# isort: split
import numpy as np
from mpi4py import MPI

from app import case as _case
from app import output
from app.case import BaseCase
from app.data.places import InlineRows, Places
from app.energy.restricted import on_its_mesh
from app.flow import FlowState, Method, Record, StopReason
from app.output import Coefficient
from app.parallel import on_root
from app.posterior import Posterior, Predictions
from app.problem import Problem, Uncertainty, continued, earlier
from app.problem import build as _build
from app.problem.design import Designed, Wanted
from app.run import read_state, save_case, save_state, write_results

if TYPE_CHECKING:
    import torch

Observer = Callable[[FlowState], None]
"""Is shown each state, on all ranks."""


def load_case(path: str | Path, set: Sequence[str] = ()) -> BaseCase:
    """The case of a YAML file, with dotted keys overridden as on the command line (`"mesh.cells=[64,64]"`).

    Every rank reads the file. Raises app.case.InputError with file, line, what was found and what is
    expected.
    """
    return _case.load_case(Path(path), list(set))


def build(
    case: BaseCase,
    comm: MPI.Comm = MPI.COMM_WORLD,
    *,
    method: Method | None = None,
    allow_code: bool = False,
) -> Problem:
    """The problem of a case: mesh, data, energy and start; the state equation is solved for the first time.

    `method` holds the flow's constants, but for those that the case's section `method` sets. A case that
    names a Python file runs only if code is allowed. Collective; raises app.case.InputError on all ranks.
    """
    _one_thread()
    return _build(case, comm, method=method, allow_code=allow_code)


def iterate(problem: Problem, state: FlowState | None = None) -> Iterator[FlowState]:
    """The states of a run, one after each outer iteration and after the selection of the regularisation, from
    the start on or behind a state; collective.

    Stop whenever you like, and go on later from the last state, or from an earlier one.
    """
    if state is None:
        state = problem.start()
        yield state
    while state.stop_reason is None:
        state = problem.advance(state)
        yield state


def solve(problem: Problem, state: FlowState | None = None, observers: Sequence[Observer] = ()) -> "Solution":
    """Run to the end, from the start or from a state, and return what was found; collective."""
    last = state
    for last in iterate(problem, state):
        for observer in observers:
            observer(last)
    assert last is not None
    return solution(problem, last)


def solution(problem: Problem, state: FlowState) -> "Solution":
    """What a state amounts to, also before the end of a run; collective."""
    state = problem.complete(state)
    reason: StopReason = state.stop_reason or "interrupted"
    with problem.clock.running():
        sure = problem.uncertainty(state, reason)
        summary = problem.report.summary(state, reason) | sure.summary
        summary |= problem.report.verdict(state, reason, sure)
        coefficient = problem.report.coefficient(state)
    return Solution(coefficient, summary, problem, state, sure)


def continue_from(problem: Problem, folder: str | Path) -> Problem:
    """The problem with the network of an earlier run's results as its start and, unless the case says
    otherwise, the regularisation and weight that it chose: for another mesh, other data, more readings.

    Nodal values are interpolated. Collective; raises app.problem.NotContinued or app.output.NoResult on all
    ranks.
    """
    found = load_result(folder, problem.comm)
    return continued(problem, earlier(problem, found.coefficient, found.summary))


def load_state(problem: Problem, folder: str | Path) -> FlowState:
    """The state of the last checkpoint in results of the same case, on any number of ranks; collective.

    Raises app.output.NoCheckpoint on all ranks.
    """
    return read_state(problem, Path(folder))[1]


def load_result(folder: str | Path, comm: MPI.Comm = MPI.COMM_SELF) -> "Result":
    """What a run has written, also from a copy of its folder and on another number of ranks; collective.

    Raises app.output.NoResult on all ranks for a folder without results.
    """
    _one_thread()
    path = Path(folder)
    return Result(output.read_coefficient(path, comm), output.read_summary(path, comm), path)


@dataclass(frozen=True, eq=False)
class Function:
    """A coefficient that can be evaluated anywhere in the domain."""

    coefficient: Coefficient
    summary: Summary
    """The run in numbers, as summary.json has them; of a run that is not over those of its state."""

    def evaluate(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Values by name at points of shape (n, dimension), of a parametric family (n, dimension +
        parameters); shape (n,), the same on all ranks.

        `m` is the unknown's own name; beside it is `exp_m` where the equation has exp(m). Collective; raises
        app.mesh.PointOutside on all ranks for a point outside of the domain.
        """
        return self.coefficient.evaluate(points)

    def networks(self) -> "dict[str, torch.nn.Module]":
        """The network of each unknown as a torch module: it maps points (n, inputs) to values (n,), in
        float64; none of nodal values. Raises ValueError where the reference is not a constant."""
        return self.coefficient.modules()


@dataclass(frozen=True, eq=False)
class Result(Function):
    """What was read of a run's folder."""

    folder: Path

    def std(self, points: np.ndarray, *, prior: bool = False) -> dict[str, np.ndarray]:
        """Standard deviation of each unknown, or the one before the data, at points as `evaluate` takes them;
        collective. Raises app.output.NoResult where the run left none, PointOutside on all ranks."""
        return output.read_deviations(self.coefficient, self.folder, prior=prior).evaluate(points)


@dataclass(frozen=True, eq=False)
class Solution(Function):
    """What a run has found, in memory; good for as long as its problem is open."""

    problem: Problem
    state: FlowState
    uncertainty: Uncertainty
    """The posterior, where there is one, and what is told of it."""

    @property
    def posterior(self) -> Posterior:
        """At the mesh's nodes, that of the linearised problem or of the interfaces of phases: `mean`, `std`,
        `std_prior`, `resolved`, `fields`, `quantile(p)`, `sample(k)`, `covariance_product(block)`; of phases
        `probabilities`, `sizes` and `values` too. Raises ValueError, which says why, where there is none."""
        return _had(self.uncertainty)

    def std(self, points: np.ndarray, *, prior: bool = False) -> dict[str, np.ndarray]:
        """Standard deviation of each unknown, or the one before the data, at points as `evaluate` takes them;
        collective. Raises ValueError where there is no posterior, PointOutside on all ranks."""
        values = self.posterior.std_prior if prior else self.posterior.std
        return self.coefficient.with_values(values).evaluate(points)

    @property
    def predictions(self) -> Predictions | None:
        """What the case predicts, None if nothing: `labels`, `value`, `std`, `std_prior`, `quantiles`."""
        return self.uncertainty.predictions

    def design(
        self,
        places: np.ndarray | Sequence[str],
        number: int,
        *,
        aim: Literal["mean", "predictions"] = "mean",
        observation: str | None = None,
        sigma: float | np.ndarray | None = None,
    ) -> Designed:
        """Choose so many of the places where to measure next, for a small mean variance of the unknowns or of
        the case's predictions; collective.

        Places are rows with what the table of the `observation` has but for the reading, such as coordinates
        and a time, or names of parts of the mesh; noise and all else is that of the observation, of the first
        of points unless it is named. Raises app.case.InputError on all ranks, also where there is no
        posterior.
        """
        rows = tuple((row,) if isinstance(row, str) else tuple(map(float, row)) for row in places)
        candidates = Places(InlineRows("candidates", rows))
        wanted = Wanted(candidates=candidates, number=number, observation=observation, sigma=sigma, aim=aim)
        return self.problem.designed(self.state, wanted, self.uncertainty.posterior)

    @property
    def m(self) -> np.ndarray:
        """Nodal values of the rank's owned nodes, of several unknowns one's after the other's."""
        values: np.ndarray = on_its_mesh(self.state.evaluation).m
        return values

    @property
    def history(self) -> tuple[Record, ...]:
        """One record an outer iteration, the start's first."""
        return self.state.records

    def figures(self, folder: str | Path) -> list[Path]:
        """Draw the pictures of a run's results into a folder, beside the fields for ParaView; collective.

        Raises app.output.Unwritten on all ranks.
        """
        path, lost = Path(folder), output.Losses()
        on_root(self.problem.comm, lambda: path.mkdir(parents=True, exist_ok=True))
        with self.problem.clock.running():
            self.problem.report.write(self.state, path, lost, self.uncertainty.posterior)
            picture, comm = path / "expansion.png", self.problem.comm
            formats = self.problem.case.output.figures
            lost.draw(picture, lambda: output.draw_expansion(comm, picture, self.state.records, formats))
        lost.check(path)
        return on_root(self.problem.comm, lambda: sorted(path.glob("*.png")))

    def save(self, folder: str | Path) -> None:
        """Write everything that a run on the command line leaves, a checkpoint included; collective.

        Raises app.output.Unwritten, or OSError, on all ranks.
        """
        path, reason, lost = Path(folder), self.state.stop_reason or "interrupted", output.Losses()
        on_root(self.problem.comm, lambda: path.mkdir(parents=True, exist_ok=True))
        with self.problem.clock.running():
            output.History(path, self.problem.comm, self.problem.report.names).state(self.state)
            save_case(self.problem, path)
            save_state(self.problem, self.state, path)
            write_results(self.problem, self.state, reason, path, lost, self.uncertainty)
        lost.check(path)


def _had(found: Uncertainty) -> Posterior:
    if found.posterior is None:
        why = found.told.get("note", "this energy has none")
        raise ValueError(f"found no posterior ({why}), expected a run to its end with one")
    return found.posterior


def _one_thread() -> None:
    """Keep torch, where it is there already or comes later, to one thread a rank."""
    from app.network import one_thread

    one_thread()
