"""What every energy is built into: a problem that the flow can minimise, and a report of what came of it."""

import gc
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.case import BaseCase, canonical_case
from app.flow import Evaluation, FlowState, Method, Minimisation, StopReason, advance, begun, complete, grown
from app.mesh import JointOrder, NodeOrder
from app.output import Coefficient, Losses
from app.parallel import Clock, Tally, on_root
from app.parallel.blocks import PETSc
from app.pde import Counts
from app.types import Summary, Untyped


class Report(Protocol):
    """What is said, written and drawn of a run; all methods are collective and alike on all ranks."""

    @property
    def target(self) -> float | None:
        """The misfit at which the data are explained, where it is known."""

    @property
    def names(self) -> list[str]:
        """Of several unknowns those whose errors are known."""

    def opening(self) -> list[str]:
        """What is said before the first iteration."""

    def error(self, m: np.ndarray) -> float | dict[str, float] | None:
        """Relative error of owned nodal values, of several unknowns one for each whose truth is known."""

    def summary(self, state: FlowState, reason: StopReason) -> Summary:
        """The run in numbers, but for the resources it took."""

    def coefficient(self, state: FlowState) -> Coefficient:
        """The coefficient as a function."""

    def write(self, state: FlowState, folder: Path, lost: Losses) -> str | None:
        """Write fields and pictures into the folder; returns why there is no picture, if so."""


class Counting(Protocol):
    """Counts solves with a state operator."""

    @property
    def counts(self) -> Counts:
        """So far."""


@dataclass(frozen=True, eq=False)
class WorkMeter:
    """Solves and seconds of a problem since it was built, see app.flow.Meter."""

    clock: Clock
    forward: Counting | None = None
    """None where no state operator is solved with."""
    riesz: Tally = field(default_factory=Tally)
    """Of all inner products that are made."""

    def read(self) -> dict[str, float]:
        """Every count by its name, and `seconds_STAGE` by stage."""
        counts = Counts() if self.forward is None else self.forward.counts
        return {
            **asdict(counts),
            "linear_solves": counts.linear_solves,
            "riesz_solves": self.riesz.solves,
            "selection_riesz_solves": self.riesz.by_stage["selection"],
            **{f"seconds_{stage}": spent for stage, spent in self.clock.seconds().items()},
        }


@dataclass(frozen=True, eq=False)
class Problem:
    """A case with its mesh, data, energy and start: all that `--check` makes sure of.

    Owns what was made for it; `close` releases matrices and factorisations (collective), and so does leaving
    it as a context manager.
    """

    case: BaseCase
    comm: MPI.Comm
    minimisation: Minimisation
    method: Method
    report: Report
    clock: Clock
    order: NodeOrder | JointOrder
    """Of the coefficient's nodal values, independent of the partition."""
    points: Mapping[str, np.ndarray]
    """Where the nodal values of each unknown are, shape (owned, inputs)."""
    at_start: Evaluation | None
    """The energy at the start, if it was evaluated already."""
    built: Mapping[str, float] = field(default_factory=dict)
    """What the meter read when the problem had been built: every run is charged with it once."""
    earlier: Untyped = None
    """What it took over of an earlier run (app.problem.continued.Earlier), if anything."""

    @cached_property
    def identity(self) -> Summary:
        """All that determines the run, by which checkpoints are told apart (see app.case.canonical_case);
        collective."""
        return on_root(self.comm, lambda: canonical_case(self.case))

    def start(self) -> FlowState:
        """The state before the first iteration; collective. Raises SolveFailed on all ranks alike."""
        meter = self.minimisation.meter
        with self.clock.running():
            before = meter.read()
            at = self.at_start or self.minimisation.energy.at(self.minimisation.start.values())
            spent = grown(self.built, before, meter.read())
            return begun(self.minimisation, at, self.method, spent)

    def advance(self, state: FlowState) -> FlowState:
        """The state after one more outer iteration, or after the selection; see app.flow.advance."""
        with self.clock.running():
            return advance(self.minimisation, self.method, state)

    def complete(self, state: FlowState) -> FlowState:
        """The state with what is not saved of it, made again where it is missing; collective."""
        with self.clock.running():
            return complete(self.minimisation, self.method, state)

    def spent_since(self, state: FlowState) -> dict[str, float]:
        """What was spent until now, what came after a state included; on this rank."""
        now = self.minimisation.meter.read()
        return grown(state.spent, state.read or now, now)

    def close(self) -> None:
        """Release what was made; collective, and nothing where it was done."""
        self.minimisation.owned.close()
        gc.collect()  # what is held in circles, such as meshes and their functions
        PETSc.garbage_cleanup(self.comm)  # petsc4py keeps what was collected on ranks until all ask

    def __enter__(self) -> "Problem":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """After an error that is perhaps this rank's only the others do not come to release things too."""
        if error is None or self.comm.size == 1 or getattr(error, "agreed", False):
            self.close()
