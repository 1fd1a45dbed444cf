"""One outer iteration: a model is built, a step of it is searched for, and whether that ends the stage."""

from contextlib import closing
from dataclasses import replace

import numpy as np

from app.flow.builders import Built
from app.flow.minimiser import Minimiser
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation, Evaluation
from app.flow.records import Record, StopReason
from app.flow.state import FlowState
from app.flow.stopping import Stopping
from app.flow.trials import Effort, Renewal, penalty_at, record_of, search
from app.method import Method
from app.parallel import check_identical
from app.types import Untyped


def after_iteration(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After one more outer iteration."""
    at: AnyEvaluation = state.evaluation
    departure = at.m - problem.reference
    exact, memory = state.exact, state.model
    if not isinstance(exact, Minimiser):
        builder: Untyped = problem.builder
        built = builder.build(problem.energy, at, departure, memory)
        with closing(built):
            return _stepped(problem, method, state, built, builder, problem.stopping, departure)
    assert exact.factors is not None
    own, given = exact.builder, (at, departure, state.representation)
    built = own.build(*given, memory, exact.factors)
    return _stepped(
        problem,
        method,
        state,
        built,
        own,
        exact.stopping,
        departure,
        lambda before, model: own.renewed(before, model, *given),
    )


def _stepped(
    problem: Minimisation,
    method: Method,
    state: FlowState,
    built: Built,
    builder: Untyped,
    stopping: Stopping,
    departure: np.ndarray,
    renewed: Renewal | None = None,
) -> FlowState:
    """After the step of a model that was built, or after the iteration in vain."""
    at: AnyEvaluation = state.evaluation
    trial, effort, built = search(problem, method, state, at, built, stopping, departure, renewed)
    exact = state.exact
    if isinstance(exact, Minimiser):
        exact = replace(exact, factors=built.factors)
    if trial is None:
        return _in_vain(problem, replace(state, exact=exact), built, effort, departure)
    proposal = trial.proposal
    memory = builder.learned(built.memory, trial.ratio, trial.model)
    step, own = problem.step.accepted(proposal), proposal.representation
    if effort.rejected and problem.step.strayed(proposal) and exact is None:
        closer = builder.closely(memory, at)
        if closer is not None:
            memory, step = closer, problem.step.following_closely(own, step)
    if own.network is not None:
        check_identical(built.R.comm, own.theta, "the network's parameters")
    record = record_of(len(state.records), built, trial, effort)
    notes: tuple[str, ...] = ()
    narrow = record.capture is not None and record.capture < method.trials.crowded
    if problem.step.full(own) and narrow and not state.crowded:
        notes = (
            f"the network is as wide as it may be and takes {record.capture:.2f} of the ideal decrease: "
            "a larger max_width would help",
        )
    after = replace(
        state,
        representation=own,
        step=step,
        model=memory,
        records=(*state.records, record),
        crowded=state.crowded or bool(notes),
        notes=notes,
        evaluation=trial.evaluation,
        exact=exact,
    )
    if isinstance(exact, Minimiser):
        return replace(after, stop_reason=stopping(after.here, trial.evaluation))
    return judged(problem, after, trial.evaluation)


def _in_vain(
    problem: Minimisation, state: FlowState, built: Built, effort: Effort, departure: np.ndarray
) -> FlowState:
    """After an iteration without an accepted trial.

    Where the first step promised too little the network stays as it was; else it keeps what grew, with m
    unchanged but for rounding. Where the data are to choose next, the evaluation is made again, since the
    energy was last asked for a rejected trial.
    """
    arrived = effort.rejected == 0
    own = state.representation if arrived else effort.base.representation
    if arrived:
        effort = replace(effort, growth=())
    at: AnyEvaluation = state.evaluation
    penalty = penalty_at(built.R, built.model.weight, departure)
    record = Record(
        iteration=len(state.records),
        energy=at.value + penalty,
        misfit=at.value,
        regularisation=penalty,
        parameters=own.size,
        widths=own.widths,
        weight=built.model.weight,
        vectors=built.vectors,
        trials=effort.rejected,
        inner_iterations=effort.inner_steps,
        expansions=len(effort.growth),
        growth=effort.growth,
    )
    selects = problem.selection is not None and state.stage == "approach" and not arrived
    evaluation = at if own is state.representation else None
    if selects:
        evaluation = problem.at(own, near=at)
    return replace(
        state,
        stage="selection" if selects else state.stage,
        representation=own,
        step=effort.base.state,
        model=built.memory,
        records=(*state.records, record),
        stop_reason=None if selects else "minimum" if arrived else "no_accepted_step",
        notes=(),
        evaluation=evaluation,
    )


def judged(problem: Minimisation, state: FlowState, at: Evaluation) -> FlowState:
    """The state with the reason why the approach is over, or on its way to the selection."""
    reason = problem.stopping(state.here, at)
    if problem.selection is not None and reason in ("near", "stalled"):
        notes = *state.notes, *_stall(problem, state, reason)
        return replace(state, stage="selection", notes=notes, stop_reason=None)
    return replace(state, stop_reason=reason)


def _stall(problem: Minimisation, state: FlowState, reason: StopReason) -> tuple[str, ...]:
    """What is said of an approach that does not come to its target."""
    if reason != "stalled" or problem.target is None:
        return ()
    times = state.records[-1].misfit / problem.target
    told = f"the misfit hardly falls any more and is {times:.3g} times its target"
    return (f"{told}: the regularisation is chosen at this coefficient",)
