"""Steps: how a representation follows a quadratic model."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.flow.expansion import Strategy
from app.flow.matrix import Direction, FlowMatrix
from app.flow.models import Model
from app.flow.protocols import Network
from app.flow.retraction import FINE_GAIN, GAIN, Fit, quadratic, retract, start_fit
from app.parallel import gram, timed

FINE_CAPTURE = 0.9
"""Capture below which a network grows where the model is exact."""


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
    inner_steps: int = 0
    expansions: int = 0


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
    def propose(self, model: Model, energy: float) -> Proposal:
        """A trial from θ for a model; `energy` is what of the energy at θ is within reach."""

    def accepted(self, proposal: Proposal) -> None: ...
    def rejected(self, model: Model) -> Model:
        """The model to try next."""

    def declined(self) -> None:
        """The proposal is not worth a trial: forget what grew for it."""

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

    def propose(self, model: Model, energy: float) -> Proposal:
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

    def follow_closely(self) -> None:
        """See Step; the ideal step follows any model to its minimum."""


@dataclass(frozen=True)
class GrowthRule:
    """While capture is below `capture` and more than the share `missing` of the energy is missing, grow.

    At most `rounds` times an iteration; a round that gains less than the share `progress` of the missing
    decrease is the iteration's last, since what these candidates cannot bring further ones will not either.
    """

    strategy: Strategy
    capture: float = 0.8
    missing: float = 0.01
    rounds: int = 8
    progress: float = 0.3


class _NetworkStep:
    """A network and its parameters, and how often it has grown in this iteration."""

    creeps = True

    def __init__(self, network: Network, theta: np.ndarray, growth: GrowthRule | None) -> None:
        self.network, self.theta, self.growth = network, theta, growth
        self._rounds = 0
        self._before = network, theta

    @property
    def size(self) -> int:
        return self.network.size

    @property
    def widths(self) -> tuple[int, ...]:
        return self.network.widths

    @property
    def full(self) -> bool:
        return self.growth is not None and self.network.room == 0

    def values(self) -> np.ndarray:
        return self.network.values(self.theta)

    def accepted(self, proposal: Proposal) -> None:
        self.theta = proposal.theta
        self._rounds = 0

    def declined(self) -> None:
        """See Step."""
        self.network, self.theta = self._before
        self._rounds = 0

    def follow_closely(self) -> None:
        """See Step."""

    def _look(self, model: Model) -> tuple[FlowMatrix, Direction, float]:
        """Flow matrix and natural direction at θ, and the ideal decrease ½rᵀK⁻¹r."""
        if not self._rounds:
            self._before = self.network, self.theta
        with timed("jacobian"):
            D = self.network.jacobian(self.theta)
        G = FlowMatrix(D, model.inner)
        with timed("flow_matrix"):
            gradient = model.inner.riesz(model.derivative)
            direction = G.solve(model.derivative, gradient)
        return G, direction, 0.5 * float(gram(model.inner.comm, model.derivative, gradient))

    def _grow(self, G: FlowMatrix | None, fit: Fit, model: Model, ideal: float, energy: float) -> Fit | None:
        """Fit and θ with new neurons, chosen at the fit; None if they are not wanted or nothing helps.

        `G` is the flow matrix at the fit, made here if it is not known.
        """
        rule = self.growth
        if (
            rule is None
            or self._rounds >= rule.rounds
            or self.network.room == 0
            or -fit.q >= rule.capture * ideal
            or ideal + fit.q <= rule.missing * energy
        ):
            return None
        if G is None:
            with timed("jacobian"):
                D = fit.network.jacobian(fit.theta)
            G = FlowMatrix(D, model.inner)
        wanted = rule.capture * ideal + fit.q
        chosen = rule.strategy.choose(self.network, fit.theta, G, fit.dual, wanted).incoming
        if not len(chosen):
            return None
        self._rounds += 1
        larger, theta = self.network.grown(fit.theta, chosen)
        _, self.theta = self.network.grown(self.theta, chosen)
        self.network = larger
        return replace(fit, network=larger, theta=theta)


class RetractedStep(_NetworkStep):
    """θ minimises q(m(θ) − m_k), growing while too much of the ideal decrease is missing."""

    patience = 8
    _gain = GAIN

    def follow_closely(self) -> None:
        """See Step."""
        self._gain, self._rounds = FINE_GAIN, 0
        if self.growth is not None:
            self.growth = replace(self.growth, capture=max(self.growth.capture, FINE_CAPTURE))

    def propose(self, model: Model, energy: float) -> Proposal:
        """See Step."""
        rounds = self._rounds
        G, direction, ideal = self._look(model)
        fit = retract(start_fit(self.network, self.theta, self.values(), model), model, G, self._gain)
        del G  # as large as the Jacobian
        while (grown := self._grow(None, fit, model, ideal, energy)) is not None:
            before = fit.q
            fit = retract(grown, model, gain=self._gain)
            if self.growth is None or before - fit.q < self.growth.progress * (ideal + before):
                break
        return Proposal(
            fit.theta,
            fit.values,
            -fit.q,
            direction.alignment,
            -fit.q / ideal if ideal > 0 else 1.0,
            fit.inner_steps,
            self._rounds - rounds,
        )

    def rejected(self, model: Model) -> Model:
        return model.rejected()


class PlainStep(_NetworkStep):
    """θ + t·v with v = −(G + εI)⁻¹Dᵀr, the explicit Euler step; a rejection halves t."""

    patience = 40

    def __init__(self, network: Network, theta: np.ndarray, growth: GrowthRule | None) -> None:
        super().__init__(network, theta, growth)
        self._time = 1.0
        self._known: tuple[Direction, float, float, float] | None = None

    def propose(self, model: Model, energy: float) -> Proposal:
        """See Step; the network grows before the step, by the alignment in place of the capture."""
        start, rounds = self.values(), self._rounds
        if self._known is None:
            self._known = self._direction(model, energy)
        direction, curvature, alignment, ideal = self._known
        t = self._time
        theta = self.theta + t * direction.step
        values = self.network.values(theta)
        q, _ = quadratic(model, values - start)
        predicted = -(t * direction.slope + 0.5 * t**2 * curvature)
        capture = -q / ideal if ideal > 0 else 1.0
        return Proposal(theta, values, predicted, alignment, capture, 0, self._rounds - rounds)

    def accepted(self, proposal: Proposal) -> None:
        super().accepted(proposal)
        self._time = min(1.0, 2.0 * self._time)
        self._known = None

    def rejected(self, model: Model) -> Model:
        self._time *= 0.5
        return model

    def _direction(self, model: Model, energy: float) -> tuple[Direction, float, float, float]:
        """The direction v after growth, vᵀGv, the alignment before growth, and the ideal decrease."""
        start = self.values()
        G, direction, ideal = self._look(model)
        alignment = direction.alignment
        while True:
            reached = replace(
                start_fit(self.network, self.theta, start, model), q=-direction.alignment * ideal
            )
            if self._grow(G, reached, model, ideal, energy) is None:
                step = direction.step
                return direction, float(step @ (G @ step)), alignment, ideal
            G, direction, _ = self._look(model)


STEPS: dict[str, type[RetractedStep] | type[PlainStep]] = {
    "retracted": RetractedStep,
    "plain": PlainStep,
}
