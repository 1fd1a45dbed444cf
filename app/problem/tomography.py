"""From an electrical case to its forward model and data: what lies between the case's words and the mesh."""

from collections.abc import Mapping
from typing import cast

import numpy as np
from mpi4py import MPI

from app.case import Case, CaseError, DataError, ElectricalTomography
from app.data import ElectrodeReadings, PointData
from app.electrical import IN_THE_MESH, BlindReading, Contacts, ElectricalModel, NoContact, across_the_section
from app.mesh import MESHES, CoefficientSpace, MeshError, PointOutside, TaggedMesh
from app.observe.readings import ReadingObservations
from app.parallel import LinearSolver, agreed


def read(case: Case) -> ElectrodeReadings:
    """The readings of a case; serial. Raises DataError."""
    _, observation = _observation(case)
    return observation.read(case.resolve(observation.file))


def positions(case: Case, readings: ElectrodeReadings, dimension: int) -> np.ndarray:
    """Electrodes in a mesh of this dimension, shape (electrodes, dimension): a third coordinate that is the
    same for all is left out of a plane. Raises CaseError or DataError."""
    equation = cast(ElectricalTomography, case.equation)
    if np.floor(equation.dimension) != dimension:
        where, found = case.where("equation", "dimension"), f"{equation.dimension:g} with a mesh of dimension"
        expected = "3" if dimension == 3 else "2 or 2.5" if dimension == 2 else "a mesh of dimension 2 or 3"
        raise CaseError([f"{where}: found {found} {dimension}, expected {expected}"])
    columns = readings.electrodes.shape[1]
    if columns == 3 and dimension == 2 and np.ptp(readings.electrodes[:, 2]) == 0:
        return readings.electrodes[:, :2]
    if columns != dimension:
        path = case.resolve(_observation(case)[1].file)
        raise DataError(
            [f"{path}: found electrodes with {columns} coordinates, expected {dimension} (the mesh's)"]
        )
    return readings.electrodes


def forward_model(
    case: Case, coefficient: CoefficientSpace, readings: ElectrodeReadings, solver: LinearSolver
) -> ElectricalModel:
    """The forward model of the case; collective. Raises DataError on all ranks."""
    equation = cast(ElectricalTomography, case.equation)
    with agreed(coefficient.comm):
        where = positions(case, readings, coefficient.domain.dimension)
    path = case.resolve(_observation(case)[1].file)
    waves = IN_THE_MESH
    if equation.dimension == 2.5:
        shortest, longest = _distances(where, readings.abmn)
        if not shortest > 0:
            raise DataError(
                [f"{path}: found electrodes of current and voltage at one place, expected all apart"]
            )
        waves = across_the_section(shortest, longest)
    given = equation.contacts
    contacts = None if given is None else Contacts(given.width, given.impedance)
    try:
        return ElectricalModel(coefficient, where, readings.abmn, waves, equation.degree, solver, contacts)
    except PointOutside as outside:
        raise DataError([f"{path}: electrode {str(outside).removeprefix('point ')}"]) from None
    except NoContact as lonely:
        raise CaseError([f"{case.where('equation', 'contacts', 'width')}: {lonely}"]) from None
    except BlindReading as blind:
        raise DataError([f"{path}:{readings.lines[blind.index]}: {blind}"]) from None


def data(case: Case, model: ElectricalModel, readings: ElectrodeReadings) -> PointData:
    """log ρₐ of each reading with its standard deviation; `points` are the electrodes.

    With the geometric factors of the model's own mesh, but for files that have apparent resistivities only.
    Raises DataError where an apparent resistivity is negative.
    """
    _, observation = _observation(case)
    path = case.resolve(observation.file)
    apparent = readings.apparent
    if readings.resistances is not None:
        apparent = readings.resistances * model.geometric_factors
    assert apparent is not None
    negative = np.flatnonzero(apparent <= 0)
    if len(negative):
        raise DataError([
            f"{path}:{readings.lines[i]}: found an apparent resistivity of {apparent[i]:.4g} ohm m "
            f"(geometric factor {model.geometric_factors[i]:.4g} m), expected one > 0: swap two "
            "electrodes or leave the reading out"
            for i in negative
        ])  # fmt: skip
    electrodes = readings.electrodes[:, : model.coefficient.domain.dimension]
    return PointData(
        points=electrodes.copy(),
        values=np.log(apparent),
        sigma=observation.deviations(readings),
        lines=readings.lines.copy(),
    )


def mesh(comm: MPI.Comm, case: Case, readings: ElectrodeReadings) -> TaggedMesh:
    """The mesh through the electrodes, of the equation's dimension; collective. Raises CaseError or DataError
    on all ranks."""
    assert case.mesh.kind == "electrodes"
    equation = cast(ElectricalTomography, case.equation)
    options = case.mesh.model_dump(exclude={"kind"})
    with agreed(comm):
        for key in ("margin", "depth"):
            if equation.dimension < 3 and options[key] is not None:
                found = f"found a {key} in {equation.dimension:g} dimensions"
                raise CaseError([f"{case.where('mesh', key)}: {found}, expected one only in 3"])
        where = positions(case, readings, int(equation.dimension))
    width = None if equation.contacts is None else equation.contacts.width
    try:
        return MESHES["electrodes"](comm, positions=where, width=width, **options)
    except MeshError as error:
        raise DataError([f"{case.resolve(_observation(case)[1].file)}: {error}"]) from None


def panels(name: str, logarithms: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the picture shows: resistivities in Ωm of the unknown and the truth, the error as it is."""
    titles = {
        name: "resistivity in Ωm",
        "truth": "true resistivity in Ωm",
        "error": "error of log(resistivity)",
    }
    return {titles[key]: values if key == "error" else np.exp(values) for key, values in logarithms.items()}


def _observation(case: Case) -> tuple[str, ReadingObservations]:
    """The case's only observation, by name."""
    ((name, observation),) = case.observations.items()
    return name, cast(ReadingObservations, observation)


def _distances(electrodes: np.ndarray, abmn: np.ndarray) -> tuple[float, float]:
    """Shortest and longest distance between electrodes of current and of voltage in one reading."""
    ends = [electrodes[abmn[:, i]] - electrodes[abmn[:, j]] for i in (0, 1) for j in (2, 3)]
    lengths = np.linalg.norm(np.concatenate(ends), axis=1)
    return float(lengths.min()), float(lengths.max())
