"""Steps: how a representation follows a quadratic model."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.flow.models import Model
from app.flow.protocols import Network
from app.flow.records import Expansion
from app.parallel import gram, timed


@dataclass(frozen=True)
class Proposal:
    """A trial step and what the model expects of it."""

    theta: np.ndarray
    values: np.ndarray
    """m at the trial."""
    predicted: float
    """Decrease of the energy that the model predicts, ≥ 0."""
    alignment: float
    capture: float
    """−q(δ) / ½rᵀK⁻¹r: the share of the ideal decrease that the step takes."""
    missing: float = 0.0
    """½rᵀK⁻¹r + q(δ), the rest of it."""
    inner_steps: int = 0
    growth: tuple[Expansion, ...] = ()
    """Rounds in which the network grew for it."""
    network: Network | None = None
    """What θ are the parameters of; None stands for nodal values."""
    merged: int = 0
    """Neurons that were removed from it."""


class Step(Protocol):
    """Holds the representation and its parameters; proposes trials and is told which one was accepted."""

    theta: np.ndarray
    patience: int
    """Rejected trials in one iteration at which the run gives up."""
    creeps: bool
    """Whether the step may fall short of the ideal one, and so approach the target from above."""

    @property
    def size(self) -> int:
        """Number of parameters, over all ranks."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer; empty for nodal values."""

    @property
    def full(self) -> bool:
        """Whether the network may grow but is as wide as it may be."""

    def values(self) -> np.ndarray: ...
    def propose(self, model: Model, scale: float) -> Proposal:
        """A trial from θ for a model; `scale` is what decreases are measured by (see Stopping)."""

    def accepted(self, proposal: Proposal) -> None: ...
    def rejected(self, model: Model) -> Model:
        """The model to try next."""

    def declined(self) -> None:
        """The proposal is not worth a trial: forget what grew for it."""

    def strayed(self, proposal: Proposal) -> bool:
        """Whether the proposal went where a model that knows few directions only may be wrong."""

    def follow_closely(self) -> None:
        """From now on the models are exact, and worth following further."""


class IdealStep:
    """δ = −K⁻¹r of nodal values: no Jacobian, no inner steps."""

    patience = 8
    creeps = False
    full = False
    widths: tuple[int, ...] = ()

    def __init__(self, theta: np.ndarray, size: int) -> None:
        self.theta, self.size = theta, size

    def values(self) -> np.ndarray:
        return self.theta

    def propose(self, model: Model, scale: float) -> Proposal:
        with timed("krylov"):
            delta = -model.inner.riesz(model.derivative)
            decrease = -0.5 * float(gram(model.inner.comm, model.derivative, delta))
        moved = self.theta + delta
        return Proposal(moved, moved, decrease, alignment=1.0, capture=1.0)

    def accepted(self, proposal: Proposal) -> None:
        self.theta = proposal.theta

    def rejected(self, model: Model) -> Model:
        return model.rejected()

    def declined(self) -> None:
        """See Step; nothing grows."""

    def strayed(self, proposal: Proposal) -> bool:
        """See Step; the ideal step never does."""
        return False

    def follow_closely(self) -> None:
        """See Step; the ideal step follows any model to its minimum."""
