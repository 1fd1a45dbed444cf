"""The search for a step: proposals are tried by the true energy until one lowers it enough."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.flow.builders import Built
from app.flow.models import GaussNewtonModel, Model
from app.flow.problem import Minimisation
from app.flow.protocols import Evaluation, InnerProduct
from app.flow.records import Expansion, Record
from app.flow.state import FlowState
from app.flow.steps import Base, Proposal
from app.flow.stopping import Stopping
from app.method import Method
from app.parallel import SolveFailed, gram

type Renewal = Callable[[Built, Model], Built | None]
"""What was built, made anew where the model that rejections led to asks for it."""


@dataclass(frozen=True, eq=False)
class Trial:
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
class Effort:
    """What an iteration took, and where it ended if no trial was accepted."""

    base: Base
    rejected: int = 0
    inner_steps: int = 0
    growth: tuple[Expansion, ...] = ()


def search(
    problem: Minimisation,
    method: Method,
    state: FlowState,
    at: Evaluation,
    built: Built,
    stopping: Stopping,
    departure: np.ndarray,
    renewed: Renewal | None = None,
) -> tuple[Trial | None, Effort, Built]:
    """The accepted trial, what it took, and what its model was built with, anew if rejections asked for it.

    No trial if too many were rejected, or, then with none rejected, if the first step promises too little.
    """
    model, step = built.model, problem.step
    before = at.value + penalty_at(built.R, model.weight, departure)
    scale = stopping.scale(before, at)
    effort = Effort(Base(state.representation, at.m, state.step))
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
            return None, effort, built
        trial = _tried(problem, built, model, proposal, at, before, scale)
        if trial is not None and trial.ratio > method.trials.accept:
            return trial, effort, built
        effort = replace(effort, rejected=effort.rejected + 1)
        if effort.rejected >= step.max_rejections:
            return None, effort, built
        base, model = step.rejected(effort.base, model)
        effort = replace(effort, base=base)
        if renewed is not None and (anew := renewed(built, model)) is not None:
            built, model = anew, anew.model


def _tried(
    problem: Minimisation,
    built: Built,
    model: Model,
    proposal: Proposal,
    at: Evaluation,
    before: float,
    scale: float,
) -> Trial | None:
    """The proposal by the true energy; None where it has no value there, or the step goes nowhere."""
    if not proposal.predicted > 0:
        return None
    try:
        evaluation = problem.at(proposal.representation, proposal.values, at)
        away = proposal.values - problem.reference
        after = evaluation.value + penalty_at(built.R, model.weight, away)
    except SolveFailed:
        return None
    ratio = (before - after) / proposal.predicted
    if not np.isfinite(ratio):
        return None
    return Trial(proposal, model, evaluation, after, ratio, before - after, scale)


def penalty_at(R: InnerProduct, weight: float, departure: np.ndarray) -> float:
    """½w‖m − m_ref‖²_R."""
    if not weight:
        return 0.0
    return 0.5 * weight * float(gram(R.comm, departure, R.apply(departure)))


def record_of(iteration: int, built: Built, trial: Trial, effort: Effort) -> Record:
    """The record of an iteration with an accepted trial."""
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
