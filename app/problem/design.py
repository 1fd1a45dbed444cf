"""Where to measure next: the candidates of a problem, and what their choice leaves."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ufl import dx

from app import output
from app.case import BaseCase, Case, CaseError, DataError
from app.data.places import Places
from app.energy.restricted import on_its_mesh
from app.flow import FlowState
from app.mesh.rows import integrals, over_facets
from app.observe import StateObservations
from app.observe.entries import Entry
from app.observe.noise import AbsoluteNoise, Place, RelativeNoise
from app.observe.unmeasured import unmeasured
from app.posterior import GaussianPosterior, Posterior
from app.posterior.design import Aim, Design, designed, functional_variance, mean_variance
from app.problem.conditions import place
from app.problem.inversion import Inversion
from app.problem.panels import panels_of
from app.problem.predictions import PredictionsOf, functionals_of, observed
from app.problem.quantities import look_of, quantity_of
from app.types import Summary


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """What is to be designed."""

    candidates: Places
    """Places as the kind of observation has them, and perhaps a column sigma."""
    number: int
    """How many of them are to be chosen, at least 1."""
    observation: str | None = None
    """NAME, with experiments EXPERIMENT.NAME: that of the case of whose kind, component and noise they are;
    None for its first, of points if there is one."""
    sigma: float | np.ndarray | None = None
    """Standard deviations of their readings, in place of the column and of the case's noise."""
    aim: Literal["mean", "predictions"] = "mean"
    """The mean variance of the unknowns, or that of the predictions, relative to what each is now."""


@dataclass(frozen=True, eq=False)
class Designed:
    """The candidates that were chosen, in this order."""

    design: Design
    lines: np.ndarray
    """Line of the file, or number, of each that was chosen."""
    places: tuple[str, ...]
    """In words."""
    points: np.ndarray
    """Coordinates, nan of parts of the mesh; shape (chosen, dimension)."""
    sigma: np.ndarray
    """Standard deviations of their readings, or of the logarithms of these."""
    candidates: int
    """How many there were."""
    aim: Literal["mean", "predictions"]
    given: Inversion
    """The problem on the mesh of the result."""

    @property
    def rows(self) -> list[Summary]:
        """One for each that was chosen, as design.csv has them."""
        columns = zip(self.lines, self.places, self.sigma, self.design.share, strict=True)
        return [
            {
                "order": order,
                "line": int(line),
                "place": where,
                "sigma": float(sigma),
                "variance_left": float(left),
            }
            for order, (line, where, sigma, left) in enumerate(columns, 1)
        ]

    def draw(self, picture: Path) -> str | None:
        """Deviations before and after with the places that were chosen, and what is left; collective.

        Returns, on all ranks, why there is no picture, None if there is one. Raises OSError on all ranks.
        """
        both = {"before": self.design.std_before, "after": self.design.std_after}
        own = {label: self.given.coefficient.split(values) for label, values in both.items()}
        rows = []
        for number, space in enumerate(self.given.spaces.values()):
            rows.append({
                label: space.everywhere(space.extended(parts[number])[0], label)
                for label, parts in own.items()
            })  # fmt: skip
        drawn_on, panels = panels_of(self.given.coefficient.parts, rows)
        unknowns, look = self.given.case.unknowns.items(), look_of(self.given.case)
        told = [
            output.Deviating(quantity_of(name, unknown), fields)
            for (name, unknown), fields in zip(unknowns, panels, strict=True)
        ]
        return output.draw_design(picture, drawn_on, told, self.points, self.design.share, look)


@dataclass(frozen=True, eq=False)
class DesignOf:
    """Designs measurements for states of a problem on one or several meshes."""

    levels: Sequence[Inversion]
    """The coarsest first."""
    predictions: PredictionsOf

    def __call__(self, state: FlowState, posterior: Posterior, wanted: Wanted) -> Designed:
        """At the result of a complete state; collective. Raises InputError on all ranks alike."""
        if not isinstance(posterior, GaussianPosterior):
            raise CaseError(["found phases, expected a coefficient with a Gaussian posterior to design for"])
        given = self.levels[state.level]
        experiment, name, section = _observation(given.case, wanted.observation)
        part = given.case.parts[experiment]
        entry = Entry(part, ("observations", name), section, wanted.candidates)
        model, seen = observed(given, experiment or None)
        at = on_its_mesh(state.evaluation)
        with closing(unmeasured(entry, seen)) as found:
            (data,), count = found.data, len(found.places)
            if not 1 <= wanted.number <= count:
                expected = f"a number from 1 to {count}, how many candidates there are"
                raise DataError(
                    [f"{wanted.candidates}: found {wanted.number} to choose, expected {expected}"]
                )
            values, rows = functionals_of(model, found, experiment).linearised(at.m, at.forward)
        variances = _noise(given, entry, data.sigma, values, posterior, wanted.sigma)
        aim = self._aim(state, posterior, wanted.aim)
        design = designed(posterior, rows, variances, aim, wanted.number)
        order = design.order
        places = tuple(found.places[number] for number in order)
        lines, points = data.lines[order], data.points[order]
        return Designed(design, lines, places, points, np.sqrt(variances[order]), count, wanted.aim, given)

    def _aim(self, state: FlowState, posterior: GaussianPosterior, wanted: str) -> Aim:
        if wanted == "mean":
            return mean_variance(posterior, _weights(self.levels[state.base], posterior))
        found = self.predictions.on(state.level)
        if found is None:
            case = self.levels[state.level].case
            raise CaseError([f"{case.where('predictions')}: found none, expected some to design for"])
        at = on_its_mesh(state.evaluation)
        return functional_variance(posterior, found.functionals.linearised(at.m, at.forward)[1])


