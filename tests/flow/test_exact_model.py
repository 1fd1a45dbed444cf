"""The exact model K = wR + JᵀJ and its builder against dense linear algebra."""

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from flow_toys import Dense, Readings, nodal, rank_deficient, spd
from run_toys import Exactly, Way, minimisation, run

from app.flow import FlowState, IdealStep, Representation
from app.flow.exact import ExactBuilder
from app.flow.models import ExactModel, exact_factors
from app.flow.retraction import quadratic
from app.flow.sketch import take_sketch
from app.flow.stopping import AtMinimum
from app.method import Exact

CUT = Exact().cut
SIZE, READINGS = 20, 12
RANKS = {"full rank": READINGS, "rank 3": 3}
WEIGHTS = [1e-3, 0.5, 30.0, 1e4]
"""From one that all directions of J outweigh to one that outweighs all of them."""


def parts(rank: int) -> tuple[np.ndarray, Dense, np.ndarray]:
    """J, R and a derivative."""
    rng = np.random.default_rng(rank)
    return rank_deficient(rng, READINGS, SIZE, rank), Dense(spd(rng, SIZE)), rng.standard_normal(SIZE)


def exact(rank: int, weight: float, rejections: int = 0) -> tuple[np.ndarray, Dense, ExactModel]:
    """J, R and the model after some rejections."""
    J, R, derivative = parts(rank)
    model = ExactModel(R, weight, exact_factors(R, weight, J.T), derivative)
    return J, R, reduce(lambda m, _: m.rejected(), range(rejections), model)


def in_R(R: Dense, K: np.ndarray) -> np.ndarray:
    """L⁻¹KL⁻ᵀ with R = LLᵀ."""
    L = np.linalg.cholesky(R.matrix)
    return np.linalg.solve(L, np.linalg.solve(L, K).T)


all_ranks = pytest.mark.parametrize("rank", RANKS.values(), ids=RANKS.keys())
all_weights = pytest.mark.parametrize("weight", WEIGHTS)


@all_ranks
@all_weights
@pytest.mark.parametrize("rejections", range(4))
def test_exact_model_is_the_dense_one(rank: int, weight: float, rejections: int) -> None:
    """K lies below (w + η)R + JᵀJ by what the weak directions hold at most, a share of w in units of R."""
    J, R, model = exact(rank, weight, rejections)
    damping = 0.0 if rejections == 0 else weight * 10.0 ** (rejections - 1)
    assert model.damping == pytest.approx(damping, rel=1e-14)
    assert model.damped == (rejections > 0)
    dense = (weight + damping) * R.matrix + J.T @ J
    missing = np.linalg.eigvalsh(in_R(R, dense - model.inner.apply(np.eye(SIZE))))
    assert missing[0] >= -1e-9 * (weight + damping)
    assert missing[-1] <= CUT * weight + 1e-9 * (weight + damping)


@all_ranks
@all_weights
@pytest.mark.parametrize("rejections", [0, 2])
def test_riesz_inverts_the_exact_model(rank: int, weight: float, rejections: int) -> None:
    """K⁻¹ by Woodbury undoes K to 1e-9, for a vector and a block."""
    _, _, model = exact(rank, weight, rejections)
    block = np.random.default_rng(0).standard_normal((SIZE, 3))
    np.testing.assert_allclose(model.inner.riesz(model.inner.apply(block)), block, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        model.inner.riesz(model.inner.apply(block[:, 0])), block[:, 0], rtol=0, atol=1e-9
    )


@all_ranks
@all_weights
def test_square_of_the_exact_model_is_a_gram_matrix(rank: int, weight: float) -> None:
    """square(X) = XᵀKX, symmetric to the last bit."""
    _, _, model = exact(rank, weight, 1)
    block = np.asfortranarray(np.random.default_rng(0).standard_normal((SIZE, 7)))
    found, expected = model.inner.square(block), block.T @ model.inner.apply(block)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(found, found.T)


