"""What the flow minimises, from where, with which models and steps: all that `advance` knows of a case."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from app.flow.builders import ModelBuilder
from app.flow.phases.protocols import PhaseNetwork, PhasesOf
from app.flow.protocols import AnyEnergy, AnyEvaluation, Evaluation
from app.flow.scores import Candidate, Criterion
from app.flow.state import Representation, StepState
from app.flow.steps import Step
from app.flow.stopping import Stopping


class Meter(Protocol):
    """Counts work and time."""

    def read(self) -> Mapping[str, float]:
        """Numbers that only grow, by name; on this rank."""


class Truth(Protocol):
    """What the coefficient is compared to after each iteration."""

    def error(self, at: Evaluation) -> float | Mapping[str, float] | None:
        """The relative error of an evaluation's m, of several unknowns one for each whose truth is known;
        collective."""


class Nothing:
    """Counts nothing, and knows no truth."""

    def read(self) -> Mapping[str, float]:
        """See Meter."""
        return {}

    def error(self, at: Evaluation) -> None:
        """See Truth."""
        return None


class FinerEnergy(Protocol):
    """An energy on a mesh that is finer than the nodes at which the coefficient is seen."""

    def at(self, own: Representation, values: np.ndarray, near: AnyEvaluation = None) -> AnyEvaluation:
        """What is known at a network, whose values at these nodes are given: with the energy of the finer
        mesh, and derivatives by functions on the coarser one; see app.flow.protocols.Energy."""

    def whole(self, at: AnyEvaluation) -> AnyEvaluation:
        """An evaluation as the finer mesh's own nodes see it."""


class Arrival(Protocol):
    """From a coarser mesh to nodes of one's own."""

    def representation(self, own: Representation) -> Representation:
        """A network at these nodes, or nodal values of the same departure from m_ref; collective."""

    def coefficient(self, values: np.ndarray) -> np.ndarray:
        """Nodal values (owned,) of the coarser mesh's nodes at these; collective."""


@dataclass(frozen=True)
class Selection:
    """What the data choose among."""

    start: Candidate
    """The regularisation of the first stage; fixed."""
    candidates: Sequence[Candidate]
    rng: Callable[[], np.random.Generator]
    """A new stream for folds and random combinations of readings, each time the same one; alike on all
    ranks."""
    criterion: Criterion = "cross_validation"
    """By which they do."""
    weight: float | None = None
    """Of all candidates, where it is given."""
    reason: str = ""
    """By what it is given."""
    variance: float | None = None
    """Of the whitened noise, where it is known."""
    groups: np.ndarray | None = None
    """Numbers of residuals (n,) that are of one place and are left out together, where there are such."""


@dataclass(frozen=True, eq=False)
class Minimisation:
    """An energy, where its minimisation starts, and by which models, steps and rules it goes on."""

    energy: AnyEnergy
    reference: np.ndarray
    """m_ref, shape (owned,)."""
    start: Representation
    step: Step
    builder: ModelBuilder
    """Of the models on the way to the target, or of all if nothing is to be selected."""
    stopping: Stopping
    """When that is over."""
    max_iterations: int
    selection: Selection | None = None
    """What the data choose among, before the energy is minimised with what they chose."""
    state: StepState = field(default_factory=StepState)
    """The step's, before the first iteration."""
    meter: Meter = field(default_factory=Nothing)
    owned: ExitStack = field(default_factory=ExitStack)
    """Closes what is made for the whole of a run."""
    truth: Truth = field(default_factory=Nothing)
    target: float | None = None
    """The misfit that noise accounts for, where it is known."""
    measured: bool = False
    """Whether the residual compares readings with predicted ones, in standard deviations."""
    level: int = 0
    """Number of the mesh; the coarsest has 0."""
    base: int = 0
    """Number of the mesh at whose nodes the coefficient is seen."""
    coarser: "Minimisation | None" = None
    """The same on the mesh before."""
    finer_energy: FinerEnergy | None = None
    """The energy of this level's mesh, where the coefficient is seen at the nodes of a coarser one."""
    rooted: "Callable[[], Minimisation] | None" = None
    """The same with nodes of its own, where it is seen at those of a coarser mesh."""
    phases: "PhasesOf | None" = None
    """Makes coefficients of few values at this level's nodes, where these are considered."""
    arrival: Arrival | None = None
    """To this level's nodes, where they are others than those of the level before."""

    def at(
        self, own: Representation, values: np.ndarray | None = None, near: AnyEvaluation = None
    ) -> AnyEvaluation:
        """What is known at a coefficient, whose `values` need not be given; see app.flow.protocols.Energy."""
        if self.phases is not None and isinstance(own.network, PhaseNetwork):
            return self.phases.at(own, near)
        values = own.values() if values is None else values
        if self.finer_energy is not None:
            return self.finer_energy.at(own, values, near)
        return self.energy.at(values, near)

    def on(self, level: int) -> "Minimisation":
        """The same on a mesh that is this one or coarser."""
        if level == self.level:
            return self
        assert self.coarser is not None
        return self.coarser.on(level)
