"""What the run of an inverse problem leaves: summary, fields, pictures."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app import flow, output
from app.energy import Misfit
from app.energy.pointwise import PointMisfit
from app.energy.restricted import Restricted, on_its_mesh
from app.equations.terms import physical, prefix_of
from app.flow import Evaluation
from app.mesh import CoefficientSpace
from app.pde import Experiments, TransientModel
from app.posterior import Posterior
from app.prior import parameter_names
from app.problem.base import Uncertainty
from app.problem.fit import fit_of, verdict_of, write_fit
from app.problem.function_error import function_error
from app.problem.inversion import Inversion
from app.problem.inversion_pictures import InversionPictures
from app.problem.panels import finest_of
from app.problem.phases_report import phase_fields, phases_summary
from app.problem.plan import sensors_of
from app.problem.posterior_report import draw_posterior, posterior_fields
from app.problem.priors import prior_std
from app.problem.quantities import quantity_of
from app.problem.work import work_units
from app.types import Summary, Untyped

MOMENTS = 51
"""Times at most at which the fields show a state that changes."""


@dataclass(frozen=True, eq=False)
class InversionReport:
    """What is said, written and drawn of an inverse problem's run, see Report."""

    given: Inversion
    first: Callable[[int], flow.Candidate]
    """The regularisation that goes where the data choose none, at the nodes of the mesh of a number."""
    notes: tuple[str, ...] = ()
    """What is to be known of the readings."""

    @property
    def target(self) -> float | None:
        """See Report."""
        return self.given.target

    @property
    def names(self) -> list[str]:
        """See Report."""
        return list(self.given.errors) if len(self.given.spaces) > 1 else []

    def opening(self) -> list[str]:
        """See Report."""
        given, case = self.given, self.given.case
        lines = [
            f"{case.name}: {given.forward.size} state and {given.coefficient.size} coefficient dofs, "
            f"{len(given.data.values)} readings, {given.domain.comm.size} rank(s)"
        ]
        lines += _repeats(given)
        chosen = case.regularisation[given.name]
        if chosen.length_scale is not None and np.isinf(chosen.length_scale):
            lines.append("length_scale inf: a mass term of 1e-6 keeps R positive definite")
        if case.flow.inner_product != "gauss_newton" and chosen.weight == "discrepancy":
            lines.append(
                f"inner product {case.flow.inner_product} with weight discrepancy: nothing is added to the "
                "misfit, stopping at the target is the regularisation"
            )
        return [*lines, *self.notes]

    def error(self, at: Evaluation) -> float | dict[str, float] | None:
        """See Report; of an evaluation on a coarser mesh that of the network there."""
        errors = self.given.errors
        if not errors:
            return None
        m = on_its_mesh(at).m
        own = dict(zip(self.given.spaces, self.given.coefficient.split(m), strict=True))
        told = {name: error(own[name]) for name, error in errors.items()}
        return told if len(own) > 1 else next(iter(told.values()))

    def refined(self, state: flow.FlowState) -> str:
        """See Report; of the only mesh there is nothing to say."""
        return ""

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> Summary:
        """See Report."""
        given, case = self.given, self.given.case
        choice = state.choice
        candidate = self.first(state.base) if choice is None else choice.candidate
        return {
            "name": case.name,
            "status": output.status(reason, target_known=given.target is not None and not given.guess),
            "stop_reason": reason,
            **output.records_summary(state.records),
            **_widths(given, state),
            "misfit_target": given.target,
            "regularisation_kind": candidate.kind,
            "length_scale": candidate.length,
            **{name: candidate.parameters.get(name) for name in parameter_names()},
            **output.choice_summary(choice, parameter_names()),
            **phases_summary(given, state),
            **function_error(given, state),
            **_prior(given, candidate.kind, choice, state.records[-1].weight),
            **_noise(given, choice, state.records[-1].misfit),
            **_experiments(given, state),
            **({"notes": list(self.notes)} if self.notes else {}),
            **_left_out(given),
            **output.work_summary(state.spent),
            "work_units": sum(work_units(state.spent, [given])),
            "solvers": given.solvers.summary(),
            "coefficient_dofs": given.coefficient.size,
            "state_dofs": given.forward.size,
            "seed": case.seed,
        }

    def verdict(self, state: flow.FlowState, reason: flow.StopReason, sure: Uncertainty) -> Summary:
        """See Report."""
        return verdict_of(self.given, state, reason, sure)

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report; where a part of m is known, or m is constant on each cell, the mesh has its part in
        it."""
        given, at = self.given, on_its_mesh(state.evaluation)
        networks, thetas = state.representation.split()
        parts = []
        for i, (name, values) in enumerate(zip(given.spaces, given.coefficient.split(at.m), strict=True)):
            space, unknown = given.spaces[name], given.case.unknowns[name]
            network = networks[i] if networks else None
            parts.append(
                output.Part(
                    name,
                    unknown.role,
                    prefix_of(unknown.role),
                    space,
                    space.nodal(space.function(values)),
                    network,
                    thetas[i] if networks else np.empty(0),
                    given.stored_reference(name),
                    by_network=_stands_alone(network, space),
                )
            )
        return output.Coefficient(given.case.name, tuple(parts))

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""
        given, at, choice = self.given, on_its_mesh(state.evaluation), state.choice
        assert isinstance(at, Misfit)
        space, m, found = given.coefficient, at.m, at.forward
        forward: Untyped = at.model if isinstance(at, PointMisfit) else given.forward
        weight = state.records[-1].weight or 0.0
        gradient = self._steepest(state) + weight * (m - given.reference)
        fields = _states(forward, found)
        states = [one.function_space for one in fields.values()]
        rows = []
        own = zip(given.spaces, space.split(m), space.extended(gradient), strict=True)
        for name, values, slope in own:
            shown, rest = _shown(given, name, values, slope)
            rows.append(shown)
            fields |= shown | rest
        fields |= posterior_fields(given, posterior) | phase_fields(given, state)
        finest = finest_of(space.parts, states)
        path, moments = folder / "fields.pvd", _moments(forward, found)
        lost.attempt(path, lambda: output.write_fields(path, finest, fields, *moments))
        formats = given.case.output.figures
        if choice is not None:
            scores = folder / "choice.png"
            lost.draw(scores, lambda: output.draw_choice(space.comm, scores, choice, formats))
        plan = folder / "check.png"
        lost.draw(plan, lambda: output.draw_check(plan, given.domain, sensors_of(given)))
        pictures = InversionPictures(given, folder, lost)
        if posterior is not None:
            draw_posterior(given, posterior, folder, pictures.points, lost)
        fit = fit_of(given, state)
        write_fit(given, fit, folder, lost)
        pictures.draw_coefficient(rows, fit)
        pictures.draw_states(forward, found)

    def _steepest(self, state: flow.FlowState) -> np.ndarray:
        """R⁻¹φ′ at the nodes of the mesh, of the coarsest R and φ′ where a network is seen there."""
        at, choice = state.evaluation, state.choice
        assert at is not None
        if isinstance(at, PointMisfit):  # R knows the nodes alone
            at = self.given.energy.at(at.m)
        if choice is None:
            with closing(self.first(state.base).regularisation.at(at.m)) as R:
                steepest = R.riesz(at.derivative())
        else:
            steepest = choice.R.riesz(at.derivative())
        return at.prolonged(steepest) if isinstance(at, Restricted) else steepest


def _stands_alone(network: Untyped, space: CoefficientSpace) -> bool:
    """Whether the network is all there is to an unknown."""
    alike = not isinstance(network, flow.PhaseNetwork) or network.uniform
    return network is not None and space.free is None and space.degree > 0 and alike


def reading_place(given: Inversion, number: int) -> Summary:
    """File and line of the reading that a residual is of, the first one of several at one place."""
    pooling = given.energy.pooling
    index = number if pooling is None else int(np.flatnonzero(pooling.groups == number)[0])
    file, line = given.place_of(index)
    return {"file": file.name, "line": line}


def _repeats(given: Inversion) -> list[str]:
    """What is said of readings that stand twice."""
    (square, freedom), count = given.energy.scatter, len(given.data.values)
    if freedom == 0:
        return []
    said = (
        f"{count} readings of {count - freedom} places, times and components: those of the same one count as "
        "their weighted mean"
    )
    if given.data.sigma is not None:
        said += f", about which they scatter by {np.sqrt(square / freedom):.2g} of what sigma says"
    return [said]


def _widths(given: Inversion, state: flow.FlowState) -> Summary:
    """Of several networks, the neurons of each."""
    network = state.representation.network
    if network is None or len(given.spaces) == 1:
        return {}
    own = zip(given.spaces, network.parts, strict=True)
    return {"widths": {name: list(part.widths) for name, part in own}}


def _noise(given: Inversion, choice: flow.Choice | None, misfit: float) -> dict[str, float | None]:
    """The root mean square of the noise, as given or as the choice found it, as the choice found it whatever
    was given, and 2φ/n (its mean under noise in place of n, which a Huber misfit makes smaller) against the
    first."""
    sigma, factor = given.data.sigma, 1.0
    if sigma is None:
        if choice is None:
            return {"noise_level": None, "noise_level_found": None, "chi2": None}
        sigma, factor = given.sigma, choice.spread
    level = factor * float(np.sqrt(np.mean(sigma**2)))
    chi2 = 2.0 * misfit / given.energy.expectation / factor**2 if factor > 0 else None
    found = None if choice is None else choice.spread * float(np.sqrt(np.mean(given.sigma**2)))
    return {"noise_level": level, "noise_level_found": found, "chi2": chi2}


def _states(forward: Untyped, found: Untyped) -> Summary:
    """The state, or that of each experiment with its name."""
    if not isinstance(forward, Experiments):
        return {"state": forward.function(found)}
    return {f"state_{name}": model.function(found.parts[name]) for name, model in forward.models.items()}


def _moments(forward: Untyped, found: Untyped) -> tuple[list[str], Iterable[float]]:
    """The states that change with time, and the times at which they are shown; of several experiments only
    where all have the same steps."""
    models, parts = [forward], [found]
    if isinstance(forward, Experiments):
        models, parts = list(forward.models.values()), list(found.parts.values())
    both = zip(models, parts, strict=True)
    transient = [(model, part) for model, part in both if isinstance(model, TransientModel)]
    if len(transient) < len(models) or len({(m.times.end, m.times.steps) for m, _ in transient}) > 1:
        return [], (0.0,)
    together = zip(*(model.moments(part, MOMENTS) for model, part in transient), strict=True)
    return list(_states(forward, found)), (times[0] for times in together)


def _experiments(given: Inversion, state: flow.FlowState) -> Summary:
    """Readings and misfit of each experiment."""
    at = on_its_mesh(state.evaluation)
    if not isinstance(given.forward, Experiments):
        return {}
    assert isinstance(at, Misfit)
    told = {}
    for name, rows in at.forward.rows.items():
        own = np.zeros_like(at.unpooled)
        own[rows] = at.unpooled[rows]
        pooled = given.energy.pooled(own)
        told[name] = {"readings": rows.stop - rows.start, "misfit": 0.5 * float(pooled @ pooled)}
    return {"experiments": told}


def _prior(given: Inversion, kind: str, choice: flow.Choice | None, weight: float | None) -> Summary:
    """The standard deviation of a Matérn field, of several unknowns by their names."""
    if kind != "matern" or weight is None:
        return {}
    dimension = given.domain.dimension
    told = {name: prior_std(given.case, name, dimension, choice, weight) for name in given.spaces}
    return {"prior_std": told if len(told) > 1 else next(iter(told.values()))}


def _left_out(given: Inversion) -> Summary:
    """Readings that no coefficient changes, if there are any: how many, and their misfit."""
    if not given.left_out:
        return {}
    return {
        "left_out": {
            "readings": sum(len(each.lines) for each in given.left_out),
            "misfit": min(sum(each.misfit for each in given.left_out), np.finfo(float).max),
            "contradicts": any(each.contradicts for each in given.left_out),
        }
    }


def _shown(given: Inversion, name: str, values: np.ndarray, steepest: np.ndarray) -> tuple[Summary, Summary]:
    """Functions of an unknown that the picture shows, and those beside them; of several unknowns with its
    name."""
    space, unknown = given.spaces[name], given.case.unknowns[name]
    ending = given.ending_of(name)
    m = space.function(values, name)
    shown: Summary = {name: m}
    if name in given.truths and unknown.on is None:  # a trace has no truth inside
        truth = space.interpolant(given.truths[name], f"truth{ending}")
        error = space.everywhere(space.nodal(m) - space.nodal(truth), f"error{ending}")
        shown |= {truth.name: truth, error.name: error}
    gradient = space.everywhere(steepest, f"gradient{ending}")
    rest: Summary = {gradient.name: gradient}
    if prefix := prefix_of(unknown.role):
        rest[f"{prefix}_{name}"] = physical(unknown.role, m)
    quantity = quantity_of(name, unknown)
    if quantity.logarithmic or unknown.label or unknown.unit:  # once more, as its user calls it
        rest[quantity.name] = physical(unknown.role, m) if quantity.logarithmic else m
    return shown, rest
