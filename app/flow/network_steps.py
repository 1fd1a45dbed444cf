"""Steps of a network: it follows a model with the parameters it has, and grows while that is not enough."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.flow.expansion import Growth
from app.flow.growth import GrowthRule, Round, Task, considered, ended
from app.flow.matrix import Direction, FlowMatrix
from app.flow.models import Model
from app.flow.pool import six_digits
from app.flow.pruning import pruned
from app.flow.records import Expansion, GrowthEnd
from app.flow.retraction import Fit, quadratic, retract, start_fit
from app.flow.state import Representation, StepState
from app.flow.steps import Base, Proposal
from app.method import Limits, Measure, Method
from app.parallel import gram, timed


class _Own:
    """The network of an iteration while a proposal is made: it grows, and its stream is drawn from."""

    def __init__(self, base: Base) -> None:
        assert base.representation.network is not None
        self.network, self.theta = base.representation.network, base.representation.theta
        self.rounds = base.rounds
        self.rng = base.state.generator()
        self._base = base

    def grow(self, growth: Growth) -> None:
        """Neurons join; m is unchanged."""
        self.network, self.theta = growth.join(self.network, self.theta)
        self.rounds += 1

    def base(self, state: StepState, known: object = None) -> Base:
        """Where the next proposal of the iteration starts."""
        own = Representation.of(self.network, self.theta)
        return Base(own, self._base.values, state.drawn(self.rng), self.rounds, known)


@dataclass(frozen=True, eq=False)
class _NetworkStep:
    """What steps of networks have in common."""

    growth: GrowthRule | None
    """When the network grows; None for never."""
    start: Representation
    """The run's first network and parameters."""
    method: Method = field(default_factory=Method)

    creeps = True
    measure: Measure = "capture"

    def strayed(self, proposal: Proposal) -> bool:
        """See Step."""
        return False

    def following_closely(self, representation: Representation, state: StepState) -> StepState:
        """See Step."""
        return state

    def full(self, representation: Representation) -> bool:
        """See Step."""
        return self.growth is not None and _room(representation) == 0

    def _look(
        self, own: _Own, model: Model, scale: float, rule: GrowthRule | None
    ) -> tuple[FlowMatrix, Direction, Task]:
        """Flow matrix and natural direction at θ, and what there is to follow."""
        with timed("jacobian"):
            D = own.network.jacobian(own.theta)
        G = FlowMatrix(D, model.inner, self.method.matrix)
        with timed("flow_matrix"):
            gradient = model.inner.riesz(model.derivative)
            direction = G.solve(model.derivative, gradient)
        ideal = 0.5 * float(gram(model.inner.comm, model.derivative, gradient))
        return G, direction, Task(model, ideal, scale, rule)

    def _neurons(
        self, own: _Own, G: FlowMatrix | None, fit: Fit, task: Task, rounds: int
    ) -> list[Growth] | GrowthEnd:
        """Proposals of neurons that help a fit after so many rounds of growth, or why there are none.

        `G` is the flow matrix at the fit, made here if it is not known.
        """
        rule = task.rule
        assert rule is not None
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
            G = FlowMatrix(D, task.model.inner, self.method.matrix)
        wanted = rule.capture * task.ideal + fit.q
        return rule.strategy.choose(fit.network, fit.theta, G, fit.dual, wanted, own.rng) or "no_candidate"


