"""Steps: what they propose for a model, what proposing leaves alone, and how they grow."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flow_toys import (
    Dense,
    LinearNetwork,
    growing,
    ideal_decrease,
    network_on_interval,
    nodal,
    smooth_model,
    spd,
)
from run_toys import network_way

from app.flow import STEPS, GrowthRule, IdealStep, Method, RetractedStep, Step, StepState
from app.flow.models import MetricModel
from app.flow.protocols import Network
from app.flow.retraction import quadratic
from app.flow.steps import Base, Proposal
from app.method import Trials

NODES = 40


def real(seed: int, max_width: int = 40) -> tuple[Network, np.ndarray]:
    network = network_on_interval(NODES, (2,), max_width)
    rng = np.random.default_rng(seed)
    return network, network.start(rng) + 0.1 * rng.standard_normal(network.size)


def linear(seed: int, max_width: int = 40) -> tuple[Network, np.ndarray]:
    """Cosines: three of high frequency in the network, those of low frequency among the candidates."""
    x = np.linspace(0.0, 1.0, NODES)
    waves = np.cos(np.pi * np.outer(x, np.arange(25)))
    rng = np.random.default_rng(seed)
    return LinearNetwork(waves[:, -3:], waves[:, :-3], np.zeros(NODES), max_width), rng.standard_normal(3)


NETWORKS = {"real": real, "linear": linear}
Make = Callable[..., tuple[Network, np.ndarray]]
all_steps = pytest.mark.parametrize("name", STEPS)
all_networks = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())


def rule(**options: Any) -> GrowthRule:
    return growing(80, (1.0, 20.0), **options)


def placed(
    name: str, network: Network, theta: np.ndarray, growth: GrowthRule | None = None, seed: int = 0
) -> tuple[Step, Base]:
    """A step, and where its first proposal starts."""
    way = network_way(name, network, theta, growth, seed)
    return way.step, Base(way.start, way.start.values(), way.state)


def after(step: Step, proposal: Proposal) -> Base:
    """Where the next iteration's proposals start once this one was accepted."""
    return Base(proposal.representation, proposal.values, step.accepted(proposal))


def assert_same(one: Proposal, other: Proposal) -> None:
    """To the last bit, with what is remembered for the next proposal."""
    for first, second in ((one, other), (one.base, other.base)):
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(first.representation.theta, second.representation.theta)
        assert first.representation.widths == second.representation.widths
    figures = [
        (
            each.predicted,
            each.alignment,
            each.capture,
            each.missing,
            each.inner_steps,
            each.growth,
            each.pruned,
        )
        for each in (one, other)
    ]
    assert figures[0] == figures[1]
    assert (one.base.state, one.base.rounds) == (other.base.state, other.base.rounds)


def test_ideal_step_minimises_the_model() -> None:
    """δ = −K⁻¹r: r + Kδ = 0, and the predicted decrease is ½rᵀK⁻¹r; alignment and capture are 1."""
    rng = np.random.default_rng(0)
    model = MetricModel(Dense(spd(rng, NODES)), rng.standard_normal(NODES), 0.0, 0.7)
    theta = rng.standard_normal(NODES)
    base = Base(nodal(theta), theta, StepState())
    proposal = IdealStep().propose(base, model, 1.0)
    q, dual = quadratic(model, proposal.values - theta)
    np.testing.assert_allclose(dual, 0.0, atol=1e-12)
    assert proposal.predicted == pytest.approx(-q, rel=1e-10)
    assert proposal.predicted == pytest.approx(ideal_decrease(model), rel=1e-10)
    assert (proposal.alignment, proposal.capture, proposal.representation.widths) == (1.0, 1.0, ())
    np.testing.assert_array_equal(proposal.representation.values(), proposal.values)
    assert proposal.base is base and IdealStep().accepted(proposal) is base.state