def require_posterior(case: BaseCase) -> None:
    """Raise CaseError for a case whose results have no posterior, however they were found."""
    if not isinstance(case, Case):
        found = "found an energy without observations, which has no posterior"
        raise CaseError([f"{case.where('energy')}: {found}, expected results of observations"])
    if case.posterior.kind == "none":
        raise CaseError([f"{case.where('posterior', 'kind')}: found none, expected laplace or mcmc"])


def _observation(case: Case, said: str | None) -> tuple[str, str, StateObservations]:
    """The experiment, empty without experiments, the name and the section of an observation of the case.

    Raises CaseError where there is none of that name, or none whose file is a table.
    """
    known: Mapping[str, tuple[str, str, StateObservations]] = {
        f"{experiment}.{name}".lstrip("."): (experiment, name, section)
        for experiment, part in case.parts.items()
        for name, section in part.observations.items()
        if isinstance(section, StateObservations) and section.of_table
    }
    if not known:
        found = "no observation of the state whose file is a table"
        raise CaseError([f"{case.where('observations')}: found {found}, expected one to design more like it"])
    if said is None:
        return next((one for one in known.values() if one[2].kind == "points"), next(iter(known.values())))
    if said not in known:
        raise CaseError(
            [f"the observation of the candidates: found {said}, expected one of {', '.join(known)}"]
        )
    return known[said]


def _noise(
    given: Inversion,
    entry: Entry[Places],
    column: np.ndarray | None,
    values: np.ndarray,
    posterior: GaussianPosterior,
    said: float | np.ndarray | None,
) -> np.ndarray:
    """Variances of what the candidates would read, or of its logarithm, whose `values` are predicted: by what
    is said, the column sigma, the case's noise, or the median of what the observation's file says."""
    section = entry.section
    logarithmic = section.scale == "log"
    size = np.abs(np.exp(values) if logarithmic else values)
    sigma = column if said is None else np.broadcast_to(np.asarray(said, dtype=float), len(values))
    factor = 1.0
    if sigma is None:
        factor = 1.0 if given.data.sigma is not None else posterior.linearised.noise
        if not isinstance(section.noise, AbsoluteNoise | RelativeNoise):
            return factor * np.full(len(values), np.median(_stated(given, entry)) ** 2)
        where = Place(entry.written, (*entry.path, "noise"), Path(str(entry.source)))
        sigma = section.noise.deviations(size, where).sigma
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise DataError(
            [f"{entry.source}: sigma: found a value that is not > 0, expected finite numbers > 0"]
        )
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        variances: np.ndarray = factor * np.square(sigma / size if logarithmic else sigma)
    if not (np.isfinite(variances) & (variances > 0)).all():
        found = "found a value whose square is no positive number"
        if logarithmic:
            found += ", or a predicted reading of 0 with scale: log"
        raise DataError([f"{entry.source}: sigma: {found}, expected finite numbers > 0"])
    return variances


def _stated(given: Inversion, entry: Entry[Places]) -> np.ndarray:
    """Standard deviations of the readings of the entry's observation, as they count in the misfit."""
    ends = np.cumsum([count for _, count in given.files])
    each = [
        (part, name)
        for part in given.case.parts.values()
        for name, section in part.observations.items()
        if isinstance(section, StateObservations)
    ]
    index = next(i for i, (part, name) in enumerate(each) if part is entry.written and name == entry.path[-1])
    own = given.sigma[(ends[index - 1] if index else 0) : ends[index]]
    return own if len(own) else given.sigma


def _weights(given: Inversion, posterior: GaussianPosterior) -> np.ndarray:
    """By which Σ weights · variance is the mean variance of the unknown; of several the mean of theirs, each
    relative to what it is now. (owned,) ≥ 0, where R and J are; collective."""
    comm, parts = given.domain.comm, []
    variances = given.coefficient.split(posterior.linearised.variance())
    for (name, space), variance in zip(given.spaces.items(), variances, strict=True):
        on = place(given.case, given.domain, name)
        measure = (
            dx(space.domain.mesh) if on is None else over_facets(given.domain, given.domain.boundary(on))
        )
        own = np.maximum(space.restricted([integrals(space.space, measure)]), 0.0)  # of degree 2 some are < 0
        own /= comm.allreduce(float(own.sum()))
        parts.append(own)
        if len(given.spaces) > 1:
            own /= len(given.spaces) * comm.allreduce(float(own @ variance))
    return np.concatenate(parts)
