"""Steps of a network: it follows a model with the parameters it has, and grows while that is not enough."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from app.flow.expansion import Growth
from app.flow.growth import GrowthRule, Round, Task, considered, ended
from app.flow.matrix import Direction, FlowMatrix
from app.flow.merging import merged
from app.flow.models import Model
from app.flow.pool import six_digits
from app.flow.protocols import Network
from app.flow.records import Expansion, GrowthEnd
from app.flow.retraction import COARSE, FINE, Fit, Limits, quadratic, retract, start_fit
from app.flow.steps import Proposal
from app.flow.stopping import NEGLIGIBLE
from app.parallel import gram, timed

FINE_CAPTURE = 0.9
"""Capture below which a network grows where the model is exact."""

SLIGHT = 0.02 * NEGLIGIBLE
"""Share of the scale that an inner step has to gain there: fewer would not add up to what counts."""

SPARED, SPARED_GAIN = 0.1 * NEGLIGIBLE, 0.1
"""Shares of the scale and of a step's decrease that merging neurons may cost: a small part of what ends the
run, and never what makes a step worth its trial."""

STRAYED = 0.5
"""A step that takes less than this share of the ideal decrease goes elsewhere than the ideal one."""

TRIAL = Limits(0.0, 3)
"""Inner steps by which proposals of how to grow are compared."""

ANEW_CAPTURE, ANEW_PROGRESS = 0.5, 0.1
"""A network that begins anew is taken from this capture on; it grows while a round gains this share of what
is missing."""


class _NetworkStep:
    """A network and its parameters, and how often it has grown in this iteration."""

    creeps = True
    _measure: Literal["capture", "alignment"] = "capture"

    def __init__(self, network: Network, theta: np.ndarray, growth: GrowthRule | None) -> None:
        self.network, self.theta, self.growth = network, theta, growth
        self._rounds = 0
        self._before = network, theta
        self._origin = self.values()

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
        assert proposal.network is not None
        self.network, self.theta = proposal.network, proposal.theta
        self._rounds = 0

    def declined(self) -> None:
        """See Step."""
        self.network, self.theta = self._before
        self._rounds = 0

    def strayed(self, proposal: Proposal) -> bool:
        """See Step."""
        return False

    def follow_closely(self) -> None:
        """See Step."""

    def _look(self, model: Model, scale: float) -> tuple[FlowMatrix, Direction, Task]:
        """Flow matrix and natural direction at θ, and what there is to follow."""
        if not self._rounds:
            self._before = self.network, self.theta
        with timed("jacobian"):
            D = self.network.jacobian(self.theta)
        G = FlowMatrix(D, model.inner)
        with timed("flow_matrix"):
            gradient = model.inner.riesz(model.derivative)
            direction = G.solve(model.derivative, gradient)
        ideal = 0.5 * float(gram(model.inner.comm, model.derivative, gradient))
        return G, direction, Task(model, ideal, scale)

    def _neurons(
        self, rule: GrowthRule, G: FlowMatrix | None, fit: Fit, task: Task, rounds: int
    ) -> list[Growth] | GrowthEnd:
        """Proposals of neurons that help a fit after so many rounds of growth, or why there are none.

        `G` is the flow matrix at the fit, made here if it is not known.
        """
        if -fit.q >= rule.capture * task.ideal:
            return "reached"
        if task.missing(fit) <= rule.missing * task.scale:
            return "little_missing"
        if fit.network.room == 0:
            return "no_room"
        if rounds >= rule.rounds:
            return "rounds"
        if G is None:
            with timed("jacobian"):
                D = fit.network.jacobian(fit.theta)
            G = FlowMatrix(D, task.model.inner)
        wanted = rule.capture * task.ideal + fit.q
        return rule.strategy.choose(fit.network, fit.theta, G, fit.dual, wanted) or "no_candidate"

    def _grow(self, fit: Fit, growth: Growth, *, own: bool = True) -> Fit:
        """The fit with new neurons, which join the step's own network too if it is that one."""
        larger, theta = growth.join(fit.network, fit.theta)
        if own:
            self.network, self.theta = growth.join(self.network, self.theta)
            self._rounds += 1
        return replace(fit, network=larger, theta=theta)


