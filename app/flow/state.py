"""The state of a run: all that the next iteration needs, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from app.flow.protocols import Evaluation, Memory, Network
from app.flow.records import Record, StopReason
from app.flow.scores import Choice, Folds
from app.types import Described, Untyped

Stage = Literal["approach", "selection", "minimisation", "phase_selection", "phases"]
"""On the way to the target; before the data choose the regularisation; to the minimum with what they chose;
before they choose whether the coefficient has few values; to the interfaces between these."""

type Exact = Any
"""What app.flow.minimiser holds of the second stage while the program runs; it knows this module."""


@dataclass(frozen=True, eq=False)
class Representation:
    """What the coefficient is made of: a network and its parameters, or the nodal values themselves."""

    network: Network | None
    """None of nodal values."""
    theta: np.ndarray
    """Parameters of the network, the same on all ranks, or the owned nodal values."""
    size: int
    """Number of parameters, over all ranks."""

    @staticmethod
    def of(network: Network, theta: np.ndarray) -> "Representation":
        """A network with these parameters."""
        return Representation(network, theta, network.size)

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer; empty of nodal values."""
        return () if self.network is None else self.network.widths

    def split(self) -> tuple[Sequence[Untyped], Sequence[np.ndarray]]:
        """The networks of all unknowns and the parameters of each; none of nodal values."""
        if self.network is None:
            return (), ()
        return self.network.parts, self.network.split(self.theta)

    def values(self) -> np.ndarray:
        """m, shape (owned,)."""
        return self.theta if self.network is None else self.network.values(self.theta)


@dataclass(frozen=True)
class StepState:
    """What a step remembers from one iteration to the next."""

    random: Described | None = None
    """State of the stream from which candidate neurons are drawn; the same on all ranks."""
    closely: bool = False
    """Whether the models are exact, and worth following further."""
    begins_anew: bool = False
    """Whether the next proposal may begin from the run's first parameters."""
    time: float = 1.0
    """Length of the explicit Euler step."""

    def generator(self) -> np.random.Generator:
        """The stream, to draw from; a certain one where none was given, so that all ranks draw alike."""
        bits = np.random.PCG64(0)
        if self.random is not None:
            state: Untyped = dict(self.random)
            bits.state = state
        return np.random.Generator(bits)

    def drawn(self, generator: np.random.Generator) -> "StepState":
        """The same after something was drawn."""
        return replace(self, random=generator.bit_generator.state)


def seeded(generator: np.random.Generator) -> StepState:
    """A step's first state, with the stream of candidates."""
    return StepState(random=generator.bit_generator.state)


@dataclass(frozen=True, eq=False)
class Selected:
    """What the data chose, in numbers from which R can be made again."""

    candidate: int
    """Which of the problem's candidates."""
    weight: float
    lagged: np.ndarray | None
    """The coefficient (owned,) from which R is made, where R depends on it."""
    freedom: float
    """Degrees of freedom that the fit uses."""
    spread: float
    """Standard deviation of the whitened noise as the fit finds it."""
    reason: str
    scores: tuple[Described, ...]
    """Of each candidate considered: its number, `weights`, `left_out`, `folds` (None where not judged by
    them) and the index of the best weight."""
    iteration: int
    """The iteration after which it was chosen."""
    folds: Folds | None = None
    """What was predicted of readings in folds that were left out, where there were folds."""


@dataclass(frozen=True)
class PhaseChoice:
    """What the data said of phases, coefficients of few values."""

    taken: bool
    reason: str
    number: int = 0
    """Phases beside the one around them."""
    weight: float = 0.0
    """Of the perimeter of their interfaces."""
    freedom: float = 0.0
    """Degrees of freedom that their fit uses."""
    variance: float = 1.0
    """Of the whitened noise."""
    smooth_length: float | None = None
    """Of R of what varies smoothly beside the phases; None where nothing does."""
    smooth_weight: float = 0.0
    """Of R."""


@dataclass(frozen=True)
class Refinement:
    """What the step to the next finer mesh changed, with the coefficient as it was."""

    level: int
    """Number of the finer mesh; the coarsest has 0."""
    iteration: int
    """The record that is the first of this mesh."""
    moved: float
    """Root mean square of the change of the predicted readings, in standard deviations of the noise as it
    counts in the misfit; 0 where there are no readings."""
    most: float
    """The largest change of a residual, with its sign."""
    reading: int
    """Which of the residuals that is, counted from 0."""


@dataclass(frozen=True, eq=False)
class FlowState:
    """A run after one of its iterations, or after the selection of the regularisation.

    Immutable; `advance` makes the next one. `evaluation` and `exact` are what need not be computed again
    while the program runs: they are no part of what is saved, and made anew where they are missing.
    """

    stage: Stage
    representation: Representation
    step: StepState
    model: Memory
    """What the model of the stage remembers, a frozen dataclass of app.flow.builders or app.flow.convex."""
    records: tuple[Record, ...]
    spent: Mapping[str, float] = field(default_factory=dict)
    """Work and seconds so far, by the problem's meter."""
    read: Mapping[str, float] = field(default_factory=dict)
    """What the meter read then; of this process only."""
    selected: Selected | None = None
    stop_reason: StopReason | None = None
    """Why the run is over, if it is."""
    phase_choice: PhaseChoice | None = None
    """What the data said of them, once they were."""
    crowded: bool = False
    """Whether the user was told that the network is as wide as it may be."""
    level: int = 0
    """Number of the mesh that the run is on; the coarsest has 0."""
    base: int = 0
    """Number of the mesh at whose nodes the coefficient, R and J are."""
    settled: bool = False
    """Whether nothing is left to gain on this mesh, and the next step is that to a finer one."""
    refinements: tuple[Refinement, ...] = ()
    """The steps to finer meshes so far."""
    notes: tuple[str, ...] = ()
    """What the user should read of the last step."""
    evaluation: Evaluation | None = None
    exact: Exact = None
    """Of the minimisation: R, J along the directions of the data that matter, and their products."""

    @property
    def choice(self) -> Choice | None:
        """What the data chose, with what they chose among; None where nothing was chosen."""
        return None if self.exact is None else self.exact.chosen.choice

    @property
    def iteration(self) -> int:
        """Outer iterations so far."""
        return self.records[-1].iteration

    @property
    def here(self) -> tuple[Record, ...]:
        """The records of the mesh that the run is on."""
        return self.records[self.refinements[-1].iteration if self.refinements else 0 :]
