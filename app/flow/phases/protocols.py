"""What the flow knows of coefficients of few values."""

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from mpi4py import MPI

from app.flow.protocols import AnyEvaluation, Candidates, InnerProduct
from app.flow.state import Representation
from app.types import Described

SMOOTH = "trilaplacian"
"""The kind of R of what varies smoothly beside phases: one that has no use for jumps."""


class Rows(Protocol):
    """Rows r of one phase, where they are not negligible."""

    @property
    def columns(self) -> np.ndarray:
        """Numbers of the parameters that they depend on."""

    @property
    def values(self) -> np.ndarray:
        """r."""

    @property
    def derivative(self) -> np.ndarray:
        """By these parameters, a block."""


class Tangent(Protocol):
    """What phases do with their parameters."""

    @property
    def D(self) -> np.ndarray:
        """∂m/∂θ, a block of this rank's nodes."""

    @property
    def near(self) -> np.ndarray:
        """The only nodes at which the columns of the level sets have anything."""

    @property
    def geometry(self) -> slice:
        """These columns."""

    @property
    def rows(self) -> Sequence[Rows]:
        """Of each phase, none where the perimeter has no weight."""


@runtime_checkable
class PhaseNetwork(Protocol):
    """Phases whose interfaces are the zeros of networks, see app.network.phases.Phases."""

    @property
    def size(self) -> int:
        """Number of parameters."""

    @property
    def number(self) -> int:
        """Phases beside the one around them."""

    @property
    def uniform(self) -> bool:
        """Whether interfaces are equally wide everywhere."""

    @property
    def room(self) -> int:
        """Neurons that may still join."""

    @property
    def geometry(self) -> slice:
        """Where in θ the level sets' parameters are; the values are the others."""

    @property
    def scales(self) -> np.ndarray:
        """The size of each parameter, shape (size,)."""

    @property
    def held(self) -> np.ndarray:
        """Numbers of the parameters whose size no reading tells."""

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m(θ), shape (owned,)."""

    def of_values(self, theta: np.ndarray) -> np.ndarray:
        """The values of the phases, that of the one around them first."""

    def perimeters(self, theta: np.ndarray) -> np.ndarray:
        """This rank's share of the perimeter of each phase."""

    def perimeter_rows(self, theta: np.ndarray, weight: float) -> np.ndarray:
        """r, spread over the ranks, with ½‖r‖² the weight times the step times the perimeter of each."""

    def linearised(self, theta: np.ndarray, weight: float) -> Tangent:
        """∂m/∂θ and ∂r/∂θ, of this rank's nodes."""

    def sharpened(self, sharpness: float) -> Self:
        """With interfaces of this half width, in widths of the cells."""

    def pool(
        self,
        theta: np.ndarray,
        number: int,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
    ) -> Candidates:
        """Random neurons that might join a level set, drawn alike on all ranks."""

    def near(self, theta: np.ndarray, number: int) -> np.ndarray:
        """Nodes of the rows r of a phase that are not negligible."""

    def raised(self, theta: np.ndarray, number: int, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of m and of the rows r of one phase by its level set's height at each node."""

    def grown(self, theta: np.ndarray, incoming: np.ndarray, number: int) -> tuple[Self, np.ndarray]:
        """With these neurons added to a level set, and m unchanged."""


@runtime_checkable
class SmoothPhaseNetwork(PhaseNetwork, Protocol):
    """Phases with something beside them that varies smoothly, see app.network.smooth_phases.SmoothPhases."""

    @property
    def beside(self) -> slice:
        """Where in θ the parameters of s are, which varies smoothly."""

    def smooth_values(self, theta: np.ndarray) -> np.ndarray:
        """s at the owned nodes, (owned,)."""


class PhasesOf(Protocol):
    """Makes phases at the nodes of a mesh."""

    @property
    def comm(self) -> MPI.Comm:
        """Ranks over which coefficients are spread."""

    @property
    def numbers(self) -> Sequence[int]:
        """How many phases there may be beside the one around them."""

    @property
    def asked(self) -> bool:
        """Whether the case asks for phases, so that the data are not to choose."""

    @property
    def smooth(self) -> Sequence[bool]:
        """Whether something varies smoothly beside the phases: as the case says, or both, to be tried one
        after the other."""

    @property
    def refined(self) -> bool:
        """Whether the energy sees phases at further points than the nodes."""

    @property
    def weight(self) -> float | None:
        """Of the perimeter; None where the data are to tell it."""

    def start(self, m: np.ndarray, number: int, rng: np.random.Generator) -> Representation:
        """Phases close to a coefficient, collective."""

    def smoothed(self, own: Representation, s: np.ndarray, rng: np.random.Generator) -> Representation:
        """With a network beside the phases that is close to s, (owned,); collective."""

    @property
    def smooth_length(self) -> float:
        """The length of R of what varies smoothly, in the mesh's unit."""

    def smooth_product(self, length: float) -> InnerProduct:
        """R of what varies smoothly, of the kind SMOOTH and this length; made once, collective."""

    def rng(self) -> np.random.Generator:
        """A new stream for random starts, each time the same one; alike on all ranks."""

    def of(self, described: Described) -> PhaseNetwork:
        """Phases at these nodes as `described` tells them."""

    def here(self, own: Representation) -> Representation:
        """Phases at these nodes, with the interfaces as sharp as they are in the end."""

    def seen(self, network: PhaseNetwork) -> PhaseNetwork:
        """Phases where the energy sees them: at these nodes, and perhaps at further points behind them."""

    def at(self, own: Representation, near: AnyEvaluation = None) -> AnyEvaluation:
        """What is known of the energy at phases, with derivatives by what it sees; see Energy."""