@dataclass(frozen=True, eq=False)
class RetractedStep(_NetworkStep):
    """θ minimises q(m(θ) − m_k), growing while too much of the ideal decrease is missing."""

    @property
    def max_rejections(self) -> int:
        """See Step."""
        return self.method.trials.max_rejections

    def strayed(self, proposal: Proposal) -> bool:
        """See Step."""
        return proposal.capture < self.method.retraction.strayed

    def following_closely(self, representation: Representation, state: StepState) -> StepState:
        """See Step; a network that has used up half of its room begins anew: an exact model holds far from
        m_k too, and what an earlier model made the network grow for, it need not keep."""
        crowded = self.growth is not None and _room(representation) < representation.widths[-1]
        return replace(state, closely=True, begins_anew=crowded)

    def propose(self, base: Base, model: Model, scale: float) -> Proposal:
        """See Step."""
        own, state, rule = _Own(base), base.state, self._rule(base.state)
        G, direction, task = self._look(own, model, scale, rule)
        limits = self._limits(state, scale)
        fits: list[tuple[Fit, tuple[Expansion, ...]]] = []
        if state.begins_anew:
            fits.append(self._anew(own, base.values, task, limits))
        if not fits or -fits[0][0].q < self.method.growth.anew_capture * task.ideal:
            fits.insert(0, self._onward(own, base.values, G, task, limits))
        fit, grown = min(fits, key=lambda found: found[0].q)
        steps = sum(found.inner_steps for found, _ in fits)
        width = sum(fit.network.widths)
        fit = self._pruned(fit, task, closely=state.closely)
        return Proposal(
            Representation.of(fit.network, fit.theta),
            fit.network.values(fit.theta),
            -fit.q,
            direction.alignment,
            -fit.q / task.ideal if task.ideal > 0 else 1.0,
            own.base(replace(state, begins_anew=False)),
            task.missing(fit),
            steps,
            grown,
            width - sum(fit.network.widths),
        )

    def accepted(self, proposal: Proposal) -> StepState:
        """See Step."""
        return proposal.base.state

    def rejected(self, base: Base, model: Model) -> tuple[Base, Model]:
        """See Step; the model answers."""
        return base, model.rejected()

    def _rule(self, state: StepState) -> GrowthRule | None:
        """When the network grows for the models of this state."""
        if self.growth is None or not state.closely:
            return self.growth
        capture = max(self.growth.capture, self.method.growth.fine_capture)
        missing = max(self.growth.missing, self.method.stopping.negligible)
        return replace(self.growth, capture=capture, missing=missing)

    def _limits(self, state: StepState, scale: float) -> Limits:
        retraction = self.method.retraction
        if not state.closely:
            return retraction.coarse
        return replace(
            retraction.fine,
            least=retraction.slight * scale,
            slow=retraction.slow * scale,
            slow_most=retraction.slow_most * scale,
        )

    def _retracted(self, fit: Fit, model: Model, G: FlowMatrix | None, limits: Limits) -> Fit:
        return retract(fit, model, G, limits, self.method.retraction, self.method.matrix)

    def _pruned(self, fit: Fit, task: Task, *, closely: bool) -> Fit:
        """The fit to an exact model without neurons that it hardly needs.

        Models that hold near m_k only leave the network as it is: what is little to one of them may be much
        to the next.
        """
        if self.growth is None or not self.growth.prune or not closely:
            return fit
        away = fit.values - self.start.values()
        square = float(gram(task.model.inner.comm, away, task.model.inner.apply(away)))
        method = self.method.growth
        loss = min(method.prune_gain * -fit.q, method.prune_scale * task.scale)
        return pruned(fit, task.model, self.growth.prune * np.sqrt(max(square, 0.0)), loss, method)

    def _onward(
        self, own: _Own, start: np.ndarray, G: FlowMatrix, task: Task, limits: Limits
    ) -> tuple[Fit, tuple[Expansion, ...]]:
        """From θ on, and how the network grew."""
        progress = 0.0 if self.growth is None else self.growth.progress
        fit = self._retracted(start_fit(own.network, own.theta, start, task.model), task.model, G, limits)
        return self._followed(own, fit, task, limits, progress, onward=True)

    def _anew(
        self, own: _Own, values: np.ndarray, task: Task, limits: Limits
    ) -> tuple[Fit, tuple[Expansion, ...]]:
        """From the run's first parameters, and how the network grew."""
        network, theta = self.start.network, self.start.theta
        assert network is not None
        first = network.values(theta)
        delta = first - values
        q, dual = quadratic(task.model, delta)
        fit = self._retracted(Fit(network, theta, first, delta, dual, q), task.model, None, limits)
        return self._followed(own, fit, task, limits, self.method.growth.anew_progress, onward=False)

    def _tried(self, fit: Fit, proposals: Sequence[Growth], task: Task) -> tuple[Fit, Growth]:
        """The fit with the neurons that a few inner steps make most of, and these.

        They leave least missing, in its logarithm per parameter. A single proposal is not tried.
        """
        if len(proposals) == 1:
            network, theta = proposals[0].join(fit.network, fit.theta)
            return replace(fit, network=network, theta=theta), proposals[0]
        trials, rates, missing = [], [], task.missing(fit)
        for growth in proposals:
            network, theta = growth.join(fit.network, fit.theta)
            larger = replace(fit, network=network, theta=theta)
            trial = self._retracted(larger, task.model, None, self.method.retraction.trial)
            left = max(task.missing(trial), np.finfo(float).tiny)
            trials.append(trial)
            rates.append(np.log(missing / left) / (network.size - fit.network.size))
        best = int(np.argmax(six_digits(np.array(rates))))
        steps = sum(trial.inner_steps - fit.inner_steps for trial in trials)
        return replace(trials[best], inner_steps=fit.inner_steps + steps), proposals[best]

    def _followed(
        self, own: _Own, fit: Fit, task: Task, limits: Limits, progress: float, *, onward: bool
    ) -> tuple[Fit, tuple[Expansion, ...]]:
        """The fit with as many neurons as are wanted, until a round gains less than `progress` of what is
        missing; those of a fit `onward` from θ join the iteration's network too, and rounds count from its
        earlier ones."""
        if task.rule is None:
            return fit, ()
        rounds, told = own.rounds if onward else 0, []
        while not isinstance(proposals := self._neurons(own, None, fit, task, rounds), str):
            before, rounds = fit, rounds + 1
            fit, chosen = self._tried(fit, proposals, task)
            if onward:
                own.grow(chosen)
            fit = self._retracted(fit, task.model, None, limits)
            round_ = Round(self.measure, rounds, considered(proposals), chosen)
            told.append(round_.told(task, before, fit))
            if told[-1].gained < progress * task.missing(before):
                return fit, ended(told, "no_progress")
        return fit, ended(told, proposals)


