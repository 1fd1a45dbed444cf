"""Draws of what a case states before any reading: the prior of each unknown, without its data."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import output
from app.case import BaseCase, Case, CaseError, check_dimension
from app.mesh import CoefficientSpace
from app.parallel import agreed
from app.prior import REGULARISATIONS, effective_length, values_of
from app.prior.gram import InnerProduct
from app.prior.variance import PointwiseVariance, pointwise_variance
from app.problem.factories import nodal_values, stream
from app.problem.forward_models import survey_of
from app.problem.given import field_of
from app.problem.inversion import domain_of, space_of
from app.problem.panels import finest_of, panels_of
from app.problem.priors import require_prior, unresolved
from app.problem.quantities import look_of, quantity_of
from app.problem.solvers import Solvers
from app.types import Summary

CORRELATED = 0.14
"""The correlation of Matérn's fields, within 0.005, at the distance that is their correlation length."""

DEVIATION = "standard deviation"

SHOWN = 4
"""Draws at most that the picture shows."""

TOGETHER = 16
"""Nodes over which correlations at about one distance are averaged, of several directions."""


@dataclass(frozen=True, eq=False)
class StatedPrior:
    """N(mean, factor² R⁻¹) of an unknown."""

    name: str
    quantity: output.Quantity
    space: CoefficientSpace
    R: InnerProduct
    mean: np.ndarray
    """m_ref, shape (owned,)."""
    factor: float
    """Times draws of N(0, R⁻¹): the standard deviation, where R is of unit variance."""
    notes: tuple[str, ...]
    """What is drawn in place of what the case leaves to the data, and what the mesh does not show, a line
    each."""

    def draws(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Shape (owned, count); collective."""
        return self.mean[:, None] + self.factor * self.R.sample(rng, count)

    def variance(self) -> PointwiseVariance:
        """Before any reading; collective."""
        found = pointwise_variance(self.R)
        return PointwiseVariance(self.factor**2 * found.values, self.factor**2 * found.error)

    def correlation_length(self, variance: np.ndarray) -> float | None:
        """The distance from the middle of the nodes at which the correlation with it falls to 0.14, in the
        mean over directions; None where it does not. The same on all ranks, collective."""
        comm, x = self.space.comm, self.space.coordinates
        middle = comm.allreduce(x.sum(axis=0)) / self.space.size
        away = np.linalg.norm(x - middle, axis=1)
        rank, node = min(comm.allgather((float(away.min(initial=np.inf)), comm.rank)))[1], None
        unit = np.zeros(self.space.owned)
        if comm.rank == rank:
            node = int(np.argmin(away))
            unit[node] = 1.0
        place, own = comm.bcast((x[node], variance[node]) if node is not None else None, root=rank)
        covariance = self.factor**2 * self.R.riesz(unit)
        pairs = np.column_stack([np.linalg.norm(x - place, axis=1), covariance / np.sqrt(own * variance)])
        whole = np.concatenate(comm.allgather(pairs))
        whole = whole[np.lexsort(whole.T[::-1])]
        width = min(TOGETHER, len(whole))
        mean = np.array([np.convolve(column, np.full(width, 1.0 / width), "valid") for column in whole.T])
        below = np.flatnonzero(mean[1] <= CORRELATED)
        return float(mean[0, below[0]]) if len(below) else None

    def told(self, variance: PointwiseVariance) -> list[str]:
        """What its draws look like, a line each; collective."""
        comm = self.space.comm
        values, error = (np.concatenate(comm.allgather(each)) for each in (variance.values, variance.error))
        deviation = np.sqrt(values)
        said = f"{self.name}: standard deviation {np.median(deviation):.3g} ({deviation.min():.3g} to "
        said += f"{deviation.max():.3g})"
        if error.any():
            share = float(np.sqrt(np.mean(np.square(error / values)))) / 2.0
            said += f", estimated to {100 * share:.2g} %"
        length = self.correlation_length(variance.values)
        seen = "longer than the domain" if length is None else f"{length:.3g}"
        return [f"{said}; correlation length {seen}", *self.notes]


@contextmanager
def stated_priors(comm: MPI.Comm, case: BaseCase) -> Iterator[list[StatedPrior]]:
    """Those of all unknowns, from the case and its mesh, without forward model; collective.

    Raises InputError on all ranks, for the kinds of R too that are no prior.
    """
    if not isinstance(case, Case):
        found = "found an energy without observations, expected some: only they need a prior"
        raise CaseError([f"{case.where('energy')}: {found}"])
    domain = domain_of(comm, case, survey_of(comm, case))
    with agreed(comm):
        check_dimension(case, domain.dimension)
    solvers = Solvers(comm)
    with ExitStack() as owned:
        yield [_stated(case, name, space_of(case, domain, name), solvers, owned) for name in case.unknowns]


def _stated(
    case: Case, name: str, space: CoefficientSpace, solvers: Solvers, owned: ExitStack
) -> StatedPrior:
    require_prior(case, name, space, known=True)
    chosen = case.regularisation[name]
    if chosen.open or not REGULARISATIONS[chosen.kind].fixed:
        found = f"found the kind {chosen.kind}, which depends on the data"
        expected = "matern with a correlation_length and a std, or another kind"
        raise CaseError([f"{case.where('regularisation', name)}: {found}, expected {expected}"])
    make, notes = REGULARISATIONS[chosen.kind], unresolved(case, name, space)
    length, std = chosen.stated(space.domain.dimension)
    given = length or chosen.length_scale
    length = effective_length(space.domain.diagonal, given, make.share)
    if given is None and make.lengths:
        notes.append(f"{name}: the correlation length is left to the data: drawn with {length:.3g}")
    if std is None and isinstance(chosen.weight, str):
        notes.append(f"{name}: the standard deviation is left to the data: drawn as with weight: 1")
    factor = std or chosen.scale / (1.0 if isinstance(chosen.weight, str) else chosen.weight) ** 0.5
    mean = np.zeros(space.owned)
    if case.unknowns[name].reference is None:
        notes.append(f"{name}: the mean is the median of the readings: drawn about 0")
    else:
        path = ("unknowns", name, "reference")
        field = field_of(case, space.domain, path, case.unknowns[name].reference)
        mean = nodal_values(case, space, field, *path)
    solver = solvers.factory(case.equation.solver, "riesz", space)
    regularisation = make(space, length, solver, **values_of(make, chosen.parameters))
    owned.callback(regularisation.close)
    quantity = quantity_of(name, case.unknowns[name])
    return StatedPrior(name, quantity, space, regularisation.at(mean), mean, factor, tuple(notes))


def sample_prior(comm: MPI.Comm, case: BaseCase, count: int, folder: Path) -> list[str]:
    """Write `count` draws of each unknown with its standard deviation as fields and as a picture; what is to
    be said of them, a line each. Collective; raises InputError and OSError on all ranks."""
    rng = stream(case, "prior")
    with stated_priors(comm, case) as priors:
        fields: Summary = {}
        lines, shown, spaces = [], [], [prior.space for prior in priors]
        for prior in priors:
            ending = f"_{prior.name}" if len(priors) > 1 else ""
            found = prior.variance()
            drawn = {f"{prior.name}_{i + 1}": m for i, m in enumerate(prior.draws(rng, count).T)}
            samples: Summary = {name: prior.space.function(values, name) for name, values in drawn.items()}
            deviation = prior.space.everywhere(prior.space.extended(np.sqrt(found.values))[0], f"std{ending}")
            lines += prior.told(found)
            fields |= {**samples, deviation.name: deviation}
            shown.append({**dict(list(samples.items())[:SHOWN]), DEVIATION: deviation})
        finest = finest_of(spaces)
        output.write_fields(folder / "prior_samples.pvd", finest, fields)
        drawn_on, panels = panels_of(spaces, shown)
        rows = []
        for prior, own in zip(priors, panels, strict=True):
            std, quantity = own.pop(DEVIATION), prior.quantity
            rows.append(output.Row(quantity, own))
            rows.append(output.Row(output.Quantity(quantity.difference), {DEVIATION: std}))
        picture, nowhere = folder / "prior_samples.png", output.Readings.nowhere(spaces[0].domain.dimension)
        reason = output.draw_fields(picture, drawn_on, rows, nowhere, look_of(case))
        lines.append(f"written: {folder / 'prior_samples.pvd'}" + ("" if reason else f", {picture}"))
        return [*lines, *([f"no picture: {reason}"] if reason else [])]
