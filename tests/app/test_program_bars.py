"""What one run can show of the bars; `python -m benchmarks quickstart` measures all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from program import BY_DISCREPANCY, COARSE, QUICKSTART, Job, Run

Titled = Callable[[str], Run]


@pytest.mark.parametrize("title", ["quickstart on 1 rank", "quickstart on 2 ranks"])
def test_quickstart_stays_within_its_bars(titled: Titled, title: str) -> None:
    """By default: at the minimum of what the data chose, an error below 0.19 (0.26 by discrepancy) with at
    most 12 state solves, 100 right-hand sides one by one and a block of one a reading."""
    run = titled(title)
    summary = run.summary
    assert (summary["status"], summary["stop_reason"]) == ("converged", "minimum")
    assert summary["relative_error"] < 0.19
    assert summary["state_solves"] <= 12
    assert summary["linear_solves"] - summary["block_rhs"] <= 100
    assert 300 <= summary["block_rhs"] <= 600  # at most one look anew
    assert (run.folder / "choice.png").exists()
    chosen = [each for each in summary["candidates"] if each["chosen"]]
    assert len(summary["candidates"]) >= 5 and len(chosen) == 1


def test_quickstart_by_discrepancy_stays_within_its_bars(titled: Titled) -> None:
    """Misfit between 0.8 and 1.0 of the target with at most 12 state solves and 220 right-hand sides."""
    summary = titled("quickstart by discrepancy").summary
    assert 0.8 <= summary["misfit"] / summary["misfit_target"] <= 1.0
    assert summary["state_solves"] <= 12
    assert summary["linear_solves"] <= 220
    assert summary["relative_error"] <= 0.26


def test_nodal_representation_stays_within_its_bars(titled: Titled) -> None:
    """Discrepancy in at most 8 state solves and 90 right-hand sides, without a network."""
    summary = titled("nodal by discrepancy").summary
    assert summary["stop_reason"] == "discrepancy"
    assert summary["state_solves"] <= 8
    assert summary["linear_solves"] <= 90
    assert summary["widths"] == [] and summary["expansions"] == summary["inner_iterations"] == 0
    assert summary["parameters"] == summary["coefficient_dofs"]


def test_the_choice_serves_nodal_values_too(titled: Titled) -> None:
    """The same data choose the same R, and the error is below that by discrepancy."""
    nodal, network = titled("nodal").summary, titled("quickstart on 1 rank").summary
    assert nodal["stop_reason"] == "minimum" and nodal["state_solves"] <= 12
    assert nodal["relative_error"] < 0.9 * titled("nodal by discrepancy").summary["relative_error"]
    assert nodal["noise_level"] == network["noise_level"]


def test_given_weight_stays_within_its_bars(run_of: Callable[[Job], Run]) -> None:
    """With weight 1 and length scale sqrt(10): 8 state solves, 110 right-hand sides, 2 rejected trials."""
    scale = f"regularisation.m.length_scale={10**0.5}"
    run = run_of(Job(QUICKSTART, ("regularisation.m.weight=1", scale, "mesh.cells=[16, 16]")))
    summary = run.summary
    assert (run.code, summary["stop_reason"]) == (0, "discrepancy")
    assert 0.5 <= summary["misfit"] / summary["misfit_target"] <= 1.0
    assert summary["state_solves"] <= 8
    assert summary["linear_solves"] <= 110
    assert summary["rejected_trials"] <= 2
    assert summary["length_scale"] == pytest.approx(10**0.5)
    assert {row["weight"] for row in run.history[1:]} == {1.0}


def test_network_grows_from_four_neurons(titled: Titled) -> None:
    """The start has 4 neurons, and a layer of n of them on the plane 7n + 1 parameters: five inputs, a bias
    and an outgoing weight each."""
    run = titled("quickstart on 1 rank")
    assert run.history[0]["width"] == 4
    assert run.summary["expansions"] > 0 and run.history[-1]["width"] > 4
    for row in run.history:
        assert row["parameters"] == 7 * row["width"] + 1


def test_another_seed_gives_other_neurons(titled: Titled, run_of: Callable[[Job], Run]) -> None:
    """The candidates derive from the seed, and so does all that follows from them."""
    other = run_of(Job(QUICKSTART, (COARSE, BY_DISCREPANCY, "seed=1")))
    assert other.code == 0 and other.summary["seed"] == 1
    assert (
        other.summary["relative_error"] != titled("coarse by discrepancy on 1 rank").summary["relative_error"]
    )
