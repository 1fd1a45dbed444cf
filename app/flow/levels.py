"""From one mesh to the next finer one: with the network, R and w that were found.

Of a network everything but the energy stays on the nodes of the coarsest mesh: R, J and its products, inner
steps and candidates. What changes is the energy, with a derivative restricted to these nodes, so that the
coarse model is that of a first-order consistent correction (Nash 2000, A multigrid approach to discretized
optimization problems); J is taken anew on the finer mesh where the model turns out not to hold there. Nodal
values are interpolated, and J is taken along the directions that mattered.
"""

from dataclasses import replace

import numpy as np

from app.flow.advance import grown
from app.flow.method import Method
from app.flow.minimiser import Minimiser
from app.flow.problem import Minimisation
from app.flow.protocols import AnyEvaluation
from app.flow.records import Record, StopReason
from app.flow.selection import chosen_again
from app.flow.state import FlowState, Refinement, Representation
from app.flow.trials import penalty_at
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

    Its first record is that of the coefficient found so far. A solve that fails there ends the run with the
    reason `error`.
    """
    before, here, coarse = finer.meter.read(), finer.on(finer.level - 1), state.evaluation
    state = replace(state, settled=False, level=finer.level)
    try:
        moved = _moved(finer, state)
        at = finer.at(moved.representation)
        after = _arrived(finer, method, moved, at, _change(finer, state, coarse, at))
    except SolveFailed as failure:
        told = f"the state on the mesh of level {finer.level} failed: {failure}"
        return replace(state, level=here.level, stop_reason="error", notes=(told,))
    now = finer.meter.read()
    spent = grown(state.spent, before, now, state.read)
    record = replace(after.records[-1], spent=spent, relative_error=finer.truth.error(at))
    return replace(after, records=(*after.records[:-1], record), spent=spent, read=now)


def _moved(finer: Minimisation, state: FlowState) -> FlowState:
    """The state with what is spread over nodes on those of the finer mesh, if it has nodes of its own."""
    if finer.prolonged is None:
        return state
    coarser = finer.on(finer.level - 1)
    departure = finer.prolonged(state.representation.values() - coarser.reference)
    values, selected = finer.reference + departure, state.selected
    if selected is not None and selected.lagged is not None:
        lagged = finer.reference + finer.prolonged(selected.lagged - coarser.reference)
        selected = replace(selected, lagged=lagged)
    own = Representation(None, values, finer.start.size)
    return replace(state, representation=own, selected=selected)


def _change(finer: Minimisation, state: FlowState, coarse: AnyEvaluation, fine: AnyEvaluation) -> Refinement:
    """What the finer mesh changes in the residual."""
    if coarse.residual.shape != fine.residual.shape or not finer.measured:
        return Refinement(finer.level, len(state.records), np.nan, np.nan, 0)
    change = fine.residual - coarse.residual
    worst = int(np.argmax(np.abs(change)))
    moved = float(np.sqrt(np.mean(change**2)))
    return Refinement(finer.level, len(state.records), moved, float(change[worst]), worst)


def _arrived(
    finer: Minimisation, method: Method, state: FlowState, at: AnyEvaluation, change: Refinement
) -> FlowState:
    """The state with what belongs to the finer mesh; over where nothing is to be done there."""
    last, departure = state.records[-1], at.m - finer.reference
    penalty, exact = last.regularisation, state.exact
    state = replace(state, refinements=(*state.refinements, change), evaluation=at, notes=())
    record = Record(
        iteration=len(state.records),
        energy=None,
        misfit=at.value,
        regularisation=None,
        parameters=state.representation.size,
        widths=state.representation.widths,
        weight=last.weight,
    )
    state = replace(state, records=(*state.records, record))
    if state.stage != "minimisation":
        penalty = penalty if finer.prolonged is None else None
    else:
        selected = state.selected
        assert selected is not None and exact is not None
        own_nodes = finer.prolonged is not None
        chosen = chosen_again(finer, selected) if own_nodes else exact.chosen
        minimiser = Minimiser.of(finer, method, state, chosen)
        factors = exact.factors
        if own_nodes:
            with timed("krylov"):
                memory, factors = minimiser.builder.on_finer_nodes(
                    at, state.representation, state.model, factors
                )
            state = replace(state, model=memory)
        state = replace(state, exact=replace(minimiser, factors=factors))
        penalty = penalty_at(chosen.R, selected.weight, departure)
    if penalty is not None:
        record = replace(record, energy=at.value + penalty, regularisation=penalty)
        state = replace(state, records=(*state.records[:-1], record))
    if state.exact is not None:
        return state
    return replace(state, stop_reason=finer.stopping(state.here, at))