@all_ranks
def test_rejections_add_r_and_nothing_else(rank: int) -> None:
    """Each rejection makes the damping larger, with the same J, derivative and weight; the step −K⁻¹r gets
    shorter in the R norm."""
    _, R, model = exact(rank, 0.5)
    lengths = []
    for _ in range(6):
        delta = model.inner.riesz(model.derivative)
        lengths.append(delta @ R.matrix @ delta)
        harder = model.rejected()
        assert harder.factors is model.factors and harder.derivative is model.derivative
        assert harder.weight == model.weight and harder.damping > model.damping
        added = harder.inner.apply(np.eye(SIZE)) - model.inner.apply(np.eye(SIZE))
        expected = (harder.damping - model.damping) * R.matrix
        np.testing.assert_allclose(added, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
        model = harder
    assert np.all(np.diff(lengths) < 0)


def test_quadratic_equals_the_exact_model() -> None:
    """quadratic() returns rᵀδ + ½δᵀKδ and r + Kδ, with all directions of J in K."""
    J, R, model = exact(READINGS, 1e-3)
    delta = np.random.default_rng(1).standard_normal(SIZE)
    K = 1e-3 * R.matrix + J.T @ J
    q, dual = quadratic(model, delta)
    assert q == pytest.approx(model.derivative @ delta + 0.5 * delta @ K @ delta, rel=1e-10)
    np.testing.assert_allclose(dual, model.derivative + K @ delta, atol=1e-10 * np.abs(dual).max())


def test_factors_are_as_many_as_the_weight_asks_for() -> None:
    """Directions weaker than a share of w are left out, one stays; overlap = CᵀR⁻¹C, RinvC = R⁻¹C."""
    J, R, _ = parts(READINGS)
    strengths = np.linalg.eigvalsh(J @ np.linalg.solve(R.matrix, J.T))
    for weight in WEIGHTS:
        factors = exact_factors(R, weight, J.T)
        assert factors.C.shape[1] == max(1, np.sum(strengths > CUT * weight))
        np.testing.assert_allclose(J.T @ factors.combinations, factors.C, rtol=0, atol=1e-10)
        np.testing.assert_allclose(R.matrix @ factors.RinvC, factors.C, rtol=0, atol=1e-10)
        overlap = factors.C.T @ factors.RinvC
        np.testing.assert_allclose(factors.overlap, overlap, rtol=0, atol=1e-10 * strengths[-1])


class Setting:
    """A toy at m_ref + ½, and a builder with the sketch from there; remembers what the builder does."""

    def __init__(self, bend: float, weight: float) -> None:
        rng = np.random.default_rng(3)
        B = rank_deficient(rng, READINGS, SIZE, READINGS)
        self.energy = Readings(B, 3.0 * rng.standard_normal(READINGS), bend=bend)
        self.R, self.weight = Dense(spd(rng, SIZE)), weight
        self.reference = 0.3 * rng.standard_normal(SIZE)
        self.start = self.reference + 0.5
        at = self.energy.at(self.start)
        self.sketch = take_sketch(at, self.R, self.start - self.reference, rng)
        self.builder = ExactBuilder(self.R, weight, AtMinimum(0, 20, noise=0.0))
        self.memory, self.factors = self.builder.from_sketch(self.sketch, nodal(self.start))

    def build(self, coefficient: np.ndarray) -> ExactModel:
        at, own = self.energy.at(coefficient), nodal(coefficient)
        built = self.builder.build(at, coefficient - self.reference, own, self.memory, self.factors)
        self.memory, self.factors = built.memory, built.factors
        assert isinstance(built.model, ExactModel)
        return built.model

    def learn(self, ratio: float, model: ExactModel) -> None:
        self.memory = self.builder.learned(self.memory, ratio, model)

    def run(self, most: int) -> list[FlowState]:
        """Nodal steps from the sketch's coefficient to the minimum."""
        stopping = AtMinimum(0, most, noise=0.0)
        exactly = Exactly(replace(self.builder, stopping=stopping), (self.memory, self.factors))
        return run(minimisation(self, Way(IdealStep(), nodal(self.start)), exactly, stopping))


def test_nodal_flow_on_a_linear_problem_needs_one_iteration() -> None:
    """From the sketch's own coefficient, or any other, the first step is at the minimum, and the second is
    seen to promise nothing: no trial, no J anew, two evaluations in all."""
    setting = Setting(bend=0.0, weight=1e-3)
    energy = setting.energy
    sketched, evaluations = energy.adjoints, energy.evaluations
    states = setting.run(20)
    assert states[-1].stop_reason == "minimum"
    J = energy.jacobian(setting.start)
    K = setting.weight * setting.R.matrix + J.T @ J
    minimum = setting.reference + np.linalg.solve(K, J.T @ (energy.data - J @ setting.reference))
    for state in states[1:]:
        np.testing.assert_allclose(state.representation.values(), minimum, rtol=0, atol=1e-8)
    assert energy.adjoints == sketched and energy.tangents == 0
    assert energy.evaluations == evaluations + 2
    assert {record.weight for record in states[-1].records[1:]} == {setting.weight}


def test_model_has_the_gradient_of_the_energy() -> None:
    """r = Jᵀe + wR(m − m_ref) at the iteration's own coefficient, whatever the age of J."""
    setting = Setting(bend=0.2, weight=0.5)
    for shift in (0.0, 0.2):
        m = setting.start + shift
        model = setting.build(m)
        at = setting.energy.at(m)
        expected = at.derivative() + 0.5 * setting.R.matrix @ (m - setting.reference)
        np.testing.assert_allclose(model.derivative, expected, rtol=1e-12)


def test_a_good_model_is_kept_and_a_poor_one_is_taken_anew() -> None:
    """While true and predicted decrease agree J stays that of the sketch; after a ratio near 0 the next model
    has J at its own coefficient, here along all directions of the data since the weight is small."""
    setting = Setting(bend=0.2, weight=1e-3)
    sketched = setting.energy.adjoints
    model = setting.build(setting.start)
    first = model.inner.apply(np.eye(SIZE))
    setting.learn(0.99, model)
    model = setting.build(setting.start + 0.01)
    assert setting.energy.adjoints == sketched
    np.testing.assert_array_equal(model.inner.apply(np.eye(SIZE)), first)
    setting.learn(1e-3, model)
    model = setting.build(setting.start + 0.3)
    assert setting.energy.adjoints == sketched + 1
    J = setting.energy.jacobian(setting.start + 0.3)
    expected = setting.weight * setting.R.matrix + J.T @ J
    np.testing.assert_allclose(model.inner.apply(np.eye(SIZE)), expected, atol=1e-9 * expected.max())
    setting.learn(0.99, model)
    setting.build(setting.start + 0.3)
    assert setting.energy.adjoints == sketched + 1


def test_a_model_that_promises_more_than_all_of_the_energy_is_taken_anew() -> None:
    """½rᵀK⁻¹r ≤ E where J is that of r: a larger promise, here by a J scaled down, shows a J of elsewhere."""
    setting = Setting(bend=0.0, weight=1e-3)
    small = exact_factors(setting.R, 1e-3, 0.1 * setting.sketch.rows)
    setting.factors = replace(setting.factors, low_rank=small)
    sketched = setting.energy.adjoints
    setting.build(setting.start)
    assert setting.energy.adjoints == sketched, "the sketch's own coefficient is not doubted"
    model = setting.build(setting.start)
    assert setting.energy.adjoints == sketched + 1
    J = setting.energy.jacobian(setting.start)
    expected = setting.weight * setting.R.matrix + J.T @ J
    np.testing.assert_allclose(model.inner.apply(np.eye(SIZE)), expected, atol=1e-9 * expected.max())


def test_j_taken_anew_keeps_to_the_directions_that_matter() -> None:
    """Taken anew, J is QᵀJ along the data directions Q of the sketch that the weight did not outweigh."""
    weight = 1e2
    setting = Setting(bend=0.2, weight=weight)
    factors = exact_factors(setting.R, weight, setting.sketch.rows)
    Q = factors.combinations
    assert 0 < Q.shape[1] < READINGS
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), rtol=0, atol=1e-12)
    setting.learn(1e-3, setting.build(setting.start))
    model = setting.build(setting.start + 0.1)
    rows = setting.energy.jacobian(setting.start + 0.1).T @ Q
    expected = weight * setting.R.matrix + rows @ rows.T
    missing = in_R(setting.R, expected - model.inner.apply(np.eye(SIZE)))
    assert np.linalg.norm(missing, 2) <= CUT * weight


