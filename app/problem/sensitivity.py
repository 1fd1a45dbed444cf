"""Which readings depend on the unknown at all, where a run starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from app.case import DataError
from app.electrical import ElectricalModel
from app.energy import Misfit
from app.mesh.points import cell_size
from app.parallel import gram
from app.pde import Experiments
from app.problem.inversion import Inversion
from app.problem.priors import unresolved
from app.schema.problems import first_few
from app.types import Untyped

NOTHING = 1e-13
"""A reading that changes by less than this share of itself, where the coefficient changes at random by as
much as it is, changes by rounding."""

LEAST = 1e-2
"""Share of the largest reading that smaller ones count as, if their rounding is that of the state."""


def notes_of(given: Inversion, at_start: Misfit[Untyped]) -> list[str]:
    """What is to be known of the readings, and of priors on this mesh, before a run; collective.

    Costs one tangent, which is not counted as work of the run. Raises DataError on all ranks where no reading
    depends on the unknown.
    """
    notes = [*(str(each) for each in given.left_out), *_in_wells(given, at_start)]
    for name, space in given.spaces.items():
        notes += unresolved(given.case, name, space)
    if isinstance(given.forward, ElectricalModel):  # every current feels every resistivity
        return notes
    still = np.flatnonzero(_still(given, at_start))
    if len(still) == len(given.data.values):
        files = dict.fromkeys(str(file) for file, _ in given.files)
        found = "found no reading that depends on the unknown at its reference"
        raise DataError([f"{', '.join(files)}: {found}, expected at least one"])
    if len(still):
        count = f"{len(still)} reading{'s' if len(still) > 1 else ''}"
        named = first_few([_place(given, int(i)) for i in still])
        change = "does not depend" if len(still) == 1 else "do not depend"
        notes.append(f"warning: {count} {change} on the unknown at its reference: {named}")
    return notes


def _still(given: Inversion, at_start: Misfit[Untyped]) -> np.ndarray:
    """Which readings do not change in a random direction; whole on every rank."""
    space = given.coefficient
    square = gram(space.comm, given.reference, given.reference) / max(space.size, 1)
    size = float(np.sqrt(square)) or 1.0
    direction = size * np.random.default_rng([given.case.seed, space.comm.rank]).standard_normal(space.owned)
    with _uncounted(given.forward):
        change = at_start.forward.tangent(direction)
    sizes = np.abs(at_start.forward.readings)
    without: np.ndarray = np.abs(change) <= NOTHING * np.maximum(sizes, LEAST * sizes.max(initial=0.0))
    return without


def _in_wells(given: Inversion, at_start: Misfit[Untyped]) -> list[str]:
    """Readings so near to a point source that the mesh tells what they are; on a line the state has no
    singularity."""
    notes: list[str] = []
    domain = given.domain
    if domain.dimension == 1:
        return notes
    for experiment, part in given.case.parts.items():
        rows = at_start.forward.rows[experiment] if given.case.experiments else slice(None)
        numbers = np.arange(len(given.data.values))[rows]
        for name, well in getattr(part.equation, "wells", {}).items():
            distance = np.linalg.norm(given.data.points[numbers] - np.array(well.at), axis=1)
            told = f"is within a cell of the well {name}, where the state depends on the mesh"
            near = numbers[distance < cell_size(domain, np.array(well.at))]
            notes += [f"warning: reading {_place(given, int(number))} {told}" for number in near]
    return notes


def _place(given: Inversion, index: int) -> str:
    """A reading by its file and line and, if it has one, its place."""
    point = given.data.points[index]
    where = f" at ({', '.join(f'{x:.6g}' for x in point)})" if np.isfinite(point).all() else ""
    return f"{given.places_of([index])}{where}"


@contextmanager
def _uncounted(forward: Untyped) -> Iterator[None]:
    """What is solved inside is no part of the run's work."""
    models = list(forward.models.values()) if isinstance(forward, Experiments) else [forward]
    before = [replace(model.counts) for model in models]
    try:
        yield
    finally:
        for model, counts in zip(models, before, strict=True):
            model.counts = counts
