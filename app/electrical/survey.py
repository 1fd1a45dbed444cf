"""An electrical survey as a case describes it: what lies between the case's words and the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.data import ElectrodeReadings, PointData
from app.electrical.contacts import Contacts, NoContact
from app.electrical.model import BlindReading, ElectricalModel
from app.electrical.wave_numbers import IN_THE_MESH, across_the_section
from app.equations.electrical import ElectricalTomography
from app.mesh import MESHES, CoefficientSpace, MeshError, PointOutside, SharpSpaces, TaggedMesh
from app.observe.readings import ReadingObservations
from app.observe.repeats import groups_of
from app.parallel import LinearSolver, agreed, on_root
from app.pde import NotUnique
from app.schema.problems import CaseError, DataError
from app.schema.section import Written
from app.types import Described


@dataclass(frozen=True, eq=False)
class Survey:
    """Electrodes and what was read between them, with what the case says of both; the same on all ranks."""

    written: Written
    equation: ElectricalTomography
    observation: ReadingObservations
    readings: ElectrodeReadings

    @property
    def file(self) -> Path:
        """That of the readings."""
        return self.written.resolve(self.observation.file)

    @property
    def guessed(self) -> bool:
        """Whether the standard deviations are a guess: as the case says, or for want of any."""
        return self.observation.guessed or self.observation.deviations_are_usual(self.readings)

    @property
    def groups(self) -> np.ndarray:
        """Number of the group of each reading: those of the same two pairs of electrodes, whichever pair
        had the current, are one."""
        pairs = np.sort(self.readings.abmn.reshape(-1, 2, 2), axis=2)
        ordered = np.sort(len(self.readings.electrodes) * pairs[:, :, 0] + pairs[:, :, 1], axis=1)
        return groups_of(2.0 * ordered)

    def positions(self, dimension: int) -> np.ndarray:
        """Electrodes in a mesh of this dimension, shape (electrodes, dimension): a third coordinate that is
        the same for all is left out of a plane. Raises CaseError or DataError."""
        if np.floor(self.equation.dimension) != dimension:
            where = self.written.where("equation", "dimension")
            found = f"{self.equation.dimension:g} with a mesh of dimension {dimension}"
            fitting = {2: "2 or 2.5", 3: "3"}.get(dimension, "a mesh of dimension 2 or 3")
            raise CaseError([f"{where}: found {found}, expected {fitting}"])
        electrodes = self.readings.electrodes
        columns = electrodes.shape[1]
        if columns == 3 and dimension == 2 and np.ptp(electrodes[:, 2]) == 0:
            return electrodes[:, :2]
        if columns != dimension:
            found = f"electrodes with {columns} coordinates"
            raise DataError([f"{self.file}: found {found}, expected {dimension} (the mesh's)"])
        return electrodes

    def mesh(self, comm: MPI.Comm, options: Described) -> TaggedMesh:
        """The mesh through the electrodes, of the equation's dimension; collective.

        `options` are those of the case's mesh but for its kind. Raises CaseError or DataError on all ranks.
        """
        with agreed(comm):
            for key in ("margin", "depth"):
                if self.equation.dimension < 3 and options[key] is not None:
                    found = f"found a {key} in {self.equation.dimension:g} dimensions"
                    raise CaseError([f"{self.written.where('mesh', key)}: {found}, expected one only in 3"])
            where = self.positions(int(self.equation.dimension))
        width = None if self.equation.contacts is None else self.equation.contacts.width
        try:
            return MESHES["electrodes"](comm, positions=where, width=width, **options)
        except MeshError as error:
            raise DataError([f"{self.file}: {error}"]) from None

    def forward_model(
        self, coefficient: CoefficientSpace | SharpSpaces, solver: LinearSolver
    ) -> ElectricalModel:
        """The forward model, which has the solver from then on; collective. Raises DataError on all ranks."""
        with agreed(coefficient.comm):
            where = self.positions(coefficient.domain.dimension)
        abmn, waves = self.readings.abmn, IN_THE_MESH
        if self.equation.dimension == 2.5:
            shortest, longest = _distances(where, abmn)
            if not shortest > 0:
                found = "found electrodes of current and voltage at one place"
                raise DataError([f"{self.file}: {found}, expected all apart"])
            waves = across_the_section(shortest, longest)
        given, degree = self.equation.contacts, self.equation.degree
        contacts = None if given is None else Contacts(given.width, given.impedance)
        try:
            return ElectricalModel(coefficient, where, abmn, waves, degree, solver, contacts)
        except PointOutside as outside:
            raise DataError([f"{self.file}: electrode {str(outside).removeprefix('point ')}"]) from None
        except NoContact as lonely:
            where_said = self.written.where("equation", "contacts", "width")
            raise CaseError([f"{where_said}: {lonely}"]) from None
        except NotUnique as failure:
            raise CaseError([f"{self.written.where('mesh')}: {failure}"]) from None
        except BlindReading as blind:
            raise DataError([f"{self.file}:{self.readings.lines[blind.index]}: {blind}"]) from None

    def data(self, model: ElectricalModel) -> PointData:
        """log ρₐ of each reading with its standard deviation; `points` are the electrodes.

        With the geometric factors of the model's own mesh, but for files that have apparent resistivities
        only. Raises DataError where an apparent resistivity is negative.
        """
        readings, factors = self.readings, model.geometric_factors
        apparent = readings.apparent_resistivities(factors)
        negative = np.flatnonzero(apparent <= 0)
        if len(negative):
            raise DataError([
                f"{self.file}:{readings.lines[i]}: found an apparent resistivity of {apparent[i]:.4g} ohm m "
                f"(geometric factor {factors[i]:.4g} m), expected one > 0: swap two electrodes or leave the "
                "reading out"
                for i in negative
            ])  # fmt: skip
        electrodes = readings.electrodes[:, : model.coefficient.domain.dimension]
        return PointData(
            points=electrodes.copy(),
            values=np.log(apparent),
            sigma=self.observation.deviations(readings),
            lines=readings.lines.copy(),
        )


def read_survey(
    comm: MPI.Comm, written: Written, equation: ElectricalTomography, observation: ReadingObservations
) -> Survey:
    """The survey whose readings the observation names; collective. Raises DataError on all ranks."""
    path = written.resolve(observation.file)
    return Survey(written, equation, observation, on_root(comm, lambda: observation.read(path)))


def _distances(electrodes: np.ndarray, abmn: np.ndarray) -> tuple[float, float]:
    """Shortest and longest distance between electrodes of current and of voltage in one reading."""
    ends = [electrodes[abmn[:, i]] - electrodes[abmn[:, j]] for i in (0, 1) for j in (2, 3)]
    lengths = np.linalg.norm(np.concatenate(ends), axis=1)
    return float(lengths.min()), float(lengths.max())
