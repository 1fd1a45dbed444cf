"""One outer iteration: model, step, trial by the true energy, stopping; and how a run starts."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from app.flow.builders import Built
from app.flow.exact import ExactBuilder, Factors
from app.flow.method import Method
from app.flow.models import GaussNewtonModel, Model
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation, Evaluation, InnerProduct
from app.flow.records import Expansion, Record, StopReason
from app.flow.selection import Chosen, chosen_again, select
from app.flow.state import Exact, FlowState
from app.flow.steps import Base, Proposal
from app.flow.stopping import AtMinimum, Stopping
from app.parallel import SolveFailed, check_identical, gram
from app.types import Untyped

SECONDS = "seconds_"
"""How a meter names times: they go on while nothing is computed for the run."""


def start(problem: Minimisation, method: Method) -> FlowState:
    """The state before the first iteration; collective. Raises SolveFailed on all ranks where the energy has
    no value at the start."""
    return begun(problem, problem.energy.at(problem.start.values()), method)


def begun(
    problem: Minimisation, at: Evaluation, method: Method, spent: Mapping[str, float] | None = None
) -> FlowState:
    """The same where the evaluation at the start is known; `spent` is what the run is charged with, by
    default all that the meter reads."""
    own = problem.start
    error, now = problem.truth.error(at.m), problem.meter.read()
    spent = now if spent is None else spent
    record = Record(0, None, at.value, None, own.size, own.widths, spent=spent, relative_error=error)
    state = FlowState(
        "approach", own, problem.state, problem.builder.first(), (record,), spent, now, evaluation=at
    )
    return _judged(problem, state, at)


def iterate(problem: Minimisation, method: Method, state: FlowState) -> Iterator[FlowState]:
    """The states after a state, until the run is over; collective."""
    while state.stop_reason is None:
        state = advance(problem, method, state)
        yield state


def advance(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """The state after one more outer iteration, or after the selection of the regularisation; collective.

    Changes nothing: from one state it gives one result, to the last bit on the same number of ranks, but for
    `spent`, which is what it took. What the state has lost of what need not be saved is made again, and not
    counted. Raises ValueError for a run that is over; a solve that fails outside of a trial ends the run with
    the reason `error`.
    """
    if state.stop_reason is not None:
        raise ValueError(f"found a run that is over ({state.stop_reason}), expected one that goes on")
    try:
        state = complete(problem, method, state)
        before = problem.meter.read()
        if state.stage == "selection":
            after = _selected(problem, method, state)
        else:
            after = _iterated(problem, method, state)
    except SolveFailed as failure:  # of an adjoint or a Riesz problem: nothing to retry
        what = "the sketch of all readings" if state.stage == "selection" else "the iteration"
        return replace(state, stop_reason="error", notes=(f"{what} failed: {failure}",))
    if after.stop_reason == "minimum" and _unmet(problem, method, after):
        after = replace(after, stop_reason="noise_not_met")
    now = problem.meter.read()
    spent = grown(state.spent, before, now, state.read)
    records = after.records
    if len(records) > len(state.records):
        error = records[-2].relative_error
        if after.evaluation is not None and after.evaluation is not state.evaluation:
            error = problem.truth.error(after.evaluation.m)
        records = (*records[:-1], replace(records[-1], spent=spent, relative_error=error))
    return replace(after, records=records, spent=spent, read=now)


def grown(
    spent: Mapping[str, float],
    before: Mapping[str, float],
    now: Mapping[str, float],
    since: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """What was spent, with what a meter read in between; seconds count from `since`, if that is known."""
    return {
        name: spent.get(name, 0)
        + value
        - (since if since and name.startswith(SECONDS) else before).get(name, 0)
        for name, value in now.items()
    }


def complete(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """The state with its evaluation, and in the minimisation with R and J, made again where they are missing;
    collective, raises SolveFailed."""
    exact, at = state.exact, state.evaluation
    if state.stage == "minimisation" and exact is None:
        assert state.selected is not None
        chosen = chosen_again(problem, state.selected)
        exact = _Minimiser.of(problem, method, state, chosen)
        there: AnyEvaluation = problem.energy.at(state.model.taken.anchor.values())
        factors = exact.builder.again(there, there.m - problem.reference, state.model)
        exact, at = replace(exact, factors=factors), None
    if at is None:  # last, since what the energy was last asked for costs no factorisation
        at = problem.energy.at(state.representation.values())
    return replace(state, evaluation=at, exact=exact)


@dataclass(frozen=True, eq=False)
class _Minimiser:
    """What the minimisation goes by: made from what the data chose."""

    builder: ExactBuilder
    stopping: AtMinimum
    chosen: Chosen
    factors: Factors | None = None

    @staticmethod
    def of(problem: Minimisation, method: Method, state: FlowState, chosen: Chosen) -> "_Minimiser":
        """Without J."""
        selected = state.selected
        assert selected is not None
        noise = 0.5 * selected.freedom * selected.spread**2
        stopping = AtMinimum(selected.iteration, problem.max_iterations, noise, method.stopping)
        return _Minimiser(ExactBuilder(chosen.R, selected.weight, stopping, method), stopping, chosen)


@dataclass(frozen=True, eq=False)
class _Trial:
    """An accepted step."""

    proposal: Proposal
    model: Model
    evaluation: Evaluation
    energy: float
    ratio: float
    gained: float
    """Decrease of the energy."""
    scale: float
    """What the stopping rule measures it by."""

    @property
    def gain(self) -> float:
        """The decrease as a share of the scale."""
        return self.gained / self.scale if self.scale > 0 else np.inf


@dataclass(frozen=True, eq=False)
class _Effort:
    """What an iteration took, and where it ended if no trial was accepted."""

    base: Base
    rejected: int = 0
    inner_steps: int = 0
    growth: tuple[Expansion, ...] = ()


def _unmet(problem: Minimisation, method: Method, state: FlowState) -> bool:
    """Whether the misfit is far above what the noise accounts for."""
    target = problem.target
    return target is not None and state.records[-1].misfit > method.stopping.unmet * target


def _selected(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After the data have chosen R and w."""
    at: AnyEvaluation = state.evaluation
    chosen, selected, sketch = select(problem, method, at, state.records[-1])
    state = replace(state, stage="minimisation", selected=selected, notes=())
    minimiser = _Minimiser.of(problem, method, state, chosen)
    memory, factors = minimiser.builder.from_sketch(sketch, state.representation)
    step = problem.step.following_closely(state.representation, state.step)
    state = replace(state, model=memory, step=step, exact=replace(minimiser, factors=factors))
    return replace(state, stop_reason=minimiser.stopping(state.records, at))


