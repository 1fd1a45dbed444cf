"""How a run starts and goes on, step by step, and what each step took."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.flow.iteration import after_iteration, judged
from app.flow.minimiser import after_selection, complete
from app.flow.phases.stage import after_phase_selection, after_phases, considers_phases
from app.flow.problem import Minimisation
from app.flow.protocols import Evaluation
from app.flow.records import Record
from app.flow.state import FlowState
from app.method import Method
from app.parallel import SolveFailed

SECONDS = "seconds_"
"""How a meter names times: they go on while nothing is computed for the run."""


def start(problem: Minimisation, method: Method) -> FlowState:
    """The state before the first iteration; collective. Raises SolveFailed on all ranks where the energy has
    no value at the start."""
    return begun(problem, problem.at(problem.start), method)


def begun(
    problem: Minimisation, at: Evaluation, method: Method, spent: Mapping[str, float] | None = None
) -> FlowState:
    """The same where the evaluation at the start is known; `spent` is what the run is charged with, by
    default all that the meter reads."""
    own = problem.start
    error, now = problem.truth.error(at), problem.meter.read()
    spent = now if spent is None else spent
    record = Record(0, None, at.value, None, own.size, own.widths, spent=spent, relative_error=error)
    state = FlowState(
        "approach", own, problem.state, problem.builder.first(), (record,), spent, now, evaluation=at
    )
    return judged(problem, state, at)


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
    before = None
    try:
        state = complete(problem, method, state)
        before = problem.meter.read()
        if state.stage == "selection":
            after = after_selection(problem, method, state)
        elif state.stage == "phase_selection":
            after = after_phase_selection(problem, method, state)
        elif state.stage == "phases":
            after = after_phases(problem, method, state)
        else:
            after = after_iteration(problem, method, state)
    except SolveFailed as failure:  # of an adjoint or a Riesz problem: nothing to retry
        what = {"selection": "the sketch of all readings", "phase_selection": "the fit of phases"}
        after = replace(
            state, stop_reason="error", notes=(f"{what.get(state.stage, 'the iteration')} failed: {failure}",)
        )
    if after.stop_reason == "minimum" and _unmet(problem, method, after):
        after = replace(after, stop_reason="noise_not_met")
    if considers_phases(problem, after):
        after = replace(after, stage="phase_selection", stop_reason=None)
    now = problem.meter.read()
    spent = grown(state.spent, now if before is None else before, now, state.read)
    records = after.records
    if len(records) > len(state.records):
        error = records[-2].relative_error
        if after.evaluation is not None and after.evaluation is not state.evaluation:
            error = problem.truth.error(after.evaluation)
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


def _unmet(problem: Minimisation, method: Method, state: FlowState) -> bool:
    """Whether the misfit is far above what the noise accounts for."""
    target = problem.target
    return target is not None and state.records[-1].misfit > method.stopping.unmet * target
