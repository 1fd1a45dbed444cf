"""What every energy is built into: a problem that the flow can minimise, and a report of what came of it."""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.case import BaseCase, CaseError, canonical_case
from app.flow import (
    ONWARD,
    Evaluation,
    FlowState,
    Method,
    Minimisation,
    StopReason,
    advance,
    begun,
    complete,
    grown,
    refine,
)
from app.mesh import JointOrder, NodeOrder
from app.output import Coefficient, Losses
from app.output.predictions import summarised
from app.parallel import Clock, Tally, known_to_all, on_root, timed
from app.parallel.blocks import PETSc
from app.pde import Counts
from app.posterior import Drawn, GaussianPosterior, Posterior, Predictions
from app.problem.chains import Sampling
from app.problem.design import Designed, DesignOf, Wanted
from app.problem.work import work_on
from app.types import Summary, Untyped

UNFINISHED: tuple[StopReason, ...] = ("interrupted", "time_limit", "error")
"""Reasons to stop that leave no result to be sure of."""

AT_MINIMUM: tuple[StopReason, ...] = ("minimum", "noise_not_met", "tolerance")
"""Reasons to stop at the minimum of the energy."""


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

    def error(self, at: Evaluation) -> float | Mapping[str, float] | None:
        """Relative error of an evaluation's m, of several unknowns one for each whose truth is known."""

    def refined(self, state: FlowState) -> str:
        """What is said of the step to the finer mesh where the run is."""

    def summary(self, state: FlowState, reason: StopReason) -> Summary:
        """The run in numbers, but for the resources it took."""

    def verdict(self, state: FlowState, reason: StopReason, sure: "Uncertainty") -> Summary:
        """The section `verdict` of summary.json, where there are readings whose fit can be judged."""

    def coefficient(self, state: FlowState) -> Coefficient:
        """The coefficient as a function."""

    def write(self, state: FlowState, folder: Path, lost: Losses, posterior: Posterior | None) -> None:
        """Write fields and pictures into the folder, as far as possible."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The posterior, where there is one, and what is told of it; nothing of energies that have none."""

    posterior: Posterior | None = None
    told: Summary = field(default_factory=dict)
    """The section `posterior` of summary.json, see docs/running.md."""
    predictions: Predictions | None = None
    """What the case predicts, if anything."""
    sample: Callable[..., Sampling] | None = None
    """Makes the Markov chains, where the case asks for some; `quantities` are told of each draw, see
    app.problem.likelihood. Collective, raises SolveFailed on all ranks."""

    def with_chains(self, drawn: Drawn, told: Summary) -> "Uncertainty":
        """With what they have found."""
        assert isinstance(self.posterior, GaussianPosterior)
        posterior = replace(self.posterior, drawn=drawn)
        return replace(self, posterior=posterior, told={**self.told, "chains": told}, sample=None)

    @property
    def summary(self) -> Summary:
        """The sections under their names."""
        predictions = {} if self.predictions is None else {"predictions": summarised(self.predictions)}
        return ({"posterior": self.told} if self.told else {}) | predictions


class Counting(Protocol):
    """Counts solves with a state operator."""

    @property
    def counts(self) -> Counts:
        """So far."""


@dataclass(frozen=True, eq=False)
class WorkMeter:
    """Solves and seconds of a problem since it was built, see app.flow.Meter."""

    clock: Clock
    forward: Sequence[Counting] = ()
    """The models of all meshes; none where no state operator is solved with."""
    riesz: Sequence[Tally] = ()
    """Of all inner products that are made, those of each mesh together."""

    def read(self) -> dict[str, float]:
        """Every count by its name, `seconds_STAGE` by stage, and what was done on each mesh, see work_on."""
        each = [one.counts for one in self.forward] or [Counts()]
        numbered = enumerate(zip(self.forward, self.riesz, strict=False))
        on_meshes = [work_on(number, model.counts, riesz) for number, (model, riesz) in numbered]
        told = [{**asdict(counts), "linear_solves": counts.linear_solves} for counts in each]
        return {
            **{name: sum(counts[name] for counts in told) for name in told[0]},
            "riesz_solves": sum(tally.solves for tally in self.riesz),
            "selection_riesz_solves": sum(tally.by_stage["selection"] for tally in self.riesz),
            **{name: value for mesh in on_meshes for name, value in mesh.items()},
            **{f"seconds_{stage}": spent for stage, spent in self.clock.seconds().items()},
        }