@all_steps
@all_networks
@pytest.mark.parametrize("closely", [False, True], ids=["nearby", "closely"])
@pytest.mark.parametrize("seed", range(3))
def test_proposing_changes_nothing(name: str, make: Make, closely: bool, seed: int) -> None:
    """Neither the base, its network, parameters and stream, nor the step or the model: the same proposal
    comes out a second time, to the last bit, also with another one made in between."""
    network, theta = make(seed)
    step, base = placed(name, network, theta, rule(capture=1.0, missing=0.0, prune=1e-3), seed)
    if closely:
        base = replace(base, state=step.following_closely(base.representation, base.state))
    model, state, kept = smooth_model(seed), dict(base.state.random or {}), theta.copy()
    scale, D = 1e-4 * ideal_decrease(model), network.jacobian(theta).copy()
    proposal = step.propose(base, model, scale)
    step.propose(base, smooth_model(seed + 1), scale)
    assert_same(step.propose(base, model, scale), proposal)
    assert proposal.growth and dict(base.state.random or {}) == state
    assert base.representation.network is network and base.representation.widths == network.widths
    np.testing.assert_array_equal(base.representation.theta, kept)
    np.testing.assert_array_equal(network.jacobian(kept), D)


@all_steps
@all_networks
@pytest.mark.parametrize("seed", range(3))
def test_growth_moves_nothing(name: str, make: Make, seed: int) -> None:
    """The next proposal of the iteration starts at the same m (to 1e-13 relative) with the network that grew
    for this one, later in the stream; what is accepted is the proposal's network."""
    network, theta = make(seed)
    step, base = placed(name, network, theta, rule(capture=1.0, missing=0.0), seed)
    proposal = step.propose(base, smooth_model(seed), 1.0)
    later = proposal.base
    np.testing.assert_allclose(
        later.representation.values(), base.values, rtol=0, atol=1e-13 * np.abs(base.values).max()
    )
    assert later.values is base.values and later.rounds == len(proposal.growth) > 0
    assert later.representation.widths[-1] > network.widths[-1]
    assert later.representation.size == len(later.representation.theta) == len(proposal.representation.theta)
    if make is real:  # the toy draws nothing
        assert later.state.random != base.state.random
    np.testing.assert_array_equal(proposal.representation.values(), proposal.values)
    assert step.accepted(proposal).random == later.state.random


@all_steps
@all_networks
@pytest.mark.parametrize("seed", range(3))
def test_proposals_say_what_they_do(name: str, make: Make, seed: int) -> None:
    """values = m(θ), capture = −q(δ)/½rᵀK⁻¹r ≤ 1, alignment in [0, 1], and a positive predicted decrease."""
    network, theta = make(seed)
    model = smooth_model(seed)
    step, base = placed(name, network, theta)
    proposal = step.propose(base, model, 1.0)
    np.testing.assert_array_equal(proposal.values, network.values(proposal.representation.theta))
    q, _ = quadratic(model, proposal.values - base.values)
    assert proposal.capture == pytest.approx(-q / ideal_decrease(model), rel=1e-9)
    assert proposal.missing == pytest.approx(ideal_decrease(model) + q, rel=1e-9)
    assert proposal.capture <= 1 + 1e-12
    assert 0.0 <= proposal.alignment <= 1 + 1e-9
    assert proposal.predicted > 0
    if name == "retracted":
        assert proposal.predicted == pytest.approx(-q, rel=1e-12)
        assert proposal.inner_steps > 0


@all_steps
@pytest.mark.parametrize("seed", range(3))
def test_capture_of_a_linear_network_is_its_alignment(name: str, seed: int) -> None:
    """For m = Aθ the best step is the projection, so −q is the alignment's share of ½rᵀK⁻¹r; retraction
    stops within 2 % of it. With enough rounds growth brings it near 1."""
    network, theta = linear(seed)
    model = smooth_model(seed)
    step, base = placed(name, network, theta)
    lone = step.propose(base, model, 1.0)
    assert lone.capture == pytest.approx(lone.alignment, rel=0.02)
    assert lone.alignment < 0.5
    step, base = placed(name, network, theta, rule(capture=0.95, missing=0.0))
    assert step.propose(base, model, 1.0).capture > 0.9