def _iterated(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After one more outer iteration."""
    at: AnyEvaluation = state.evaluation
    departure = at.m - problem.reference
    exact, stopping = state.exact, problem.stopping
    builder: Untyped = problem.builder
    if isinstance(exact, _Minimiser):
        assert exact.factors is not None
        builder, stopping = exact.builder, exact.stopping
        given = (problem.energy, at, departure, state.model, exact.factors, state.representation)
        built, factors = builder.build(*given)
        exact = replace(exact, factors=factors)
    else:
        built = builder.build(problem.energy, at, departure, state.model)
    with closing(built):
        return _stepped(problem, method, state, built, exact, builder, stopping, departure)


def _stepped(
    problem: Minimisation,
    method: Method,
    state: FlowState,
    built: Built,
    exact: Exact,
    builder: Untyped,
    stopping: Stopping,
    departure: np.ndarray,
) -> FlowState:
    """After the step of a model that was built, or after the iteration in vain."""
    at: AnyEvaluation = state.evaluation
    trial, effort = _search(problem, method, state, at, built, stopping, departure)
    if trial is None:
        return _in_vain(problem, state, built, effort, departure)
    proposal = trial.proposal
    memory = builder.learned(built.memory, trial.ratio, trial.model)
    step, own = problem.step.accepted(proposal), proposal.representation
    if effort.rejected and problem.step.strayed(proposal) and exact is None:
        closer = builder.closely(memory, at)
        if closer is not None:
            memory, step = closer, problem.step.following_closely(own, step)
    if own.network is not None:
        check_identical(built.R.comm, own.theta, "the network's parameters")
    record = _record(len(state.records), built, trial, effort)
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
    if isinstance(exact, _Minimiser):
        return replace(after, stop_reason=stopping(after.records, trial.evaluation))
    return _judged(problem, after, trial.evaluation)


def _judged(problem: Minimisation, state: FlowState, at: Evaluation) -> FlowState:
    """The state with the reason why the approach is over, or on its way to the selection."""
    reason = problem.stopping(state.records, at)
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


def _search(
    problem: Minimisation,
    method: Method,
    state: FlowState,
    at: Evaluation,
    built: Built,
    stopping: Stopping,
    departure: np.ndarray,
) -> tuple[_Trial | None, _Effort]:
    """The accepted trial, and what it took.

    No trial if too many were rejected, or, then with none rejected, if the first step promises too little.
    """
    model, step = built.model, problem.step
    before = at.value + _penalty(built.R, model.weight, departure)
    scale = stopping.scale(before, at)
    effort = _Effort(Base(state.representation, at.m, state.step))
    while True:
        proposal = step.propose(effort.base, model, scale)
        effort = replace(
            effort,
            base=proposal.base,
            inner_steps=effort.inner_steps + proposal.inner_steps,
            growth=effort.growth + proposal.growth,
        )
        first = effort.rejected == 0 and not model.damped
        if first and proposal.predicted < stopping.least_gain * scale:
            return None, effort
        trial = _tried(problem, built, model, proposal, at, before, scale)
        if trial is not None and trial.ratio > method.trials.accept:
            return trial, effort
        effort = replace(effort, rejected=effort.rejected + 1)
        if effort.rejected >= step.max_rejections:
            return None, effort
        base, model = step.rejected(effort.base, model)
        effort = replace(effort, base=base)


def _tried(
    problem: Minimisation,
    built: Built,
    model: Model,
    proposal: Proposal,
    at: Evaluation,
    before: float,
    scale: float,
) -> _Trial | None:
    """The proposal by the true energy; None where it has no value there, or the step goes nowhere."""
    if not proposal.predicted > 0:
        return None
    try:
        evaluation = problem.energy.at(proposal.values, at)
        away = proposal.values - problem.reference
        after = evaluation.value + _penalty(built.R, model.weight, away)
    except SolveFailed:
        return None
    ratio = (before - after) / proposal.predicted
    if not np.isfinite(ratio):
        return None
    return _Trial(proposal, model, evaluation, after, ratio, before - after, scale)


def _in_vain(
    problem: Minimisation, state: FlowState, built: Built, effort: _Effort, departure: np.ndarray
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
    penalty = _penalty(built.R, built.model.weight, departure)
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
        evaluation = problem.energy.at(own.values(), at)
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


def _penalty(R: InnerProduct, weight: float, departure: np.ndarray) -> float:
    """½w‖m − m_ref‖²_R."""
    if not weight:
        return 0.0
    return 0.5 * weight * float(gram(R.comm, departure, R.apply(departure)))


def _record(iteration: int, built: Built, trial: _Trial, effort: _Effort) -> Record:
    model, proposal = trial.model, trial.proposal
    complement = None
    if isinstance(model, GaussNewtonModel):
        complement = model.caution * model.basis.cautious
    return Record(
        iteration=iteration,
        energy=trial.energy,
        misfit=trial.evaluation.value,
        regularisation=trial.energy - trial.evaluation.value,
        parameters=proposal.representation.size,
        widths=proposal.representation.widths,
        weight=model.weight,
        alignment=proposal.alignment,
        capture=proposal.capture,
        vectors=built.vectors,
        complement=complement,
        trials=effort.rejected,
        inner_iterations=effort.inner_steps,
        expansions=len(effort.growth),
        growth=effort.growth,
        pruned=proposal.pruned,
        gain=trial.gain,
        gained=trial.gained,
        missing=proposal.missing,
        ratio=trial.ratio,
        damped=model.damped,
    )
