"""Steps: what they propose for a model, what proposing leaves alone, and how they grow."""

from collections.abc import Callable

import numpy as np
import pytest
from flow_toys import Dense, LinearNetwork, h1_on_interval, network_on_interval, spd

from app.flow import STEPS, STRATEGIES, GrowthRule, IdealStep, PlainStep, RetractedStep, Step
from app.flow.models import MetricModel, Model
from app.flow.protocols import Network
from app.flow.retraction import quadratic

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


def rule(seed: int = 0, **options: float) -> GrowthRule:
    return GrowthRule(STRATEGIES["gain"](np.random.default_rng(seed), 80, (1.0, 20.0)), **options)


def smooth_model(seed: int) -> Model:
    """A derivative as five readings leave it, with the H1 inner product."""
    rng = np.random.default_rng(seed)
    x, centres = np.linspace(0, 1, NODES), rng.uniform(0, 1, 5)
    r = np.exp(-0.5 * ((x[:, None] - centres) / 0.1) ** 2) @ rng.standard_normal(5)
    return MetricModel(Dense(h1_on_interval(NODES)), r, 0.0, 1.0)


def ideal(model: Model) -> float:
    return 0.5 * float(model.derivative @ model.inner.riesz(model.derivative))


def test_ideal_step_minimises_the_model() -> None:
    """δ = −K⁻¹r: r + Kδ = 0, and the predicted decrease is ½rᵀK⁻¹r; alignment and capture are 1."""
    rng = np.random.default_rng(0)
    model = MetricModel(Dense(spd(rng, NODES)), rng.standard_normal(NODES), 0.0, 0.7)
    theta = rng.standard_normal(NODES)
    step = IdealStep(theta, NODES)
    proposal = step.propose(model, 1.0)
    q, dual = quadratic(model, proposal.values - theta)
    np.testing.assert_allclose(dual, 0.0, atol=1e-12)
    assert proposal.predicted == pytest.approx(-q, rel=1e-10)
    assert proposal.predicted == pytest.approx(ideal(model), rel=1e-10)
    assert (proposal.alignment, proposal.capture, step.widths) == (1.0, 1.0, ())
    np.testing.assert_array_equal(step.values(), theta)
    step.accepted(proposal)
    np.testing.assert_array_equal(step.values(), proposal.values)


@all_steps
@all_networks
@pytest.mark.parametrize("seed", range(3))
def test_proposing_moves_nothing(name: str, make: Make, seed: int) -> None:
    """Until a proposal is accepted m stays (to 1e-13 relative), also when the network grew for it."""
    network, theta = make(seed)
    step = STEPS[name](network, theta, rule(seed, capture=1.0, missing=0.0))
    before = step.values()
    proposal = step.propose(smooth_model(seed), 1.0)
    np.testing.assert_allclose(step.values(), before, rtol=0, atol=1e-13 * np.abs(before).max())
    assert proposal.growth
    assert step.widths[-1] > network.widths[-1]
    assert step.size == len(step.theta) == len(proposal.theta)
    step.accepted(proposal)
    np.testing.assert_array_equal(step.values(), proposal.values)


@all_steps
@all_networks
@pytest.mark.parametrize("seed", range(3))
def test_proposals_say_what_they_do(name: str, make: Make, seed: int) -> None:
    """values = m(θ), capture = −q(δ)/½rᵀK⁻¹r ≤ 1, alignment in [0, 1], and a positive predicted decrease."""
    network, theta = make(seed)
    model = smooth_model(seed)
    step = STEPS[name](network, theta, None)
    start = step.values()
    proposal = step.propose(model, 1.0)
    np.testing.assert_array_equal(proposal.values, network.values(proposal.theta))
    q, _ = quadratic(model, proposal.values - start)
    assert proposal.capture == pytest.approx(-q / ideal(model), rel=1e-9)
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
    lone = STEPS[name](network, theta, None).propose(model, 1.0)
    assert lone.capture == pytest.approx(lone.alignment, rel=0.02)
    assert lone.alignment < 0.5
    grown = STEPS[name](network, theta, rule(capture=0.95, missing=0.0)).propose(model, 1.0)
    assert grown.capture > 0.9


@all_steps
@all_networks
def test_growth_respects_the_width(name: str, make: Make) -> None:
    """No network gets wider than its maximum, however much is missing."""
    network, theta = make(0, max_width=7)
    step = STEPS[name](network, theta, rule(capture=1.0, missing=0.0))
    for seed in range(3):
        step.accepted(step.propose(smooth_model(seed), 1.0))
    assert step.widths[-1] == 7