class RetractedStep(_NetworkStep):
    """θ minimises q(m(θ) − m_k), growing while too much of the ideal decrease is missing."""

    patience = 8
    _limits, _slight = COARSE, 0.0

    def __init__(self, network: Network, theta: np.ndarray, growth: GrowthRule | None) -> None:
        super().__init__(network, theta, growth)
        self._start = network, theta
        self._begins_anew = False

    def strayed(self, proposal: Proposal) -> bool:
        """See Step."""
        return proposal.capture < STRAYED

    def follow_closely(self) -> None:
        """See Step; a network that has used up half of its room begins anew: an exact model holds far from
        m_k too, and what an earlier model made the network grow for, it need not keep."""
        self._limits, self._slight, self._rounds = FINE, SLIGHT, 0
        self._begins_anew = self.growth is not None and self.network.room < self.network.widths[-1]
        if self.growth is not None:
            capture, missing = max(self.growth.capture, FINE_CAPTURE), max(self.growth.missing, NEGLIGIBLE)
            self.growth = replace(self.growth, capture=capture, missing=missing)

    def propose(self, model: Model, scale: float) -> Proposal:
        """See Step."""
        G, direction, task = self._look(model, scale)
        limits = replace(self._limits, least=self._slight * scale)
        fits: list[tuple[Fit, tuple[Expansion, ...]]] = []
        if self._begins_anew:
            self._begins_anew = False
            fits.append(self._anew(task, limits))
        if not fits or -fits[0][0].q < ANEW_CAPTURE * task.ideal:
            fits.insert(0, self._onward(G, task, limits))
        fit, grown = min(fits, key=lambda found: found[0].q)
        steps = sum(found.inner_steps for found, _ in fits)
        width = sum(fit.network.widths)
        fit = self._merged(fit, task)
        capture = -fit.q / task.ideal if task.ideal > 0 else 1.0
        return Proposal(
            fit.theta,
            fit.values,
            -fit.q,
            direction.alignment,
            capture,
            task.missing(fit),
            steps,
            grown,
            fit.network,
            width - sum(fit.network.widths),
        )

    def rejected(self, model: Model) -> Model:
        return model.rejected()

    def _merged(self, fit: Fit, task: Task) -> Fit:
        """The fit to an exact model without neurons that it hardly needs.

        Models that hold near m_k only leave the network as it is: what is little to one of them may be much
        to the next.
        """
        if self.growth is None or not self.growth.merge or self._limits is COARSE:
            return fit
        away = fit.values - self._origin
        square = float(gram(task.model.inner.comm, away, task.model.inner.apply(away)))
        loss = min(SPARED_GAIN * -fit.q, SPARED * task.scale)
        return merged(fit, task.model, self.growth.merge * np.sqrt(max(square, 0.0)), loss)

    def _onward(self, G: FlowMatrix, task: Task, limits: Limits) -> tuple[Fit, tuple[Expansion, ...]]:
        """From θ on, and how the network grew."""
        progress = 0.0 if self.growth is None else self.growth.progress
        start = start_fit(self.network, self.theta, self.values(), task.model)
        return self._followed(retract(start, task.model, G, limits), task, limits, progress, own=True)

    def _anew(self, task: Task, limits: Limits) -> tuple[Fit, tuple[Expansion, ...]]:
        """From the run's first parameters, and how the network grew."""
        network, theta = self._start
        values = network.values(theta)
        delta = values - self.values()
        q, dual = quadratic(task.model, delta)
        fit = retract(Fit(network, theta, values, delta, dual, q), task.model, None, limits)
        return self._followed(fit, task, limits, ANEW_PROGRESS, own=False)

    def _tried(self, fit: Fit, proposals: Sequence[Growth], task: Task, *, own: bool) -> tuple[Fit, Growth]:
        """The fit with the neurons that a few inner steps make most of, and these.

        They leave least missing, in its logarithm per parameter. A single proposal is not tried.
        """
        if len(proposals) == 1:
            return self._grow(fit, proposals[0], own=own), proposals[0]
        trials, rates, missing = [], [], task.missing(fit)
        for growth in proposals:
            network, theta = growth.join(fit.network, fit.theta)
            trial = retract(replace(fit, network=network, theta=theta), task.model, None, TRIAL)
            left = max(task.missing(trial), np.finfo(float).tiny)
            trials.append(trial)
            rates.append(np.log(missing / left) / (network.size - fit.network.size))
        best = int(np.argmax(six_digits(np.array(rates))))
        self._grow(fit, proposals[best], own=own)
        steps = sum(trial.inner_steps - fit.inner_steps for trial in trials)
        return replace(trials[best], inner_steps=fit.inner_steps + steps), proposals[best]

    def _followed(
        self, fit: Fit, task: Task, limits: Limits, progress: float, *, own: bool
    ) -> tuple[Fit, tuple[Expansion, ...]]:
        """The fit with as many neurons as are wanted, until a round gains less than `progress` of what is
        missing; `own` neurons join the step's network too, and rounds count from its earlier ones."""
        if (rule := self.growth) is None:
            return fit, ()
        rounds, told = self._rounds if own else 0, []
        while not isinstance(proposals := self._neurons(rule, None, fit, task, rounds), str):
            before, rounds = fit, rounds + 1
            fit, chosen = self._tried(fit, proposals, task, own=own)
            fit = retract(fit, task.model, None, limits)
            round_ = Round(self._measure, rounds, considered(proposals), chosen)
            told.append(round_.told(rule, task, before, fit))
            if told[-1].gained < progress * task.missing(before):
                return fit, ended(told, "no_progress")
        return fit, ended(told, proposals)


