"""From one mesh to the next finer one: with the network, R and w that were found.

Of a network everything but the energy stays on the nodes of a coarse mesh: R, J and its products, inner
steps and candidates. What changes is the energy, with a derivative restricted to these nodes, so that the
coarse model is that of a first-order consistent correction (Nash 2000, A multigrid approach to discretized
optimization problems); J is taken anew on the finer mesh where the model turns out not to hold there. Where
the coarse mesh misleads, as its readings tell against those of the finer one, all moves on to the finer
mesh's nodes, and R and w are selected there. Nodal values always move on, by interpolation.
"""

from dataclasses import replace

import numpy as np

from app.flow.advance import grown
from app.flow.minimiser import Minimiser
from app.flow.phases.stage import PhaseMemory, penalty_of
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation
from app.flow.records import Record, StopReason
from app.flow.selection import chosen_again
from app.flow.state import FlowState, Refinement, Selected
from app.flow.trials import penalty_at
from app.method import Method
from app.parallel import SolveFailed, timed

ONWARD: tuple[StopReason, ...] = (
    "discrepancy",
    "minimum",
    "noise_not_met",
    "tolerance",
    "stalled",
    "no_accepted_step",
)
"""Reasons to stop that mean that a mesh has nothing more to give."""


def refine(finer: Minimisation, method: Method, state: FlowState) -> FlowState:
    """The state on the next finer mesh, with the same coefficient, from a complete one; collective.

    Its first record is that of the coefficient found so far. A state that is on its way to the selection
    stays where it is if the readings there hardly differ. A solve that fails on the finer mesh ends the run
    with the reason `error`.
    """
    before = finer.meter.read()
    try:
        after = _refined(finer, method, state)
    except SolveFailed as failure:
        told = f"the state on the mesh of level {finer.level} failed: {failure}"
        after = replace(state, stop_reason="error", notes=(told,))
    now = finer.meter.read()
    spent = grown(state.spent, before, now, state.read)
    records = after.records
    if after.level > state.level:
        error = finer.truth.error(after.evaluation)  # type: ignore[arg-type]
        records = (*records[:-1], replace(records[-1], spent=spent, relative_error=error))
    return replace(after, records=records, spent=spent, read=now)


def _refined(finer: Minimisation, method: Method, state: FlowState) -> FlowState:
    """See refine; without what it took."""
    coarse, selecting = state.evaluation, state.stage == "selection"
    own = state.representation
    if finer.arrival is not None:
        own = finer.arrival.representation(own)
    at = finer.at(own)
    change = _change(finer, state, coarse, at)
    if selecting and not change.moved > method.levels.resolved:
        return state
    if selecting or _misled(method, state, change):
        if finer.finer_energy is not None and finer.rooted is not None:
            at, finer = finer.finer_energy.whole(at), finer.rooted()
            assert finer.arrival is not None
            own = finer.arrival.representation(own)
        state = replace(state, representation=own, base=finer.level, stage="selection", exact=None)
        return _begun(finer, state, at, change, None)
    state = replace(state, representation=own)
    if finer.arrival is not None:
        state = replace(state, base=finer.level)
    return _gone_on(finer, method, state, at, change)


def _change(finer: Minimisation, state: FlowState, coarse: AnyEvaluation, fine: AnyEvaluation) -> Refinement:
    """What the finer mesh changes in the residual."""
    if not finer.measured or coarse.residual.shape != fine.residual.shape:
        return Refinement(finer.level, len(state.records), 0.0, 0.0, 0)
    change = fine.residual - coarse.residual
    worst = int(np.argmax(np.abs(change)))
    moved = float(np.sqrt(np.mean(change**2)))
    return Refinement(finer.level, len(state.records), moved, float(change[worst]), worst)


def _misled(method: Method, state: FlowState, change: Refinement) -> bool:
    """Whether what was selected on the first mesh was selected for its own errors."""
    selected = state.selected
    if selected is None or state.stage != "minimisation":
        return False
    anew = any(each.iteration <= selected.iteration for each in state.refinements)
    return not anew and change.moved > method.levels.misled * (selected.spread or 1.0)


def _begun(
    finer: Minimisation,
    state: FlowState,
    at: AnyEvaluation,
    change: Refinement,
    penalty: float | None,
) -> FlowState:
    """The state with its first record on the finer mesh."""
    record = Record(
        iteration=len(state.records),
        energy=None if penalty is None else at.value + penalty,
        misfit=at.value,
        regularisation=penalty,
        parameters=state.representation.size,
        widths=state.representation.widths,
        weight=state.records[-1].weight,
    )
    return replace(
        state,
        level=finer.level,
        settled=False,
        refinements=(*state.refinements, change),
        records=(*state.records, record),
        evaluation=at,
        notes=(),
    )


def _moved(finer: Minimisation, selected: Selected | None) -> Selected | None:
    """What was selected, at the nodes of the finer mesh."""
    if selected is None or selected.lagged is None or finer.arrival is None:
        return selected
    return replace(selected, lagged=finer.arrival.coefficient(selected.lagged))


def _gone_on(
    finer: Minimisation, method: Method, state: FlowState, at: AnyEvaluation, change: Refinement
) -> FlowState:
    """The state with what goes on: the minimisation with what was selected, or the approach."""
    if state.stage == "phases":
        energy = penalty_of(finer, method, replace(state, evaluation=at))
        memory = PhaseMemory(method.phases.sharp_damping)
        state = replace(state, selected=_moved(finer, state.selected), exact=None, model=memory)
        return _begun(finer, state, at, change, energy)
    if state.stage != "minimisation":
        penalty = None if finer.arrival is not None else state.records[-1].regularisation
        state = _begun(finer, state, at, change, penalty)
        return replace(state, stop_reason=finer.stopping(state.here, at))
    selected, exact, model = state.selected, state.exact, state.model
    assert selected is not None and exact is not None
    chosen, factors = exact.chosen, exact.factors
    if finer.arrival is not None:
        selected = _moved(finer, selected)
        assert selected is not None
        chosen = chosen_again(finer, selected)
    penalty = penalty_at(chosen.R, selected.weight, at.m - finer.reference)
    state = _begun(finer, replace(state, selected=selected), at, change, penalty)
    minimiser = Minimiser.of(finer, method, state, chosen)
    if finer.arrival is not None:
        with timed("krylov"):
            given = (at, state.representation, model, factors)
            model, factors = minimiser.builder.on_finer_nodes(*given)
    else:  # whether J of the coarser mesh holds here is for the first trial to say: J anew is dear here
        model = replace(model, stale=False)
    return replace(state, model=model, exact=replace(minimiser, factors=factors))
