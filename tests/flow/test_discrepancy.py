"""The weight that meets a level, on misfits whose inverse is known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flow.discrepancy import weight_for

LOW, HIGH = 1e-9, 1e9

RISING: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "one direction": (lambda w: (w / (1 + w)) ** 2, lambda level: level**0.5 / (1 - level**0.5)),
    "a power": (lambda w: 1e-3 * w**0.1, lambda level: (1e3 * level) ** 10),
    "a step": (lambda w: 0.01 + 0.9 * (w > 2.5), lambda level: 2.5),
}
"""Misfits by weight, and the weight by level."""


@pytest.mark.parametrize("title", RISING)
@pytest.mark.parametrize("level", [0.02, 0.0021, 0.3])
def test_the_level_is_met_to_rounding(title: str, level: float) -> None:
    """The weight is right to 1e-12 where the range has one, also of a misfit that is flat and jumps."""
    misfit, inverse = RISING[title]
    low, high = 1e-4, 1e4
    weight, met = weight_for(misfit, level, low, high)
    if misfit(low) > level:
        assert (weight, met) == (low, False)
    elif misfit(high) <= level:
        assert (weight, met) == (high, True)
    else:
        assert met and weight == pytest.approx(inverse(level), rel=1e-12)


@given(level=st.floats(1e-12, 2.0), high=st.floats(1e-12, 1e12), low=st.floats(1e-12, 1e12))
@settings(max_examples=200, deadline=None)
def test_the_weight_is_between_its_ends(level: float, high: float, low: float) -> None:
    """At most `high`, and not below `low` unless `high` is; it meets the level where it says so."""
    misfit = RISING["one direction"][0]
    weight, met = weight_for(misfit, level, low, high)
    assert min(low, high) <= weight <= high
    assert met == (misfit(low) <= level)
    if met:
        assert misfit(weight) <= level * (1 + 1e-12)
        assert weight == high or misfit(weight) == pytest.approx(level, rel=1e-12)


def test_few_evaluations() -> None:
    """Brent's method takes a third of bisection's 55 evaluations on a smooth misfit over eighteen decades."""
    asked: list[float] = []

    def misfit(weight: float) -> float:
        asked.append(weight)
        return RISING["one direction"][0](weight)

    weight_for(misfit, 0.3, LOW, HIGH)
    assert len(asked) <= 25
    assert np.isclose(asked[-1], RISING["one direction"][1](0.3))