class PlainStep(_NetworkStep):
    """θ + t·v with v = −(G + εI)⁻¹Dᵀr, the explicit Euler step; a rejection halves t."""

    patience = 40
    _measure = "alignment"

    def __init__(self, network: Network, theta: np.ndarray, growth: GrowthRule | None) -> None:
        super().__init__(network, theta, growth)
        self._time = 1.0
        self._known: tuple[Direction, float, float, float] | None = None

    def propose(self, model: Model, scale: float) -> Proposal:
        """See Step; the network grows before the step, by the alignment in place of the capture."""
        start = self.values()
        told: tuple[Expansion, ...] = ()
        if self._known is None:
            self._known, told = self._direction(model, scale)
        direction, curvature, alignment, ideal = self._known
        t = self._time
        theta = self.theta + t * direction.step
        values = self.network.values(theta)
        q, _ = quadratic(model, values - start)
        predicted = -(t * direction.slope + 0.5 * t**2 * curvature)
        capture = -q / ideal if ideal > 0 else 1.0
        missing = ideal + q
        return Proposal(theta, values, predicted, alignment, capture, missing, 0, told, self.network)

    def accepted(self, proposal: Proposal) -> None:
        super().accepted(proposal)
        self._time = min(1.0, 2.0 * self._time)
        self._known = None

    def rejected(self, model: Model) -> Model:
        self._time *= 0.5
        return model

    def _direction(
        self, model: Model, scale: float
    ) -> tuple[tuple[Direction, float, float, float], tuple[Expansion, ...]]:
        """The direction v after growth, vᵀGv, the alignment before growth, and the ideal decrease; and how
        the network grew."""
        start = self.values()
        G, direction, task = self._look(model, scale)
        alignment = direction.alignment
        told: list[Expansion] = []
        rule = self.growth
        while rule is not None:
            fit = start_fit(self.network, self.theta, start, model)
            reached = replace(fit, q=-direction.alignment * task.ideal)
            proposals = self._neurons(rule, G, reached, task, self._rounds)
            if isinstance(proposals, str):
                told = list(ended(told, proposals))
                break
            larger = self._grow(reached, proposals[0])
            G, direction, _ = self._look(model, scale)
            after = replace(larger, q=-direction.alignment * task.ideal)
            round_ = Round(self._measure, self._rounds, considered(proposals), proposals[0])
            told.append(round_.told(rule, task, reached, after))
        step = direction.step
        return (direction, float(step @ (G @ step)), alignment, task.ideal), tuple(told)


STEPS: dict[str, type[RetractedStep] | type[PlainStep]] = {
    "retracted": RetractedStep,
    "plain": PlainStep,
}
