"""Steps: how a representation follows a quadratic model."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.flow.models import Model
from app.flow.records import Expansion
from app.flow.state import Representation, StepState
from app.parallel import gram, timed


@dataclass(frozen=True, eq=False)
class Base:
    """Where the proposals of an iteration start: at m_k, made of a network that grew for those before."""

    representation: Representation
    values: np.ndarray
    """m_k, shape (owned,)."""
    state: StepState
    rounds: int = 0
    """How often the network has grown in this iteration."""
    known: object = None
    """What a step has found for the iteration and need not find again after a rejection."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A trial step and what the model expects of it."""

    representation: Representation
    values: np.ndarray
    """m at the trial, shape (owned,)."""
    predicted: float
    """Decrease of the energy that the model predicts, ≥ 0."""
    alignment: float
    capture: float
    """−q(δ) / ½rᵀK⁻¹r: the share of the ideal decrease that the step takes."""
    base: Base
    """Where a further proposal of the iteration starts, should this one be rejected; m there is still m_k."""
    missing: float = 0.0
    """½rᵀK⁻¹r + q(δ), the rest of it."""
    inner_steps: int = 0
    growth: tuple[Expansion, ...] = ()
    """Rounds in which the network grew for it."""
    pruned: int = 0
    """Neurons that were removed from it."""


class Step(Protocol):
    """Proposes trials for a model; immutable, and proposing changes nothing."""

    @property
    def max_rejections(self) -> int:
        """Rejected trials in one iteration at which the run gives up."""

    @property
    def creeps(self) -> bool:
        """Whether the step may fall short of the ideal one, and so approach the target from above."""

    def propose(self, base: Base, model: Model, scale: float) -> Proposal:
        """A trial for a model; `scale` is what decreases are measured by (see Stopping). Collective."""

    def accepted(self, proposal: Proposal) -> StepState:
        """What is remembered after the proposal was accepted."""

    def rejected(self, base: Base, model: Model) -> tuple[Base, Model]:
        """Base and model to try next."""

    def strayed(self, proposal: Proposal) -> bool:
        """Whether the proposal went where a model that knows few directions only may be wrong."""

    def following_closely(self, representation: Representation, state: StepState) -> StepState:
        """What is remembered if from now on the models are exact, and worth following further."""

    def full(self, representation: Representation) -> bool:
        """Whether the network may grow but is as wide as it may be."""


@dataclass(frozen=True)
class IdealStep:
    """δ = −K⁻¹r of nodal values: no Jacobian, no inner steps."""

    max_rejections: int = 8
    creeps: bool = False

    def propose(self, base: Base, model: Model, scale: float) -> Proposal:
        """See Step."""
        with timed("krylov"):
            delta = -model.inner.riesz(model.derivative)
            decrease = -0.5 * float(gram(model.inner.comm, model.derivative, delta))
        moved = base.values + delta
        own = replace(base.representation, theta=moved)
        return Proposal(own, moved, decrease, alignment=1.0, capture=1.0, base=base)

    def accepted(self, proposal: Proposal) -> StepState:
        """See Step; there is nothing to remember."""
        return proposal.base.state

    def rejected(self, base: Base, model: Model) -> tuple[Base, Model]:
        """See Step; the model answers."""
        return base, model.rejected()

    def strayed(self, proposal: Proposal) -> bool:
        """See Step; the ideal step never does."""
        return False

    def following_closely(self, representation: Representation, state: StepState) -> StepState:
        """See Step; the ideal step follows any model to its minimum."""
        return state

    def full(self, representation: Representation) -> bool:
        """See Step; there is nothing to grow."""
        return False
