"""What all kinds of observation have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np

from app.data.places import Source
from app.data.points import PointData
from app.observe.noise import GaussianMisfit, Misfit, Noise
from app.observe.operators import ObservationOperator
from app.schema.section import Component, DataFile, Section
from app.types import Matrix, Space

if TYPE_CHECKING:
    from app.mesh import CoefficientSpace, TaggedMesh


class HeldReadings(Protocol):
    """What conditions and initial values alone say of readings."""

    def __call__(
        self, matrix: Matrix, weights: Matrix | None, times: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which readings B u + W A(u, m), at times if the state has one, no coefficient changes, and what
        they are, arbitrary for the others; shape (readings,), whole on every rank. Collective."""


@dataclass(frozen=True)
class ObservedState:
    """The state of an equation, as observations see it; the same on all ranks."""

    domain: TaggedMesh
    space: Space
    """The finite-element space of the state, of type dolfinx.fem.FunctionSpace."""
    components: tuple[str, ...] = ()
    """Names of its components, none of a scalar."""
    given: tuple[str, ...] = ()
    """The parts of the boundary where a condition gives its value."""
    end: float | None = None
    """When its time ends, None of a stationary one."""
    held: HeldReadings | None = None
    """Tells which readings no coefficient changes, if somebody knows."""
    unknowns: Mapping[str, CoefficientSpace] = field(default_factory=dict)
    """The spaces of the equation's unknowns, by name."""


class ObservationSection(Section):
    """What a case says of an observation, whatever was read."""

    kind: str
    """What was read."""
    file: DataFile
    """The readings."""

    equation: ClassVar[str | None] = None
    """The only equation that it goes with; None: all that have no kinds of their own."""
    in_time: ClassVar[bool] = False
    """Whether it goes with equations in time, each reading at a time of its own."""
    alone: ClassVar[bool] = False
    """Whether a case has no other observation beside it."""
    places_electrodes: ClassVar[bool] = False
    """Whether a mesh can be made through its electrodes."""

    @property
    def guessed(self) -> bool:
        """Whether the case calls the size of the noise a guess."""
        return False


class StateObservations(ObservationSection):
    """What the observations of a state have in common.

    A kind adds keys of its own, how its file is read and the operator that takes the state to the readings.
    """

    file: DataFile
    """A CSV or NPY file of the readings."""
    component: Component | None = None
    """The component that was read, of a state that has several: x, y, z of a displacement, real, imaginary of
    a wave."""
    scale: Literal["linear", "log"] = "linear"
    """Whether readings or their natural logarithms are compared; logarithms of readings > 0. Standard
    deviations are those of the readings in both."""
    noise: Noise | None = None
    """Standard deviation of the readings: the column sigma; unless the file has it absolute, of logarithms
    relative, of a size that is found from the data."""
    misfit: Misfit = GaussianMisfit()
    """How residuals count: gaussian, or huber for data with outliers. The target of a weight by discrepancy
    is what Huber's loss expects of noise without outliers; a choice by cross_validation needs none."""

    of_state: ClassVar[bool] = True
    """Whether the state is read; else an unknown itself."""
    of_components: ClassVar[bool] = True
    """Whether it goes with states of several components, of which it then reads one."""
    of_table: ClassVar[bool] = True
    """Whether its file is a table, by whose rows one can say what else is to be known of a state."""

    @abstractmethod
    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """The readings of the file, on a mesh of this dimension; `in_time`: each at a time of its own.

        Of places without readings these are nan. Serial. Raises DataError with the line of everything that is
        wrong.
        """

    @abstractmethod
    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """What takes the state to the readings, in their order; collective. The caller closes it.

        Raises PlaceError for a reading that cannot be taken where it says, MeshError for a part of the mesh
        that the key `on` names and that there is not, both on all ranks.
        """

    @property
    def guessed(self) -> bool:
        """See ObservationSection."""
        return self.noise is not None and self.noise.guess

    def index(self, state: ObservedState) -> int:
        """Which component is read, 0 of a scalar."""
        return state.components.index(self.component) if self.component else 0
