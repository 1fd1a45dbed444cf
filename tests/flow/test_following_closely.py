"""The Gauss–Newton builder when it is asked to take all of J, and when the loop asks."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from flow_toys import Dense, FixedR, Readings, nodal, rank_deficient, spd
from run_toys import Way, minimisation, run, toy

from app.flow import AtTarget, GaussNewtonBuilder, IdealStep, Method, Representation, StepState
from app.flow.builders import KrylovMemory
from app.flow.hat_matrix import HatMatrix
from app.flow.models import ExactModel
from app.flow.steps import Proposal
from app.method import Discrepancy, SketchMethod

SIZE, READINGS, AIM = 20, 12, Discrepancy().aim


class Setting:
    """A toy with more unknowns than readings, at its reference."""

    def __init__(
        self, weight: float | None = None, target: float | None = 6.0, sketch: SketchMethod | None = None
    ) -> None:
        rng = np.random.default_rng(5)
        B = rank_deficient(rng, READINGS, SIZE, READINGS)
        self.energy = Readings(B, 20.0 * rng.standard_normal(READINGS), bend=0.0)
        self.R = Dense(spd(rng, SIZE))
        self.reference = rng.standard_normal(SIZE)
        method = Method(sketch=sketch or SketchMethod())
        self.builder = GaussNewtonBuilder(FixedR(self.R), weight, target, creeps=True, method=method)
        self.at = self.energy.at(self.reference)

    def closely(self, memory: KrylovMemory | None = None) -> KrylovMemory | None:
        return self.builder.closely(memory or self.builder.first(), self.at)

    def build(self, memory: KrylovMemory) -> tuple[ExactModel, KrylovMemory]:
        """The exact model at the reference."""
        built = self.builder.build(self.energy, self.at, np.zeros(SIZE), memory)
        assert isinstance(built.model, ExactModel)
        return built.model, built.memory

    def linear_misfit(self, model: ExactModel) -> float:
        return self.energy.at(self.reference - model.inner.riesz(model.derivative)).value


def test_all_of_j_is_asked_for_once() -> None:
    """Asked twice, the builder says so; the model is a Krylov one before and exact after."""
    setting = Setting(weight=0.5)
    first = setting.builder.first()
    before = setting.builder.build(setting.energy, setting.at, np.zeros(SIZE), first)
    assert not isinstance(before.model, ExactModel)
    memory = setting.closely(before.memory)
    assert memory is not None and memory.closely and setting.closely(memory) is None
    assert not before.memory.closely, "the memory before is as it was"
    model, _ = setting.build(memory)
    J = setting.at.jacobian()
    K = model.inner.apply(np.eye(SIZE)) - (0.5 * setting.R.matrix + J.T @ J)
    assert np.linalg.norm(K, 2) <= 0.01 * np.linalg.norm(0.5 * setting.R.matrix, 2)


@pytest.mark.parametrize("target", [6.0, 2e3])
def test_the_weight_meets_the_discrepancy_of_the_linear_problem(target: float) -> None:
    """The exact step ends at the share `aim` of the target, or at a quarter of the misfit while that is more;
    an earlier weight bounds the later ones."""
    setting = Setting(target=target)
    memory = setting.closely()
    assert memory is not None
    model, after = setting.build(memory)
    level = max(0.25 * setting.at.value, AIM * target)
    assert setting.linear_misfit(model) == pytest.approx(level, rel=0.02)
    assert after.upper == model.weight
    bounded, _ = setting.build(replace(after, upper=0.1 * model.weight))
    assert bounded.weight == pytest.approx(0.1 * model.weight)


def test_a_network_that_settled_above_the_aim_lowers_the_next_one() -> None:
    """While the misfit falls the aim stays; then it falls by as much as the misfit is above it."""
    setting = Setting(target=6.0)
    memory = setting.closely()
    assert memory is not None
    aims = []
    for misfit in (20.0, 10.0, 9.9, 6.1):
        scale = np.sqrt(misfit / setting.at.value)
        at: Any = replace(setting.at, residual=scale * setting.at.residual)
        memory = setting.builder.build(setting.energy, at, np.zeros(SIZE), memory).memory
        assert memory.before == pytest.approx(misfit)
        aims.append(memory.aimed)
    lower = AIM * 6.0 * (AIM * 6.0 / 9.9)
    np.testing.assert_allclose(aims, [AIM * 6.0, AIM * 6.0, lower, lower])


def test_all_of_very_many_readings_is_not_asked_for() -> None:
    """A block of more than `most_rows` right-hand sides is never taken."""
    assert Setting(weight=0.5, sketch=SketchMethod(most_rows=READINGS)).closely() is not None
    assert Setting(weight=0.5, sketch=SketchMethod(most_rows=READINGS - 1)).closely() is None


@dataclass(frozen=True)
class Straying(IdealStep):
    """Goes a little of the way, and says so; remembers being asked to follow closely."""

    share: float = 0.3

    def propose(self, base: Any, model: Any, scale: float) -> Proposal:
        ideal = super().propose(base, model, scale)
        moved = base.values + self.share * (ideal.values - base.values)
        predicted = 0.5 * ideal.predicted
        return replace(
            ideal, representation=nodal(moved), values=moved, predicted=predicted, capture=self.share
        )

    def strayed(self, proposal: Proposal) -> bool:
        return True

    def following_closely(self, representation: Representation, state: StepState) -> StepState:
        return replace(state, closely=True)


@pytest.mark.parametrize("rejections", [0, 1])
def test_a_network_that_strays_and_is_rejected_gets_the_exact_model(rejections: int) -> None:
    """A step that strayed gets exact models if a trial was rejected, and keeps them; without rejection
    nothing changes."""
    problem = toy(sigma=0.5)

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return 1e3 * e if 1 <= evaluation <= rejections else e

    problem.energy.spoil = spoil
    builder = GaussNewtonBuilder(FixedR(problem.R), None, problem.target, creeps=True)
    way = Way(Straying(), nodal(problem.reference))
    states = run(minimisation(problem, way, builder, AtTarget(problem.target, 4), 4))
    assert len(states) > 2 and not states[0].step.closely
    assert {state.step.closely for state in states[1:]} == {rejections > 0}
    assert {state.model.closely for state in states[1:]} == {rejections > 0}


@pytest.mark.parametrize("level", [1e-3, 0.5, 4.0])
def test_weight_for_a_level(level: float) -> None:
    """Half of the squared residual is the level, unless the bound is lower or no weight is low enough."""
    rng = np.random.default_rng(1)
    J = rng.standard_normal((6, 9))
    hat = HatMatrix(J @ J.T, np.eye(6), 3.0 * rng.standard_normal(6))
    weight, met = hat.weight_for(level, np.inf)
    assert met and hat.fit(np.array([weight]))[0][0] == pytest.approx(level, rel=1e-6)
    bounded, met = hat.weight_for(level, 0.1 * weight)
    assert met and bounded == pytest.approx(0.1 * weight)
    blind = HatMatrix(np.diag([1.0, 0, 0, 0, 0, 0]), np.eye(6), np.full(6, 3.0))
    assert not blind.weight_for(level, np.inf)[1]
