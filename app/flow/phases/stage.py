"""The stages in which phases are considered and, where the data ask for them, interfaces are fitted."""

from dataclasses import dataclass, replace

import numpy as np

from app.flow.phases.fits import begun, settled
from app.flow.phases.judgement import judged
from app.flow.phases.objective import Objective, Point
from app.flow.phases.smooth import SmoothPrior
from app.flow.problem import Minimisation
from app.flow.records import Record
from app.flow.state import FlowState, PhaseChoice, Representation
from app.method import Method
from app.parallel import timed
from app.types import Untyped


@dataclass(frozen=True)
class PhaseMemory:
    """What the fit of interfaces remembers from one iteration to the next."""

    damping: float


def considers_phases(problem: Minimisation, state: FlowState) -> bool:
    """Whether phases are to be considered: once, as soon as a regularisation is selected."""
    return problem.phases is not None and state.phase_choice is None and state.stage == "minimisation"


def after_phase_selection(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After phases were fitted, and the data have chosen whether they want some; collective, raises
    SolveFailed."""
    with timed("selection"):
        target, objective = _target(problem, state), _objective(problem, method, 0.0)
        verdict = judged(problem, method, state, objective, target)
    told = (f"phases: {verdict.reason}",)
    found, selected = verdict.fitted, state.selected
    if found is None:
        choice = PhaseChoice(False, verdict.reason)
        return replace(state, stage="minimisation", phase_choice=choice, notes=told)
    phases = problem.phases
    assert selected is not None and phases is not None
    variance = 1.0 if problem.target is not None else selected.spread**2
    weight, prior = found.objective.weight, found.objective.smooth
    smooth = (None, 0.0) if prior is None else (prior.length, prior.weight)
    choice = PhaseChoice(True, verdict.reason, found.number, weight, found.freedom, variance, *smooth)
    memory, fit = PhaseMemory(method.phases.sharp_damping), found.fit
    point = objective.like(found.objective).point(phases.here(fit.point.own), fit.point.at)
    state = replace(state, stage="phases", phase_choice=choice, model=memory, notes=told)
    return _recorded(state, point, fit.rejected, fit.steps, None, weight)


def after_phases(problem: Minimisation, method: Method, state: FlowState) -> FlowState:
    """After a few more steps of the interfaces; collective, raises SolveFailed.

    The run is over where they gain less than what noise makes of the energy in so many directions.
    """
    choice, memory, at = state.phase_choice, state.model, state.evaluation
    assert choice is not None and isinstance(memory, PhaseMemory) and at is not None
    objective = objective_of(problem, method, choice)
    before = objective.weighed(state.representation, at)
    fit = settled(
        objective, replace(begun(objective, before), damping=memory.damping), method.phases.together
    )
    scale = max(0.5 * choice.freedom * choice.variance, method.stopping.floor * before.energy)
    gained = before.energy - fit.point.energy
    state = replace(state, model=PhaseMemory(fit.damping), notes=())
    after = _recorded(state, fit.point, fit.rejected, fit.steps, gained / scale, choice.weight)
    if gained < method.phases.negligible * scale:
        return replace(after, stop_reason="minimum")
    exhausted = after.iteration >= problem.max_iterations
    return replace(after, stop_reason="max_iterations" if exhausted else None)


def penalty_of(problem: Minimisation, method: Method, state: FlowState) -> float:
    """What the perimeter, the networks' prior, and what varies smoothly add to the misfit."""
    assert state.phase_choice is not None and state.evaluation is not None
    objective = objective_of(problem, method, state.phase_choice)
    return objective.weighed(state.representation, state.evaluation).penalty


def smooth_curvature(
    problem: Minimisation, method: Method, choice: PhaseChoice, own: Representation
) -> np.ndarray:
    """The second derivative by θ of the penalty of what varies smoothly beside phases, its network taken for
    linear; shape (parameters, parameters), zero where nothing varies. Collective."""
    smooth, inner = objective_of(problem, method, choice).smooth, np.zeros((own.size, own.size))
    if smooth is not None:
        network: Untyped = own.network
        tangent = network.smooth_jacobian(own.theta)
        inner[network.beside, network.beside] = smooth.weight * smooth.R.square(tangent)
    return inner


def objective_of(problem: Minimisation, method: Method, choice: PhaseChoice) -> Objective:
    """The energy of the phases that were taken, on a mesh; collective."""
    objective, phases = _objective(problem, method, choice.weight), problem.phases
    if choice.smooth_length is None:
        return objective
    assert phases is not None
    R = phases.smooth_product(choice.smooth_length)
    return replace(objective, smooth=SmoothPrior(R, choice.smooth_length, choice.smooth_weight))


def _objective(problem: Minimisation, method: Method, weight: float) -> Objective:
    """The energy of phases alone on a mesh."""
    phases = problem.phases
    assert phases is not None
    seen = phases.seen if phases.refined else None
    return Objective(phases.at, phases.comm, method.phases, weight, seen=seen)


def _target(problem: Minimisation, state: FlowState) -> float:
    """The misfit that noise accounts for, as it is stated or as the smooth fit found it."""
    if problem.target is not None:
        return problem.target
    assert state.selected is not None and state.evaluation is not None
    return 0.5 * len(state.evaluation.residual) * state.selected.spread**2


def _recorded(
    state: FlowState, point: Point, rejected: int, steps: int, gain: float | None, weight: float
) -> FlowState:
    """The state with the record of where the fit came to."""
    network = point.own.network
    assert network is not None
    record = Record(
        iteration=len(state.records),
        energy=point.energy,
        misfit=point.misfit,
        regularisation=point.penalty,
        parameters=network.size,
        widths=network.widths,
        weight=weight,
        trials=rejected,
        inner_iterations=steps + rejected,
        gain=gain,
    )
    return replace(state, representation=point.own, records=(*state.records, record), evaluation=point.at)
