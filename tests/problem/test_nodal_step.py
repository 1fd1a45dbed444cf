"""What one nodal step promises at the end of a network's run: so much lower nodal values come."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from small import Small, on_square

from app.api import Solution, solve
from app.posterior import GaussianPosterior
from app.problem.fit.nodal_step import nodal_step

NARROW = on_square(
    "sparse", "unknowns.m.representation={kind: network, hidden: [2], max_width: 2}", "flow.max_iterations=8"
)
FREE = on_square("sparse")


def ended(small: Small) -> Solution:
    return solve(small.built())


@pytest.fixture(scope="module")
def narrow() -> Iterator[Solution]:
    found = ended(NARROW)
    with found.problem:
        yield found


def test_a_network_that_is_too_narrow_is_told(narrow: Solution) -> None:
    """With the energy, what is missing and what would be negligible; a free one is not."""
    verdict = narrow.summary["verdict"]
    step = verdict["nodal_step"]
    assert step["promised"] > step["tolerated"] > 0
    assert any("the network ends at the energy" in each for each in verdict["advice"])
    free = ended(FREE)
    with free.problem:
        step = free.summary["verdict"]["nodal_step"]
        assert 0 <= step["promised"] < step["tolerated"]
        assert not any("the network ends" in each for each in free.summary["verdict"]["advice"])


def test_it_is_the_step_of_the_dense_model(narrow: Solution) -> None:
    """½rᵀK⁻¹r by matrices, and the energy falls by about that where the step is taken."""
    assert isinstance(narrow.uncertainty.posterior, GaussianPosterior)
    posterior, state = narrow.uncertainty.posterior.linearised, narrow.state
    found, at = nodal_step(state, posterior), narrow.state.evaluation
    assert at is not None
    one = np.eye(len(at.m))
    J = at.jvp(np.asfortranarray(one))  # type: ignore[attr-defined]
    R = posterior.R.apply(np.asfortranarray(one))
    K, departure = posterior.weight * R + J.T @ J, at.m - posterior.reference
    r = J.T @ at.residual + posterior.weight * R @ departure
    step = np.linalg.solve(K, r)
    assert found.promised == pytest.approx(0.5 * r @ step, rel=1e-3)
    moved = narrow.problem.minimisation.energy.at(at.m - step)
    away = departure - step
    after = moved.value + 0.5 * posterior.weight * away @ R @ away
    assert found.energy - after == pytest.approx(found.promised, rel=0.3)


def test_nodal_values_have_none() -> None:
    """There is nothing else to reach; nor has a run that stops at its target looked for the minimum."""
    for overrides in (["unknowns.m.representation.kind=nodal"], ["regularisation.m.kind=h1"]):
        found = ended(on_square("sparse", *overrides))
        with found.problem:
            assert found.summary["verdict"]["nodal_step"] is None