@all_steps
@all_networks
def test_growth_respects_the_width(name: str, make: Make) -> None:
    """No network gets wider than its maximum, however much is missing; the step is full then."""
    network, theta = make(0, max_width=7)
    step, base = placed(name, network, theta, rule(capture=1.0, missing=0.0))
    assert not step.full(base.representation)
    for seed in range(3):
        base = after(step, step.propose(base, smooth_model(seed), 1.0))
    assert base.representation.widths[-1] == 7 and step.full(base.representation)
    lone, _ = placed(name, network, theta)
    assert not lone.full(base.representation)


@all_steps
def test_growth_needs_a_missing_share_of_the_energy(name: str) -> None:
    """While less than `missing` of the energy is to be won the network stays (without this condition it
    grew from 49 to 230 neurons for nothing, docs/method.md), nor does it grow for more than `rounds`."""
    model = smooth_model(0)

    def growth(scale: float, **options: float) -> tuple:
        step, base = placed(name, *linear(0), rule(**options))
        return step.propose(base, model, scale).growth

    assert growth(200 * ideal_decrease(model)) == ()
    assert growth(ideal_decrease(model))
    assert growth(ideal_decrease(model), rounds=0) == ()
    assert len(growth(ideal_decrease(model), rounds=1, capture=1.0)) == 1


@all_steps
def test_rounds_are_counted_over_an_iteration(name: str) -> None:
    """A rejected trial's rounds count: the next proposal grows by what is left of them."""
    step, base = placed(
        name, *linear(0), rule(strategy={"most": 2}, rounds=2, capture=1.0, missing=0.0, progress=0.0)
    )
    model = smooth_model(0)
    first = step.propose(base, model, ideal_decrease(model))
    assert len(first.growth) == first.base.rounds == 2
    again, harder = step.rejected(first.base, model)
    assert step.propose(again, harder, ideal_decrease(model)).growth == ()


@all_steps
def test_a_network_that_cannot_follow_grows_and_then_follows(name: str) -> None:
    """With Dᵀr = 0 nothing is captured; the gradient itself is among the candidates and then gives
    everything."""
    model = smooth_model(1)
    gradient = model.inner.riesz(model.derivative)
    rng = np.random.default_rng(1)
    A = rng.standard_normal((NODES, 4))
    A -= np.outer(gradient, model.derivative @ A) / (model.derivative @ gradient)
    pool = np.column_stack([rng.standard_normal((NODES, 3)), gradient])
    network = LinearNetwork(A, pool, np.zeros(NODES))
    step, base = placed(name, network, np.zeros(4))
    lone = step.propose(base, model, ideal_decrease(model))
    assert lone.capture == pytest.approx(0.0, abs=1e-9)
    step, base = placed(name, network, np.zeros(4), rule())
    assert step.propose(base, model, ideal_decrease(model)).capture > 0.98


def test_plain_step_is_explicit_euler() -> None:
    """θ + tv with v = −(G + εI)⁻¹Dᵀr and predicted decrease −(t rᵀDv + ½t²vᵀGv); t halves on rejection,
    doubles up to 1 on acceptance, and the model stays as it is; v is found once an iteration."""
    network, theta = linear(2)
    model = smooth_model(2)
    step, base = placed("plain", network, theta)
    D = network.jacobian(theta)
    G = D.T @ model.inner.apply(D)
    v = -np.linalg.solve(G, D.T @ model.derivative)
    known = []
    for time in [1.0, 0.5, 0.25]:
        proposal = step.propose(base, model, 1.0)
        found = proposal.representation.theta
        np.testing.assert_allclose(found, theta + time * v, atol=1e-9 * np.abs(v).max())
        predicted = -(time * model.derivative @ D @ v + 0.5 * time**2 * v @ G @ v)
        assert proposal.predicted == pytest.approx(predicted, rel=1e-9)
        known.append(proposal.base.known)
        base, same = step.rejected(proposal.base, model)
        assert same is model
    assert known[0] is known[1] is known[2]
    base = after(step, step.propose(base, model, 1.0))  # at t = 1/8
    assert base.known is None
    for time in [0.25, 0.5, 1.0, 1.0]:
        proposal = step.propose(base, model, 1.0)
        moved = proposal.representation.theta - base.representation.theta
        np.testing.assert_allclose(moved, time * v, atol=1e-9 * np.abs(v).max())
        base = after(step, proposal)