def test_damping_is_remembered_and_wears_off() -> None:
    """What rejections added is in the next model unless the ratio was good; after good ones none is left."""
    setting = Setting(bend=0.2, weight=0.5)
    model = setting.build(setting.start).rejected()
    setting.learn(0.5, model)
    assert setting.build(setting.start).damping == model.damping > 0
    for _ in range(12):
        model = setting.build(setting.start)
        setting.learn(1.0, model)
    assert setting.build(setting.start).damping == 0.0


def test_rejections_that_damp_an_older_model_by_much_take_j_anew() -> None:
    """At the second one, along all directions of the data here, and without what they added; a J that is of
    the same coefficient is only damped."""
    setting = Setting(bend=0.2, weight=1e-3)
    for shift, fresh in ((0.0, True), (0.01, False)):
        m = setting.start + shift
        given = (setting.energy.at(m), m - setting.reference, nodal(m))
        built = setting.builder.build(*given, setting.memory, setting.factors)
        assert built.fresh == fresh
        once = built.model.rejected()
        assert setting.builder.renewed(built, once, *given) is None
        anew = setting.builder.renewed(built, once.rejected(), *given)
        assert (anew is None) == fresh
        setting.memory, setting.factors = built.memory, built.factors
    assert anew is not None and isinstance(anew.model, ExactModel)
    J = setting.energy.jacobian(m)
    expected = setting.weight * setting.R.matrix + J.T @ J
    np.testing.assert_allclose(anew.model.inner.apply(np.eye(SIZE)), expected, atol=1e-9 * expected.max())
    assert anew.model.damping == 0.0
    assert setting.builder.renewed(anew, anew.model.rejected().rejected(), *given) is None


