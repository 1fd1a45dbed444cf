"""Transforms of a network's output: inverses, slopes and bounds."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unknown_toys import coordinates, network_at, parameters_of, transform_of

from app.network import TRANSFORMS, Bounded

all_transforms = pytest.mark.parametrize("name", TRANSFORMS)


@all_transforms
def test_inverse_undoes_value(name: str) -> None:
    """T⁻¹(T(s)) = s where the logistic is not saturated, and T(T⁻¹(m)) = m, to rounding."""
    transform = transform_of(name)
    s = np.linspace(-8.0, 8.0, 161)
    np.testing.assert_allclose(transform.inverse(transform.value(s)), s, atol=1e-11)
    m = np.linspace(-1.999, 2.999, 101)
    np.testing.assert_allclose(transform.value(transform.inverse(m)), m, rtol=0, atol=1e-14)


@all_transforms
def test_slope_is_the_derivative(name: str) -> None:
    """T′ by central differences (h = 1e-5, error about 1e-10); None stands for 1."""
    transform = transform_of(name)
    s, h = np.linspace(-9.0, 9.0, 181), 1e-5
    slope = transform.slope(s)
    difference = (transform.value(s + h) - transform.value(s - h)) / (2 * h)
    np.testing.assert_allclose(np.ones_like(s) if slope is None else slope, difference, rtol=0, atol=1e-8)


@settings(max_examples=200, deadline=None)
@given(
    bounds=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2, unique=True),
    s=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
)
@example(bounds=[-0.18, 0.93], s=[50.0, -50.0])  # −0.18 + (0.93 + 0.18) is above 0.93 in floating point
def test_bounded_stays_within_its_bounds(bounds: list[float], s: list[float]) -> None:
    """low ≤ T(s) ≤ high for every s, saturated ones included, to the last bit."""
    bounded = Bounded(*sorted(bounds))
    values = bounded.value(np.array(s))
    assert np.all(values >= bounded.low) and np.all(values <= bounded.high)


def test_a_bounded_network_stays_within_its_bounds() -> None:
    """However large the parameters are, and its Jacobian stays finite."""
    network = network_at(coordinates(50), (6,), "tanh", "bounded")
    for scale in [1.0, 10.0, 1e4]:
        theta = scale * parameters_of(network)
        m = network.values(theta)
        assert np.all(m >= -2.0) and np.all(m <= 3.0)
        assert np.isfinite(network.jacobian(theta)).all()


@pytest.mark.parametrize("outside", [-2.0, -2.5, 3.0, 7.0, np.nan, np.inf])
def test_references_outside_the_bounds_are_refused(outside: float) -> None:
    """T⁻¹ exists strictly between the bounds only; the message names the value found and both bounds."""
    with pytest.raises(ValueError, match="strictly between") as error:
        Bounded(-2.0, 3.0).inverse(np.array([0.0, outside, 1.0]))
    assert f"{outside:.6g}" in str(error.value)
    assert "-2" in str(error.value) and "3" in str(error.value)


def test_a_rank_without_nodes_has_nothing_to_refuse() -> None:
    """An empty reference is fine."""
    assert Bounded(-2.0, 3.0).inverse(np.empty(0)).shape == (0,)