def test_retracted_and_ideal_steps_hand_rejection_to_the_model() -> None:
    """They answer a rejected trial with the model's own more cautious version, from the same base."""
    model, zeros = smooth_model(0), np.zeros(NODES)
    retracted = placed("retracted", *linear(0))
    for step, base in [(IdealStep(), Base(nodal(zeros), zeros, StepState())), retracted]:
        again, harder = step.rejected(base, model)
        assert again is base
        assert isinstance(harder, MetricModel) and harder.time == 0.5


def test_creeping_and_most_rejections() -> None:
    """Networks may fall short of the ideal step, nodal values do not; 8 rejected trials end a run, while a
    plain step may halve longer; both numbers are the method's."""
    network, theta = linear(0)
    steps = {name: placed(name, network, theta)[0] for name in STEPS}
    assert not IdealStep().creeps and all(step.creeps for step in steps.values())
    assert IdealStep().max_rejections == steps["retracted"].max_rejections == 8
    assert steps["plain"].max_rejections > 8
    method = Method(trials=Trials(max_rejections=3, max_rejections_plain=5))
    few = [network_way(name, network, theta, None, method=method).step.max_rejections for name in STEPS]
    assert dict(zip(STEPS, few, strict=True)) == {"retracted": 3, "plain": 5}


def crowded(seed: int) -> tuple[RetractedStep, Base]:
    """A step whose network has used up more than half of its room for models that are over."""
    network, theta = real(seed, max_width=20)
    step, base = placed("retracted", network, theta, rule(capture=1.0, missing=0.0, progress=0.0), seed)
    assert isinstance(step, RetractedStep)
    for earlier in range(20, 30):
        grown = base.representation.network
        assert grown is not None
        if grown.room < grown.widths[-1]:
            return step, base
        base = after(step, step.propose(base, smooth_model(earlier), 1.0))
    raise AssertionError("the toy network does not grow")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_crowded_network_begins_anew_for_an_exact_model(seed: int) -> None:
    """Beginning anew is tried once; its proposal is consistent (m(θ), q, capture), measured from m_k,
    and taken where it captures half."""
    (step, base), model = crowded(seed), smooth_model(seed)
    before = base.representation
    state = step.following_closely(before, base.state)
    assert state.closely and state.begins_anew and not base.state.closely
    base = replace(base, state=state)
    proposal = step.propose(base, model, ideal_decrease(model))
    np.testing.assert_array_equal(proposal.values, proposal.representation.values())
    q, _ = quadratic(model, proposal.values - base.values)
    assert proposal.predicted == pytest.approx(-q, rel=1e-9)
    assert proposal.capture == pytest.approx(-q / ideal_decrease(model), rel=1e-9)
    assert proposal.capture > 0.5
    assert proposal.representation.widths[-1] < before.widths[-1], "what it grew for is not kept"
    # A rejected trial leaves the coefficient as it was, and the next one goes on from there.
    again, harder = step.rejected(proposal.base, model)
    np.testing.assert_allclose(again.representation.values(), base.values, rtol=0, atol=1e-12)
    assert not again.state.begins_anew
    second = step.propose(again, harder, ideal_decrease(model))
    assert second.representation.widths[-1] >= before.widths[-1]
    assert not step.accepted(proposal).begins_anew and step.accepted(proposal).closely


def test_a_network_with_room_goes_on_for_an_exact_model() -> None:
    """The start's network is not crowded: the proposal grows from θ."""
    network, theta = real(0)
    step, base = placed("retracted", network, theta, rule(rounds=0))
    state = step.following_closely(base.representation, base.state)
    assert state.closely and not state.begins_anew
    proposal = step.propose(replace(base, state=state), smooth_model(0), 1.0)
    assert proposal.representation.network is network and proposal.growth == ()
