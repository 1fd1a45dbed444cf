"""What a run leaves of its fit: every reading beside its prediction, and the verdict."""

from pathlib import Path

import numpy as np

from app import flow, output
from app.energy.restricted import on_its_mesh
from app.parallel import on_root
from app.posterior import GaussianPosterior
from app.problem.base import AT_MINIMUM, UNFINISHED, Uncertainty
from app.problem.fit.goodness import Goodness
from app.problem.fit.nodal_step import NodalStep, nodal_step
from app.problem.fit.readings import fit_of, noise_spread
from app.problem.fit.verdict import verdict
from app.problem.inversion import Inversion
from app.types import Summary


def verdict_of(
    given: Inversion,
    state: flow.FlowState,
    reason: flow.StopReason,
    sure: Uncertainty,
    moved: float | None = None,
) -> Summary:
    """The section `verdict` of summary.json for a complete state, on whose mesh the problem is given; `moved`
    is how far its last refinement moved the readings, in standard deviations. Collective."""
    fit, at = fit_of(given, state), on_its_mesh(state.evaluation)
    choice, energy = state.choice, given.energy
    step = _nodal_step(state, reason, sure)
    goodness = Goodness(
        fit=fit,
        squares=2.0 * at.value / noise_spread(given, choice, at.value) ** 2,
        count=len(fit) if energy.robust else energy.expectation,
        freedom=sure.told.get("freedom", None if choice is None else choice.freedom),
        known=given.data.sigma is not None,
        guess=given.guess,
        robust=energy.robust,
        allowed=max(1.0, given.case.flow.discrepancy**2),
        moved=moved,
        unfinished=reason in UNFINISHED,
        remarks=[*_stopped(reason), *([str(step)] if step is not None and step.matters else [])],
    )
    told = on_root(given.domain.comm, lambda: verdict(goodness))
    return {"verdict": {**told, "nodal_step": None if step is None else step.summary}}


def write_fit(given: Inversion, fit: output.Fit, folder: Path, lost: output.Losses) -> None:
    """Readings beside their predictions, as a table and as a picture; collective."""
    comm = given.domain.comm
    box, table, picture = np.array(given.domain.bounding_box()), folder / "fit.csv", folder / "fit.png"
    lost.attempt(table, lambda: on_root(comm, lambda: output.write_fit(table, fit)))
    formats = given.case.output.figures
    lost.draw(picture, lambda: output.draw_fit(comm, picture, fit, box, formats))


def _nodal_step(state: flow.FlowState, reason: flow.StopReason, sure: Uncertainty) -> NodalStep | None:
    """Of a network that has come to its minimum, or goes no further; a run that ends at its target has not
    looked for the minimum."""
    posterior = sure.posterior
    over = reason not in UNFINISHED and reason != "discrepancy"
    network = state.representation.network is not None
    if not over or not network or not isinstance(posterior, GaussianPosterior):
        return None
    return nodal_step(state, posterior.linearised)


def _stopped(reason: flow.StopReason) -> list[str]:
    """What is said of a run that has ended before its minimum or its target."""
    if reason in UNFINISHED or reason in (*AT_MINIMUM, "discrepancy"):
        return []
    return [f"the run ended ({reason}) before the minimum of its energy, and might fit better there"]
