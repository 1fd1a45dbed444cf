"""Rounds of growth: each says why the network grew, what was predicted and gained, and the last why it was
the last."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from flow_toys import FixedR, LinearNetwork, growing, ideal_decrease, network_on_interval, smooth_model
from run_toys import minimisation, network_way, run, toy

from app.flow import STEPS, AtTarget, Expansion, GaussNewtonBuilder, MetricBuilder, ModelBuilder
from app.flow.records import GrowthEnd
from app.flow.steps import Base, Proposal

NODES = 40
all_steps = pytest.mark.parametrize("name", STEPS)


def waves(count: int = 25) -> np.ndarray:
    return np.cos(np.pi * np.outer(np.linspace(0.0, 1.0, NODES), np.arange(count)))


def proposed(name: str, pool: np.ndarray | None = None, width: int = 100, **options: float) -> Proposal:
    """By a linear network of three high frequencies, whose candidates are the low ones."""
    model, candidates = smooth_model(0), waves()[:, :-3] if pool is None else pool
    network = LinearNetwork(waves()[:, -3:], candidates, np.zeros(NODES), width)
    way = network_way(name, network, np.zeros(3), growing(25, (1.0, 9.0), **options))
    return way.step.propose(Base(way.start, way.start.values(), way.state), model, ideal_decrease(model))


def check(growth: tuple[Expansion, ...]) -> None:
    """Complete: numbered, below its threshold, more missing than matters, and an end that is told once."""
    for each, following in zip(growth, [*growth[1:], None][: len(growth)], strict=True):
        assert each.before < each.threshold and each.missing > each.missing_threshold
        assert each.candidates >= each.neurons > 0 and each.layers
        assert (each.ended is None) == (following is not None and following.round > each.round)
        if following is not None and each.ended is None:
            assert following.widths == each.grown and following.round == each.round + 1
        assert each.predicted > 0


@all_steps
def test_what_is_predicted_is_gained_where_the_model_is_linear(name: str) -> None:
    """For m = base + Aθ the tangent gain ½sᵀH⁺s is the decrease itself: to 1 % (inner steps end there) of
    what a retracted step gains, to 1e-6 of a plain one's alignment."""
    growth = proposed(name, capture=0.99, missing=0.0, progress=0.0).growth
    assert len(growth) > 0
    predicted, gained = (sum(getattr(each, key) for each in growth) for key in ("predicted", "gained"))
    assert predicted == pytest.approx(gained, rel=0.02 if name == "retracted" else 1e-6)
    check(growth)
    assert {each.measure for each in growth} == {"capture" if name == "retracted" else "alignment"}


@all_steps
def test_rounds_say_what_was_chosen(name: str) -> None:
    """Of the candidates so many joined, in the only layer; before and after are the network's widths."""
    proposal = proposed(name, capture=0.99, missing=0.0, progress=0.0)
    first, last = proposal.growth[0], proposal.growth[-1]
    assert (first.candidates, first.widths, first.layers, first.round) == (22, (3,), (1,), 1)
    assert sum(each.neurons for each in proposal.growth) == last.grown[0] - 3
    assert last.grown == proposal.representation.widths


ENDS: dict[str, dict] = {
    "reached": {"capture": 0.5},
    "little_missing": {"capture": 1.0, "missing": 0.3},
    "rounds": {"capture": 1.0, "missing": 0.0, "progress": 0.0, "rounds": 1},
    "no_room": {"capture": 1.0, "missing": 0.0, "progress": 0.0, "width": 5},
    "no_candidate": {"capture": 1.0, "missing": 0.0, "progress": 0.0, "pool": waves()[:, :2]},
    "no_progress": {"capture": 1.0, "missing": 0.0, "progress": 1.0},
}


@all_steps
@pytest.mark.parametrize("reason", get_args(GrowthEnd))
def test_growth_ends_for_a_reason(name: str, reason: str) -> None:
    """Each of the reasons there are, brought about; progress is a matter of retracted steps."""
    if (name, reason) == ("plain", "no_progress"):
        pytest.skip("a plain step has no inner steps to judge by")
    growth = proposed(name, **ENDS[reason]).growth
    assert growth[-1].ended == reason
    check(growth)


def test_a_network_with_nothing_to_grow_for_tells_nothing() -> None:
    """No round, no record."""
    assert proposed("retracted", capture=1e-9).growth == ()


@pytest.mark.parametrize("name", STEPS)
def test_records_of_a_run_keep_every_round(name: str) -> None:
    """From one neuron: each iteration's rounds are those it counts, rejected trials included; widths follow
    from rounds and pruned neurons."""
    problem, network = toy(), network_on_interval(NODES, (1,))
    # Alignment in H1 is near 1 from the start.
    threshold = 0.8 if name == "retracted" else 0.999
    rule = growing(80, (1.0, 20.0), capture=threshold, missing=0.0, prune=1e-2)
    way = network_way(name, network, network.start(np.random.default_rng(0)), rule, seed=1)
    way = replace(way, state=way.step.following_closely(way.start, way.state))
    regularisation = FixedR(problem.R)
    builder: ModelBuilder = MetricBuilder(regularisation, None, 1.0)
    if name == "retracted":
        builder = GaussNewtonBuilder(regularisation, None, problem.target, creeps=True)
    records = run(minimisation(problem, way, builder, AtTarget(problem.target, 12), 12))[-1].records
    assert sum(record.expansions for record in records) > 0
    width = 1
    for record in records[1:]:
        assert record.expansions == len(record.growth)
        check(record.growth)
        width += sum(each.neurons for each in record.growth) - record.pruned
        assert record.widths == (width,)
