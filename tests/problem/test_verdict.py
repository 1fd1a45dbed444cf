"""The verdict on a fit: as good as the noise allows, worse, or better than it can be, and what would help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fits import fit, noise

from app.cli.exits import of_run
from app.output import Series, bulk_deviation
from app.output.verdict import verdict_lines
from app.problem.fit.goodness import Goodness
from app.problem.fit.residuals import neighbours_alike, outliers
from app.problem.fit.verdict import verdict

COUNT, FREEDOM = 80, 20.0


def judged(residual: np.ndarray, **changes: Any) -> Goodness:
    """Eighty readings and a coefficient that takes twenty degrees of freedom, with noise as stated."""
    own = changes.pop("fit", None) or fit(residual)
    squares = float(residual @ residual)
    ordinary: dict[str, Any] = {
        "fit": own, "squares": squares, "count": float(len(residual)), "freedom": FREEDOM, "known": True
    }  # fmt: skip
    return Goodness(**(ordinary | changes))


def told(residual: np.ndarray, **changes: Any) -> dict[str, Any]:
    return verdict(judged(residual, **changes))


TABLE = {
    22.0: ("worse", 3, "expected at most 1.89"),
    3.0: ("worse", 3, "expected at most 1.89"),
    1.3: ("good", 0, "as good as the noise allows"),
    1.0: ("good", 0, "as good as the noise allows"),
    0.75: ("good", 0, "as good as the noise allows"),
    0.125: ("too_good", 0, "sigma is too large by a factor of 2.45; a sigma of 0.0408 in place of 0.1"),
    2e-5: ("too_good", 0, "sigma is too large by a factor of 194"),
}
"""chi² a reading: what the verdict is, the exit code, and what is said."""


@pytest.mark.parametrize("chi2", TABLE)
def test_chi2_decides(chi2: float) -> None:
    """Beyond what the stated noise explains the run ends with exit code 3; the sentence tells the numbers."""
    kind, code, says = TABLE[chi2]
    found = told(np.sqrt(chi2) * noise(COUNT))
    assert found["kind"] == kind and found["chi2"] == pytest.approx(chi2)
    assert says in found["sentence"] and f"chi² is {chi2:.3g} a reading (80 readings, 20" in found["sentence"]
    assert of_run({"status": "converged", "verdict": found}) == code
    assert verdict_lines({"verdict": found})[0] == f"verdict: {found['sentence']}"


def test_sigma_as_it_is_is_hardly_ever_called_wrong() -> None:
    """Of 300 fits with noise and prior as stated, residuals of variance (n − p)/n, none is."""
    rng = np.random.default_rng(2)  # any seed
    share = 1 - FREEDOM / COUNT
    kinds = {judged(np.sqrt(share) * rng.standard_normal(COUNT)).kind for _ in range(300)}
    assert kinds == {"good"}


@pytest.mark.parametrize("factor", [0.2, 0.5, 2.0, 5.0])
def test_the_sigma_that_would_fit_is_told(factor: float) -> None:
    """Within what 60 free readings say of it."""
    rng = np.random.default_rng(3)  # any seed
    residual = np.sqrt(1 - FREEDOM / COUNT) * factor * rng.standard_normal(COUNT)
    found = told(residual)
    assert found["sigma_factor"] == pytest.approx(factor, rel=0.3)
    assert found["kind"] == ("worse" if factor > 1 else "too_good")


def test_a_guess_and_a_run_that_is_not_over_do_not_fail() -> None:
    """It is told all the same; a run that stopped by itself keeps its code, and other energies have none."""
    guess = told(5 * noise(COUNT), guess=True)
    assert guess["kind"] == "worse" and "which is a guess" in guess["sentence"]
    assert of_run({"status": "converged", "verdict": guess}) == 0
    assert of_run({"status": "stopped", "verdict": guess}) == 3
    over = told(5 * noise(COUNT), unfinished=True)
    assert over["kind"] == "unfinished" and of_run({"status": "interrupted", "verdict": over}) == 130
    assert of_run({"status": "converged"}) == 0 and verdict_lines({}) == []


def test_a_coefficient_that_follows_the_noise_is_not_called_good() -> None:
    """With as many degrees of freedom as readings no residual tells anything but a large one."""
    for freedom in (79.9, 500.0):
        found = told(0.01 * noise(COUNT), freedom=freedom)
        assert found["kind"] == "too_good" and "follows their noise" in found["sentence"]
        assert found["least"] == 0.0
        assert told(5 * noise(COUNT), freedom=freedom)["kind"] == "worse"


def test_noise_that_was_found_stands_beside_the_range_of_the_readings() -> None:
    """Of each observation; nothing is called good or bad."""
    found = told(noise(COUNT), known=False)
    assert found["kind"] == "noise_found" and found["most"] is None and found["sigma_factor"] is None
    assert "0.1, 5 % of the range of the readings of heads, from 1." in found["sentence"]
    logarithms = fit(noise(COUNT), logarithmic=np.ones(COUNT, dtype=bool))
    assert "10 % of each reading of heads" in told(noise(COUNT), known=False, fit=logarithms)["sentence"]


def test_few_outliers_are_named_and_huber_is_advised() -> None:
    """First among the advice, with the worst reading first; not where Huber's loss counts them little
    already, nor of noise that is larger as a whole."""
    residual = noise(COUNT)
    residual[[7, 30]] = [40.0, -25.0]
    found = told(residual)
    assert found["kind"] == "worse" and found["advice"][0].startswith("misfit: huber in the observation")
    assert [each["line"] for each in found["worst"][:2]] == [9, 32] and len(found["worst"]) == 10
    assert found["worst"][0]["residual"] == 40.0 and found["worst"][0]["place"].startswith("(0.")
    robust = told(residual, robust=True)
    assert robust["kind"] == "good" and len(robust["worst"]) == 2
    assert robust["advice"] == ["2 readings lie far off, and count little by Huber's loss"]
    assert not any("huber" in each for each in told(5 * noise(COUNT))["advice"])


def test_one_contradictory_reading_is_named_though_the_fit_is_good() -> None:
    """With noise stated or found: it is what makes a network grow."""
    residual = 0.85 * noise(COUNT)
    residual[3] = 6.0
    for known in (True, False):
        found = told(residual, known=known)
        assert found["kind"] in ("good", "noise_found") and [each["line"] for each in found["worst"]] == [5]
        assert found["advice"][0].startswith("1 reading lies far off: misfit: huber")


def test_residuals_that_are_alike_ask_for_another_unknown() -> None:
    """A smooth error beside the noise; independent errors do not, nor do readings of several times that are
    alike at each by accident only."""
    points = np.random.default_rng(4).uniform(size=(COUNT, 2))
    smooth = 4 * np.sin(2 * np.pi * points[:, 0]) + 0.5 * noise(COUNT)
    own = fit(smooth, points=points)
    assert (neighbours_alike(own) or 0) > 0.5
    assert any("another unknown" in each for each in told(smooth, fit=own)["advice"])
    assert neighbours_alike(fit(noise(COUNT), points=points)) is None
    assert neighbours_alike(fit(noise(COUNT), points=points, times=np.arange(COUNT) % 2.0)) is None
    assert neighbours_alike(fit(noise(2), points=np.full((2, 2), np.nan), parts=("a", "b"))) is None


def test_a_mesh_that_moves_the_readings_is_told() -> None:
    """Where the last refinement moved them; of one mesh, how to know."""
    moved = told(3 * noise(COUNT), moved=2.0)["advice"]
    assert moved[0].startswith("a finer mesh: ") and not any("levels" in each for each in moved)
    assert any(each.startswith("levels: 2") for each in told(3 * noise(COUNT))["advice"])
    assert any(each.startswith("a larger sigma") for each in moved)


def test_over_fitting_is_told_beside_sigma() -> None:
    """Where more than half of the readings are taken as degrees of freedom."""
    residual = 0.1 * noise(COUNT)
    assert "follows the noise" in told(residual, freedom=50.0)["sentence"]
    assert "follows the noise" not in told(residual)["sentence"]


def test_where_the_freedom_is_not_known_nothing_is_too_good() -> None:
    found = told(0.01 * noise(COUNT), freedom=None)
    assert found["kind"] == "good" and found["least"] == 0.0


def test_a_target_of_the_case_is_allowed() -> None:
    """Who stops at twice the noise has asked for four times its square."""
    assert told(2 * noise(COUNT), allowed=4.0)["kind"] == "good"


def test_several_observations_have_a_sigma_each() -> None:
    """By their names, those of experiments with both."""
    series = (Series("north", "heads", "a.csv"), Series("south", "heads", "b.csv"))
    residual = np.r_[0.9 * noise(COUNT // 2), 6 * noise(COUNT // 2)]
    found = told(residual, fit=fit(residual, series=series, of=np.repeat([0, 1], COUNT // 2)))
    assert [each["observation"] for each in found["noise"]] == ["north: heads", "south: heads"]
    assert [each["chi2"] for each in found["noise"]] == pytest.approx([0.81, 36.0])
    assert "of south: heads (chi² 36): the other observations fit" in found["advice"][0]
    fitting = "0.104 in place of 0.1 of north: heads, 0.693 in place of 0.1 of south: heads"
    assert fitting in found["advice"][-1]


def test_the_bulk_does_not_see_outliers() -> None:
    """Its deviation is that of N(0, 1) without them; many outliers are none."""
    residual = noise(400)
    assert bulk_deviation(residual) == pytest.approx(1.0, abs=0.15) and not len(outliers(residual))
    residual[:20] = 100.0
    assert bulk_deviation(residual) == pytest.approx(1.05, abs=0.2) and len(outliers(residual)) == 20
    residual[:200] = 100.0
    assert not len(outliers(residual))
