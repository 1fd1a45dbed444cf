"""A sketch of J: all of it from few readings, what matters of it from many."""

import numpy as np
import pytest
from flow_toys import Dense, Readings, spd

from app.flow.hat_matrix import HatMatrix
from app.flow.sketch import Sketch, retaken, take_sketch
from app.method import SketchMethod

SIZE, FEW, MANY = 120, 15, 150
"""Variables, and readings that are taken one by one and through combinations."""

ALL = SketchMethod()


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
        self.at = self.energy.at(self.departure + 0.05)
        self.J = self.at.jacobian()

    def sketch(self, method: SketchMethod = ALL, seed: int = 0) -> Sketch:
        return take_sketch(self.at, self.R, self.departure, np.random.default_rng(seed), method)

    def enough(self, sketch: Sketch) -> bool:
        """Whether J is faint in the weakest direction against the weight by leave-one-out."""
        hat = HatMatrix(sketch.rows.T @ self.R.riesz(sketch.rows), sketch.directions, sketch.data)
        return bool(hat.values[0] <= ALL.faint * hat.best_weight())

    def strengths(self, J: np.ndarray) -> np.ndarray:
        """Singular values of JR^(−½), squared."""
        half = np.linalg.inv(np.linalg.cholesky(self.R.matrix)).T
        return np.linalg.svd(J @ half, compute_uv=False) ** 2


def combined(columns: int, most: int = ALL.most_columns) -> SketchMethod:
    """More than FEW readings are many, taken through so many combinations at once."""
    return SketchMethod(most_rows=FEW, columns=columns, most_columns=most)


def test_few_readings_are_taken_one_by_one() -> None:
    """rows = Jᵀ and data = J(m − m_ref) − e at the evaluation's coefficient, by one block of adjoints,
    whatever the seed."""
    setting = Setting(FEW)
    sketch = setting.sketch()
    assert (setting.energy.adjoints, setting.energy.tangents) == (1, 0)
    np.testing.assert_array_equal(sketch.rows, setting.J.T)
    np.testing.assert_array_equal(sketch.directions, np.eye(FEW))
    expected = setting.J @ setting.departure - setting.at.residual
    np.testing.assert_allclose(sketch.data, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(setting.sketch(seed=1).rows, sketch.rows)


noises = pytest.mark.parametrize("noise", [1.0, 0.1, 0.01])


@noises
@pytest.mark.parametrize("count", [8, 20])
def test_many_readings_are_taken_through_combinations(noise: float, count: int) -> None:
    """Q is orthonormal, the rows are QᵀJ, and what they leave of JR^(−½) is of the size of their weakest
    direction, its square within ten (a random range has no margin for its last directions)."""
    setting = Setting(MANY, noise)
    sketch = setting.sketch(combined(count))
    Q = sketch.directions
    assert Q.shape[1] % count == 0 and Q.shape[1] < SIZE
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(sketch.rows, setting.J.T @ Q, rtol=0, atol=1e-12)
    weakest = setting.strengths(sketch.rows.T)[-1]
    assert setting.strengths(setting.J - Q @ sketch.rows.T)[0] <= 10 * weakest
    expected = Q @ sketch.rows.T @ setting.departure - setting.at.residual
    np.testing.assert_allclose(sketch.data, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@noises
def test_combinations_are_taken_until_they_are_enough(noise: float) -> None:
    """J is faint in the weakest one against the weight by leave-one-out, and not before the last batch."""
    setting = Setting(MANY, noise)
    sketch = setting.sketch(combined(4))
    assert setting.enough(sketch)
    before = sketch.compressed(np.eye(sketch.directions.shape[1])[:, :-4])
    data = before.directions @ (before.rows.T @ setting.departure) - setting.at.residual
    assert not setting.enough(Sketch(before.rows, before.directions, data))


@pytest.mark.parametrize("count", [7, 16, 1000])
def test_there_are_no_more_combinations_than_readings(count: int) -> None:
    """As many as that are all of J, however faint it has to be."""
    setting = Setting(FEW + 1)
    method = SketchMethod(most_rows=FEW, columns=count, most_columns=1000, faint=1e-300)
    sketch = setting.sketch(method)
    assert sketch.complete and sketch.directions.shape == (FEW + 1, FEW + 1)
    J = sketch.directions @ sketch.rows.T
    np.testing.assert_allclose(J, setting.J, rtol=0, atol=1e-12 * np.abs(setting.J).max())


def test_combinations_cost_three_right_hand_sides_each() -> None:
    """Two blocks of adjoints and one of tangents for each batch."""
    setting = Setting(MANY)
    batches = setting.sketch(combined(5)).directions.shape[1] // 5
    assert batches > 1
    assert (setting.energy.adjoints, setting.energy.tangents) == (2 * batches, batches)


def test_strong_directions_are_found() -> None:
    """Strengths a hundred times that of the weakest one are those of J itself, to a per cent."""
    setting = Setting(MANY)
    full, found = setting.strengths(setting.J), setting.strengths(setting.sketch(combined(16)).rows.T)
    strong = int(np.sum(full > 100 * found[-1]))
    assert 10 < strong < len(found)
    np.testing.assert_allclose(found[:strong], full[:strong], rtol=0.01)


def test_the_number_of_combinations_has_a_limit() -> None:
    """However precise the readings, no batch begins beyond it; what is left of the residual is pursued."""
    sketch = Setting(MANY, 1e-6).sketch(combined(4, most=10))
    assert sketch.directions.shape[1] == 12 + ALL.pursued and not sketch.complete


def test_sketches_are_taken_again_to_the_last_bit() -> None:
    """From Q and how many of its columns were taken at once: of all readings, of combinations, and of those
    that were pursued; every column is accounted for."""
    for readings, noise, method in [
        (FEW, 0.1, ALL),
        (MANY, 0.1, combined(5)),
        (MANY, 1e-6, combined(4, most=10)),
    ]:
        setting = Setting(readings, noise)
        sketch = setting.sketch(method)
        assert sum(sketch.blocks) == sketch.directions.shape[1]
        again = retaken(setting.energy.at(setting.at.m), sketch.directions, sketch.blocks)
        np.testing.assert_array_equal(again, sketch.rows)


def test_combinations_are_those_of_the_seed() -> None:
    """The same seed gives the same sketch, another one another; the residual's own direction is always in."""
    setting = Setting(MANY)
    first, again, other = (setting.sketch(combined(10), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.directions, again.directions)
    assert np.abs(first.directions[:, :10] - other.directions[:, :10]).max() > 1e-3
    image = setting.J @ setting.R.riesz(setting.J.T @ setting.at.residual)
    for sketch in (first, other):
        inside = sketch.directions @ (sketch.directions.T @ image)
        np.testing.assert_allclose(inside, image, rtol=0, atol=1e-10 * np.abs(image).max())


def test_compressed_sketch_keeps_its_product() -> None:
    """Along orthonormal combinations U of the directions Q becomes QU and Ĵ becomes UᵀĴ."""
    sketch = Setting(FEW).sketch()
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((FEW, 6)))[0]
    short = sketch.compressed(U)
    np.testing.assert_allclose(short.directions @ short.rows.T, U @ U.T @ sketch.rows.T, rtol=0, atol=1e-12)
    assert short.rows.flags.f_contiguous and short.rows.shape == (SIZE, 6)
    np.testing.assert_array_equal(short.data, sketch.data)