@all_steps
def test_growth_needs_a_missing_share_of_the_energy(name: str) -> None:
    """While less than `missing` of the energy is to be won the network stays (without this condition it
    grew from 49 to 230 neurons for nothing, docs/method.md), nor does it grow for more than `rounds`."""
    network, theta = linear(0)
    model = smooth_model(0)
    energy = 200 * ideal(model)
    assert STEPS[name](network, theta, rule()).propose(model, energy).growth == ()
    assert STEPS[name](network, theta, rule()).propose(model, ideal(model)).growth
    assert STEPS[name](network, theta, rule(rounds=0)).propose(model, ideal(model)).growth == ()
    once = STEPS[name](network, theta, rule(rounds=1, capture=1.0)).propose(model, ideal(model))
    assert len(once.growth) == 1


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
    lone = STEPS[name](network, np.zeros(4), None).propose(model, ideal(model))
    assert lone.capture == pytest.approx(0.0, abs=1e-9)
    proposal = STEPS[name](network, np.zeros(4), rule()).propose(model, ideal(model))
    assert proposal.capture > 0.98


def test_plain_step_is_explicit_euler() -> None:
    """θ + tv with v = −(G + εI)⁻¹Dᵀr and predicted decrease −(t rᵀDv + ½t²vᵀGv); t halves on rejection,
    doubles up to 1 on acceptance, and the model stays as it is."""
    network, theta = linear(2)
    model = smooth_model(2)
    step = PlainStep(network, theta, None)
    D = network.jacobian(theta)
    G = D.T @ model.inner.apply(D)
    v = -np.linalg.solve(G, D.T @ model.derivative)
    for time in [1.0, 0.5, 0.25]:
        proposal = step.propose(model, 1.0)
        np.testing.assert_allclose(proposal.theta, theta + time * v, atol=1e-9 * np.abs(v).max())
        predicted = -(time * model.derivative @ D @ v + 0.5 * time**2 * v @ G @ v)
        assert proposal.predicted == pytest.approx(predicted, rel=1e-9)
        assert step.rejected(model) is model
    step.accepted(step.propose(model, 1.0))  # at t = 1/8
    for time in [0.25, 0.5, 1.0, 1.0]:
        before = step.theta
        step.accepted(step.propose(model, 1.0))
        np.testing.assert_allclose(step.theta - before, time * v, atol=1e-9 * np.abs(v).max())


def test_retracted_and_ideal_steps_hand_rejection_to_the_model() -> None:
    """They answer a rejected trial with the model's own more cautious version."""
    model = smooth_model(0)
    steps: list[Step] = [IdealStep(np.zeros(NODES), NODES), RetractedStep(*linear(0), None)]
    for step in steps:
        harder = step.rejected(model)
        assert isinstance(harder, MetricModel) and harder.time == 0.5


def test_creeping_and_patience() -> None:
    """Networks may fall short of the ideal step, nodal values do not; 8 rejected trials
    end a run, while a plain step may halve longer."""
    network, theta = linear(0)
    assert not IdealStep(theta, 3).creeps
    assert all(step(network, theta, None).creeps for step in STEPS.values())
    assert IdealStep.patience == RetractedStep.patience == 8 < PlainStep.patience


def crowded(seed: int) -> RetractedStep:
    """A step whose network has used up more than half of its room for models that are over."""
    network, theta = real(seed, max_width=20)
    step = RetractedStep(network, theta, rule(capture=1.0, missing=0.0, progress=0.0))
    for earlier in range(20, 30):
        if step.network.room < step.network.widths[-1]:
            return step
        step.accepted(step.propose(smooth_model(earlier), 1.0))
    raise AssertionError("the toy network does not grow")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_crowded_network_begins_anew_for_an_exact_model(seed: int) -> None:
    """Beginning anew is tried once; its proposal is consistent (m(θ), q, capture), measured from m_k,
    and taken where it captures half."""
    step, model = crowded(seed), smooth_model(seed)
    start, before = step.values(), step.network
    step.follow_closely()
    proposal = step.propose(model, ideal(model))
    assert proposal.network is not None
    np.testing.assert_array_equal(proposal.values, proposal.network.values(proposal.theta))
    q, _ = quadratic(model, proposal.values - start)
    assert proposal.predicted == pytest.approx(-q, rel=1e-9)
    assert proposal.capture == pytest.approx(-q / ideal(model), rel=1e-9)
    assert proposal.capture > 0.5
    assert proposal.network.widths[-1] < before.widths[-1], "what it grew for is not kept"
    # A rejected trial leaves the coefficient as it was, and the next one goes on from there.
    np.testing.assert_array_equal(step.values(), start)
    again = step.propose(step.rejected(model), ideal(model))
    assert again.network is not None and again.network.widths[-1] >= before.widths[-1]
    step.accepted(proposal)
    assert step.widths == proposal.network.widths
    np.testing.assert_array_equal(step.values(), proposal.values)


def test_a_network_with_room_goes_on_for_an_exact_model() -> None:
    """The start's network is not crowded: the proposal grows from θ."""
    network, theta = real(0)
    step = RetractedStep(network, theta, rule(rounds=0))
    step.follow_closely()
    proposal = step.propose(smooth_model(0), 1.0)
    assert proposal.network is network and proposal.growth == ()