@pytest.mark.parametrize("bend", [0.0, 0.2, 1.0])
def test_nodal_flow_reaches_the_minimum_of_its_energy(bend: float) -> None:
    """Also of a nonlinear toy: what is left of the gradient, in the R⁻¹ norm, promises less than 2 % of the
    energy (the rule stops at 1 %, from a model whose J may be old)."""
    setting = Setting(bend, weight=0.5)
    last = setting.run(60)[-1]
    assert last.stop_reason == "minimum" and last.evaluation is not None
    m, e = last.evaluation.m, last.evaluation.residual
    J, shift = setting.energy.jacobian(m), m - setting.reference
    RV = setting.R.matrix @ shift
    r = J.T @ e + 0.5 * RV
    promise = 0.5 * r @ np.linalg.solve(J.T @ J + 0.5 * setting.R.matrix, r)
    assert promise < 0.02 * (0.5 * e @ e + 0.25 * shift @ RV)


def anchored(setting: Setting) -> Representation:
    return setting.memory.taken.anchor


@pytest.mark.parametrize("weight", [1e-3, 1e2], ids=["all directions", "some directions"])
def test_j_is_made_again_to_the_last_bit(weight: float) -> None:
    """From the memory alone: as the sketch had it, at the step after, and after J was taken anew once and
    twice, at the coefficient where it was; what it costs is one block of adjoints each."""
    setting = Setting(bend=0.2, weight=weight)
    for shift, ratio in [(0.0, 0.99), (0.01, 1e-3), (0.1, 1e-3), (0.2, 0.99)]:
        for _ in range(2):  # before and after the model is built
            before = setting.energy.adjoints
            m = anchored(setting).values()
            again = setting.builder.again(setting.energy.at(m), m - setting.reference, setting.memory)
            assert setting.energy.adjoints == before + 1
            for found, expected in [
                (again.directions, setting.factors.directions),
                (again.low_rank.C, setting.factors.low_rank.C),
                (again.low_rank.RinvC, setting.factors.low_rank.RinvC),
                (again.low_rank.overlap, setting.factors.low_rank.overlap),
            ]:
                np.testing.assert_array_equal(found, expected)
            model = setting.build(setting.start + shift)
        setting.learn(ratio, model)
    np.testing.assert_array_equal(anchored(setting).values(), setting.start + 0.2)