class Level(Protocol):
    """A finer mesh of a problem."""

    @property
    def order(self) -> NodeOrder | JointOrder:
        """See Problem."""

    def seen(self, before: Minimisation) -> Minimisation:
        """The minimisation there over networks at the nodes of a coarser mesh, from that on the mesh
        before."""

    def own(self, before: Minimisation) -> Minimisation:
        """The minimisation there with nodes of its own, from that on the mesh before; collective."""


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
    finer: Sequence[Level] = ()
    """The finer meshes on which the run goes on; the last is the case's own."""
    uncertainty_of: Callable[[Minimisation, FlowState, StopReason], Uncertainty] | None = None
    """Works out how sure a result is, where its energy has that."""
    moves_on: bool = False
    """Whether a network moves on to the nodes of each finer mesh, where its energy is minimised anew."""
    predictions_of: Callable[[FlowState, Posterior | None], Predictions | None] | None = None
    """Works out what its case predicts, likewise."""
    design_of: DesignOf | None = None
    """Designs measurements, likewise."""
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
            at = self.at_start or self.minimisation.at(self.minimisation.start)
            spent = grown(self.built, before, meter.read())
            return begun(self.minimisation, at, self.method, spent)

    def advance(self, state: FlowState) -> FlowState:
        """The state after one more outer iteration, after the selection or on the next finer mesh; see
        app.flow.advance and app.flow.refine."""
        with self.clock.running():
            if state.settled or (state.stage == "selection" and state.level < len(self.finer)):
                state, before = self._refined(state), state.level
                if state.level > before or state.stop_reason is not None:
                    return self._onward(state)
            after = advance(self.on(state.level, state.base), self.method, state)
        return self._onward(after)

    def _refined(self, state: FlowState) -> FlowState:
        """The state on the next finer mesh, or as it was if it is to be selected on its own."""
        state = complete(self.on(state.level, state.base), self.method, state)
        own_nodes = self.moves_on or state.representation.network is None or state.stage == "phases"
        finer = self.on(state.level + 1, state.level + 1 if own_nodes else state.base)
        after = refine(finer, self.method, state)
        if after.level == state.level:
            return after
        return replace(after, notes=(*after.notes, self.report.refined(after)))

    def _onward(self, state: FlowState) -> FlowState:
        """The state, on its way to the next finer mesh where a mesh has nothing more to give."""
        if state.stop_reason in ONWARD and state.level < len(self.finer):
            return replace(state, stop_reason=None, settled=True)
        return state

    def complete(self, state: FlowState) -> FlowState:
        """The state with what is not saved of it, made again where it is missing; collective."""
        with self.clock.running():
            return complete(self.on(state.level, state.base), self.method, state)

    def uncertainty(self, state: FlowState, reason: StopReason) -> Uncertainty:
        """How sure the result of a complete state is; collective."""
        with self.clock.running(), timed("posterior"):
            found = self._without_predictions(state, reason)
            if self.predictions_of is None:
                return found
            return replace(found, predictions=self.predictions_of(state, found.posterior))

    def designed(self, state: FlowState, wanted: Wanted, posterior: Posterior | None = None) -> Designed:
        """Measurements that are to follow the result of a complete state, whose posterior may be known;
        collective.

        Raises InputError on all ranks alike, also where there is no posterior.
        """
        with self.clock.running(), timed("posterior"):
            if posterior is None:
                found = self._without_predictions(state, state.stop_reason or "interrupted")
                posterior, why = found.posterior, found.told.get("note", "this energy has none")
            if posterior is None or self.design_of is None:
                expected = "a run to its end with one"
                where = self.case.where("energy")
                raise CaseError([f"{where}: found no posterior ({why}), expected {expected}"])
            return self.design_of(state, posterior, wanted)

    def _without_predictions(self, state: FlowState, reason: StopReason) -> Uncertainty:
        if self.uncertainty_of is None:
            return Uncertainty()
        return self.uncertainty_of(self.on(state.level, state.base), state, reason)

    def on(self, level: int, base: int) -> Minimisation:
        """What is minimised on a mesh at the nodes of another, the base, that is the same or coarser; the
        coarsest mesh has the number 0."""
        if level == 0:
            return self.minimisation
        if (level, base) not in self._on:
            finer, own = self.finer[level - 1], level <= base
            before = self.on(level - 1, min(base, level - 1))
            self._on[level, base] = finer.own(before) if own else finer.seen(before)
        return self._on[level, base]

    @cached_property
    def _on(self) -> dict[tuple[int, int], Minimisation]:
        """Of the finer meshes, made when they are first asked for."""
        return {}

    def order_on(self, base: int) -> NodeOrder | JointOrder:
        """Of the values at the nodes of a mesh."""
        return self.finer[base - 1].order if base else self.order

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
        if error is None or known_to_all(error, self.comm):
            self.close()