@dataclass(frozen=True, eq=False)
class _Euler:
    """What an iteration knows of its explicit step."""

    direction: Direction
    curvature: float
    """vᵀGv."""
    alignment: float
    """Before growth."""
    ideal: float


@dataclass(frozen=True, eq=False)
class PlainStep(_NetworkStep):
    """θ + t·v with v = −(G + εI)⁻¹Dᵀr, the explicit Euler step; a rejection halves t."""

    measure: Measure = "alignment"

    @property
    def max_rejections(self) -> int:
        """See Step."""
        return self.method.trials.max_rejections_plain

    def propose(self, base: Base, model: Model, scale: float) -> Proposal:
        """See Step; the network grows before the step, by the alignment in place of the capture."""
        own, t = _Own(base), base.state.time
        known, told = base.known, tuple[Expansion, ...]()
        if not isinstance(known, _Euler):
            known, told = self._direction(own, base.values, model, scale)
        theta = own.theta + t * known.direction.step
        values = own.network.values(theta)
        q, _ = quadratic(model, values - base.values)
        return Proposal(
            Representation.of(own.network, theta),
            values,
            -(t * known.direction.slope + 0.5 * t**2 * known.curvature),
            known.alignment,
            -q / known.ideal if known.ideal > 0 else 1.0,
            own.base(base.state, known),
            known.ideal + q,
            growth=told,
        )

    def accepted(self, proposal: Proposal) -> StepState:
        """See Step; the next step may be twice as long."""
        state = proposal.base.state
        return replace(state, time=min(1.0, 2.0 * state.time))

    def rejected(self, base: Base, model: Model) -> tuple[Base, Model]:
        """See Step; the next one is half as long, for the same model."""
        return replace(base, state=replace(base.state, time=0.5 * base.state.time)), model

    def _direction(
        self, own: _Own, start: np.ndarray, model: Model, scale: float
    ) -> tuple[_Euler, tuple[Expansion, ...]]:
        """The direction after growth, and how the network grew."""
        G, direction, task = self._look(own, model, scale, self.growth)
        alignment = direction.alignment
        told: list[Expansion] = []
        while self.growth is not None:
            fit = start_fit(own.network, own.theta, start, model)
            reached = replace(fit, q=-direction.alignment * task.ideal)
            proposals = self._neurons(own, G, reached, task, own.rounds)
            if isinstance(proposals, str):
                told = list(ended(told, proposals))
                break
            own.grow(proposals[0])
            G, direction, _ = self._look(own, model, scale, self.growth)
            larger = replace(reached, network=own.network, theta=own.theta)
            after = replace(larger, q=-direction.alignment * task.ideal)
            round_ = Round(self.measure, own.rounds, considered(proposals), proposals[0])
            told.append(round_.told(task, reached, after))
        step = direction.step
        return _Euler(direction, float(step @ (G @ step)), alignment, task.ideal), tuple(told)


def _room(representation: Representation) -> int:
    """Neurons that may still join."""
    return 0 if representation.network is None else representation.network.room


STEPS: dict[str, type[RetractedStep] | type[PlainStep]] = {
    "retracted": RetractedStep,
    "plain": PlainStep,
}
