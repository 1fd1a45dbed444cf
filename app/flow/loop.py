"""The outer loop: model, step, trial by the true energy, stopping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.flow.builders import Built, ModelBuilder
from app.flow.krylov import Point
from app.flow.models import GaussNewtonModel, Model
from app.flow.protocols import Energy, InnerProduct, Observer
from app.flow.records import Expansion, Outcome, Record
from app.flow.steps import Proposal, Step
from app.flow.stopping import Stopping
from app.parallel import SolveFailed, check_identical, gram

ACCEPT = 1e-4
"""A trial is accepted if the energy falls by more than this share of the predicted decrease."""

CROWDED = 0.5
"""A capture below this at full width is told to the user."""

Effort = tuple[int, tuple[Expansion, ...]]
"""Inner steps of an iteration, and each time that the network grew."""


@dataclass(frozen=True)
class Trial:
    """An accepted step."""

    proposal: Proposal
    model: Model
    residual: np.ndarray
    energy: float
    misfit: float
    ratio: float
    gained: float
    """Decrease of the energy."""
    scale: float
    """What the stopping rule measures it by."""

    @property
    def gain(self) -> float:
        """The decrease as a share of the scale."""
        return self.gained / self.scale if self.scale > 0 else np.inf


def run_flow(
    energy: Energy,
    residual: np.ndarray,
    reference: np.ndarray,
    builder: ModelBuilder,
    step: Step,
    stopping: Stopping,
    observer: Observer,
    interrupted: Callable[[], bool] = lambda: False,
    earlier: Sequence[Record] = (),
) -> Outcome:
    """Minimise the energy from the step's parameters; collective.

    `residual` is e there, evaluated last, and `reference` m_ref. Stops when `stopping` says so, when no trial
    is accepted, or when `interrupted`, asked after each iteration, is true (alike on all ranks). Goes on from
    the `earlier` records, if any, which were told already.
    """
    coefficient = step.values()
    misfit = energy.misfit(residual)
    records = list(earlier)
    if not records:
        records.append(Record(0, coefficient, None, misfit, None, step.size, step.widths))
        observer.iteration(records[0])
    crowded = False
    reason = stopping(records)
    while reason is None:
        try:
            point = Point(misfit, residual, energy.derivative(residual), coefficient - reference)
            built = builder.build(energy, coefficient, point)
            trial, rejected, work = _iterate(energy, built, step, point, reference, stopping)
        except SolveFailed as failure:  # of an adjoint or a Riesz problem: nothing to retry
            observer.note(f"the iteration failed: {failure}")
            reason = "error"
            break
        if trial is None:
            reason = "minimum" if rejected == 0 else "no_accepted_step"
            if reason == "minimum":
                step.declined()
                work = (work[0], ())
            penalty = _penalty(built.R, built.model.weight, point.departure)
            record = _in_vain(records[-1], built, step, rejected, work, penalty)
            records.append(record)
            observer.iteration(record)
            break
        builder.learn(trial.ratio, trial.model)
        step.accepted(trial.proposal)
        if rejected and step.strayed(trial.proposal) and builder.look_closely():
            step.follow_closely()
        if step.widths:
            check_identical(built.R.comm, step.theta, "the network's parameters")
        coefficient, residual, misfit = trial.proposal.values, trial.residual, trial.misfit
        record = _record(len(records), built, trial, step, rejected, work)
        records.append(record)
        observer.iteration(record)
        reason = stopping(records)
        if step.full and record.capture is not None and record.capture < CROWDED and not crowded:
            crowded = True
            observer.note(
                f"the network is as wide as it may be and takes {record.capture:.2f} of the ideal decrease: "
                "a larger max_width would help"
            )
        if interrupted():
            reason = reason or "interrupted"
    return Outcome(reason, coefficient, step.theta, residual, records)


def _iterate(
    energy: Energy,
    built: Built,
    step: Step,
    point: Point,
    reference: np.ndarray,
    stopping: Stopping,
) -> tuple[Trial | None, int, Effort]:
    """The accepted trial, rejected trials, inner steps and expansions.

    No trial if patience ran out, or, then with none rejected, if the first step promises too little.
    """
    model = built.model
    before = point.misfit + _penalty(built.R, model.weight, point.departure)
    scale = stopping.scale(before)
    rejected = inner = 0
    grown: tuple[Expansion, ...] = ()
    while True:
        proposal = step.propose(model, scale)
        inner, grown = inner + proposal.inner_steps, grown + proposal.growth
        if rejected == 0 and not model.damped and proposal.predicted < stopping.least_gain * scale:
            return None, 0, (inner, grown)
        try:
            if not proposal.predicted > 0:
                raise SolveFailed("the step goes nowhere")
            residual = energy.residual(proposal.values)
            misfit = energy.misfit(residual)
            after = misfit + _penalty(built.R, model.weight, proposal.values - reference)
            ratio = (before - after) / proposal.predicted
        except SolveFailed:
            ratio = -np.inf
        if np.isfinite(ratio) and ratio > ACCEPT:
            trial = Trial(proposal, model, residual, after, misfit, ratio, before - after, scale)
            return trial, rejected, (inner, grown)
        rejected += 1
        if rejected >= step.patience:
            return None, rejected, (inner, grown)
        model = step.rejected(model)


def _penalty(R: InnerProduct, weight: float, departure: np.ndarray) -> float:
    """½w‖m − m_ref‖²_R."""
    if not weight:
        return 0.0
    return 0.5 * weight * float(gram(R.comm, departure, R.apply(departure)))


def _in_vain(last: Record, built: Built, step: Step, rejected: int, work: Effort, penalty: float) -> Record:
    """The iteration without an accepted trial: its work, its weight and penalty, at the coefficient before
    it."""
    return replace(
        last,
        iteration=last.iteration + 1,
        energy=last.misfit + penalty,
        regularisation=penalty,
        weight=built.model.weight,
        alignment=None,
        capture=None,
        complement=None,
        parameters=step.size,
        widths=step.widths,
        vectors=built.vectors,
        trials=rejected,
        inner_iterations=work[0],
        expansions=len(work[1]),
        growth=work[1],
        merged=0,
        gain=None,
        gained=None,
        missing=None,
    )


def _record(iteration: int, built: Built, trial: Trial, step: Step, rejected: int, work: Effort) -> Record:
    model = trial.model
    complement = None
    if isinstance(model, GaussNewtonModel):
        complement = model.caution * model.basis.cautious
    return Record(
        iteration=iteration,
        coefficient=trial.proposal.values,
        energy=trial.energy,
        misfit=trial.misfit,
        regularisation=trial.energy - trial.misfit,
        parameters=step.size,
        widths=step.widths,
        weight=model.weight,
        alignment=trial.proposal.alignment,
        capture=trial.proposal.capture,
        vectors=built.vectors,
        complement=complement,
        trials=rejected,
        inner_iterations=work[0],
        expansions=len(work[1]),
        growth=work[1],
        merged=trial.proposal.merged,
        gain=trial.gain,
        gained=trial.gained,
        missing=trial.proposal.missing,
        ratio=trial.ratio,
        damped=model.damped,
    )
