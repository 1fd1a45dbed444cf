"""Two stages: near the target with one regularisation, to the minimum with the one that the data choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.flow.builders import ExactBuilder, ModelBuilder
from app.flow.choice import Choice, Contender, choose
from app.flow.look import take_look
from app.flow.loop import run_flow
from app.flow.protocols import LeastSquares, Observer
from app.flow.records import Outcome
from app.flow.steps import Step
from app.flow.stopping import AtMinimum, NearTarget
from app.parallel import SolveFailed


@dataclass(frozen=True)
class Contest:
    """What the data choose among."""

    start: Contender
    """The regularisation of the first stage; fixed."""
    contenders: Sequence[Contender]
    rng: np.random.Generator
    """For folds and random combinations of readings; alike on all ranks."""


def run_two_stages(
    energy: LeastSquares,
    residual: np.ndarray,
    reference: np.ndarray,
    builder: ModelBuilder,
    step: Step,
    contest: Contest,
    target: float | None,
    max_iterations: int,
    observer: Observer,
    interrupted: Callable[[], bool] = lambda: False,
) -> tuple[Outcome, Choice | None]:
    """Minimise the energy whose R and w the data choose; collective.

    The first stage runs with the builder until the misfit is near the target (see NearTarget), one look at J
    there settles R and w, the second stage minimises the energy with them. No choice is made where the first
    stage is interrupted, fails or uses up the iterations.
    """
    first = run_flow(
        energy, residual, reference, builder, step, NearTarget(target, max_iterations), observer, interrupted
    )
    if first.stop_reason not in ("near", "stalled", "no_accepted_step"):
        return first, None
    if interrupted():
        return replace(first, stop_reason="interrupted"), None
    residual, records = first.residual, first.records
    try:
        if first.stop_reason == "no_accepted_step":  # the state is that of a rejected trial
            residual = energy.residual(first.coefficient)
        R = contest.start.regularisation.at(reference)
        look = take_look(energy, R, residual, first.coefficient - reference, contest.rng)
        choice = choose(look, contest.start, contest.contenders, reference, contest.rng)
        noise = 0.5 * choice.freedom * choice.spread**2
        stopping = AtMinimum(records[-1].iteration, max_iterations, noise)
        exact = ExactBuilder(choice.R, choice.weight, look, stopping)
    except SolveFailed as failure:
        observer.note(f"the look at all readings failed: {failure}")
        return replace(first, stop_reason="error", residual=residual), None
    del look  # as large as all readings times the mesh
    observer.chosen(choice)
    step.follow_closely()
    second = run_flow(energy, residual, reference, exact, step, stopping, observer, interrupted, records)
    return second, choice
