"""One look at J: all of it from few readings, what matters of it from many."""

from collections.abc import Callable

import numpy as np
import pytest
from flow_toys import Dense, Readings, spd

from app.flow import look as module
from app.flow.look import Look, take_look
from app.flow.smoother import Smoother

SIZE, FEW, MANY = 120, 15, 150
"""Variables, and readings that are looked at one by one and through combinations."""


class Setting:
    """A nonlinear toy evaluated off its reference, with a J whose singular values fall quickly; the more
    noise, the fewer of them matter."""

    def __init__(self, readings: int, noise: float = 0.1, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        left = np.linalg.qr(rng.standard_normal((readings, min(readings, SIZE))))[0]
        right = np.linalg.qr(rng.standard_normal((SIZE, left.shape[1])))[0]
        B = (left * np.geomspace(10.0, 1e-3, left.shape[1])) @ right.T
        clean = B @ rng.standard_normal(SIZE)
        self.energy = Readings(B, clean + noise * rng.standard_normal(readings))
        self.R = Dense(spd(rng, SIZE))
        self.departure = 0.1 * rng.standard_normal(SIZE)
        self.residual = self.energy.residual(self.departure + 0.05)
        self.J = self.energy.jacobian()
        self.energy.tangents = self.energy.adjoints = 0

    def look(self, seed: int = 0) -> Look:
        rng = np.random.default_rng(seed)
        return take_look(self.energy, self.R, self.residual, self.departure, rng)

    def enough(self, look: Look) -> bool:
        """Whether J is faint in the weakest direction against the weight by leave-one-out."""
        smoother = Smoother(look.rows.T @ self.R.riesz(look.rows), look.directions, look.data)
        return bool(smoother.values[0] <= module.FAINT * smoother.best_weight())

    def strengths(self, J: np.ndarray) -> np.ndarray:
        """Singular values of JR^(−½), squared."""
        half = np.linalg.inv(np.linalg.cholesky(self.R.matrix)).T
        return np.linalg.svd(J @ half, compute_uv=False) ** 2


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """More than FEW readings are many, looked at through so many combinations at once."""

    def at_once(count: int) -> None:
        monkeypatch.setattr(module, "MOST_ROWS", FEW)
        monkeypatch.setattr(module, "SKETCH", count)

    return at_once


def test_few_readings_are_looked_at_one_by_one() -> None:
    """rows = Jᵀ and data = J(m − m_ref) − e at the coefficient evaluated last, by one block of adjoints,
    whatever the seed."""
    setting = Setting(FEW)
    look = setting.look()
    assert (setting.energy.adjoints, setting.energy.tangents) == (1, 0)
    np.testing.assert_array_equal(look.rows, setting.J.T)
    np.testing.assert_array_equal(look.directions, np.eye(FEW))
    expected = setting.J @ setting.departure - setting.residual
    np.testing.assert_allclose(look.data, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(setting.look(seed=1).rows, look.rows)


noises = pytest.mark.parametrize("noise", [1.0, 0.1, 0.01])


@noises
@pytest.mark.parametrize("count", [8, 20])
def test_many_readings_are_looked_at_through_combinations(
    sketched: Callable[[int], None], noise: float, count: int
) -> None:
    """Q is orthonormal, the rows are QᵀJ, and what they leave of JR^(−½) is of the size of their weakest
    direction, its square within ten (a random range has no margin for its last directions)."""
    sketched(count)
    setting = Setting(MANY, noise)
    look = setting.look()
    Q = look.directions
    assert Q.shape[1] % count == 0 and Q.shape[1] < SIZE
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(look.rows, setting.J.T @ Q, rtol=0, atol=1e-12)
    weakest = setting.strengths(look.rows.T)[-1]
    assert setting.strengths(setting.J - Q @ look.rows.T)[0] <= 10 * weakest
    expected = Q @ look.rows.T @ setting.departure - setting.residual
    np.testing.assert_allclose(look.data, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@noises
def test_combinations_are_taken_until_they_are_enough(sketched: Callable[[int], None], noise: float) -> None:
    """J is faint in the weakest one against the weight by leave-one-out, and not before the last batch."""
    sketched(4)
    setting = Setting(MANY, noise)
    look = setting.look()
    assert setting.enough(look)
    before = look.compressed(np.eye(look.directions.shape[1])[:, :-4])
    data = before.directions @ (before.rows.T @ setting.departure) - setting.residual
    assert not setting.enough(Look(before.rows, before.directions, data))


def test_combinations_cost_three_right_hand_sides_each(sketched: Callable[[int], None]) -> None:
    """Two blocks of adjoints and one of tangents for each batch."""
    sketched(5)
    setting = Setting(MANY)
    batches = setting.look().directions.shape[1] // 5
    assert batches > 1
    assert (setting.energy.adjoints, setting.energy.tangents) == (2 * batches, batches)


def test_strong_directions_are_found(sketched: Callable[[int], None]) -> None:
    """Strengths a hundred times that of the weakest one are those of J itself, to a per cent."""
    sketched(16)
    setting = Setting(MANY)
    full, found = setting.strengths(setting.J), setting.strengths(setting.look().rows.T)
    strong = int(np.sum(full > 100 * found[-1]))
    assert 10 < strong < len(found)
    np.testing.assert_allclose(found[:strong], full[:strong], rtol=0.01)


def test_the_number_of_combinations_has_a_limit(
    sketched: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However precise the readings, no batch begins beyond it; what is left of the residual is pursued."""
    sketched(4)
    monkeypatch.setattr(module, "SKETCH_LIMIT", 10)
    look = Setting(MANY, 1e-6).look()
    assert look.directions.shape[1] == 12 + module.PURSUED and not look.complete


def test_combinations_are_those_of_the_seed(sketched: Callable[[int], None]) -> None:
    """The same seed gives the same look, another one another; the residual's own direction is always in."""
    sketched(10)
    setting = Setting(MANY)
    first, again, other = (setting.look(seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.directions, again.directions)
    assert np.abs(first.directions[:, :10] - other.directions[:, :10]).max() > 1e-3
    image = setting.J @ setting.R.riesz(setting.J.T @ setting.residual)
    for look in (first, other):
        inside = look.directions @ (look.directions.T @ image)
        np.testing.assert_allclose(inside, image, rtol=0, atol=1e-10 * np.abs(image).max())


def test_compressed_look_keeps_its_product() -> None:
    """Along orthonormal combinations U of the directions Q becomes QU and Ĵ becomes UᵀĴ."""
    look = Setting(FEW).look()
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((FEW, 6)))[0]
    short = look.compressed(U)
    np.testing.assert_allclose(short.directions @ short.rows.T, U @ U.T @ look.rows.T, rtol=0, atol=1e-12)
    assert short.rows.flags.f_contiguous and short.rows.shape == (SIZE, 6)
    np.testing.assert_array_equal(short.data, look.data)
