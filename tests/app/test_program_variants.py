"""What a case may ask for instead of the defaults, on small meshes: it runs, and does what it says."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from program import BY_DISCREPANCY, COARSE, QUICKSTART, Job, Run, run_here, settings

RunOf = Callable[[Job], Run]


def quickstart(*overrides: str) -> Job:
    """Quickstart on the coarse mesh with other settings."""
    return Job(QUICKSTART, (COARSE, *overrides))


REACH_THE_TARGET = {
    "edge-preserving regularisation": ["regularisation.m.kind=edge_preserving"],
    "sines": ["unknowns.m.representation.activation=sine"],
    "GELU, two hidden layers": [
        "unknowns.m.representation.activation=gelu",
        "unknowns.m.representation.hidden=[6, 4]",
    ],
    "iterative solver": ["equation.solver.kind=iterative"],
    "quadratic coefficient": ["unknowns.m.degree=2"],
    "bounded": ["unknowns.m.representation.transform={kind: bounded, low: -1.5, high: 1.6}"],
}


@pytest.mark.parametrize("title", REACH_THE_TARGET)
def test_variant_reaches_the_target(run_of: RunOf, title: str) -> None:
    """Each converges by discrepancy, to a coefficient that is nearer to the truth than m_ref by half."""
    run = run_of(quickstart(BY_DISCREPANCY, *REACH_THE_TARGET[title]))
    assert (run.code, run.summary["stop_reason"]) == (0, "discrepancy"), run.err
    assert run.summary["relative_error"] < 0.5  # m_ref = 0 has 1
    assert run.summary["candidates"] == [] and run.summary["cross_validation"] is None


REACH_THE_MINIMUM = {
    "weight of an edge-preserving regularisation": ["kind=edge_preserving", "weight=cross_validation"],
    "weight of a bilaplacian of a given length": [
        "kind=bilaplacian", "weight=cross_validation", "length_scale=0.2",
    ],
}  # fmt: skip
"""Of one kind only the weight is chosen."""


@pytest.mark.parametrize("title", REACH_THE_MINIMUM)
def test_weight_of_one_kind_is_chosen(run_of: RunOf, title: str) -> None:
    """Each converges at its minimum, with one candidate, the kind asked for."""
    asked = [f"regularisation.m.{each}" for each in REACH_THE_MINIMUM[title]]
    run = run_of(quickstart(*asked))
    assert (run.code, run.summary["stop_reason"]) == (0, "minimum"), run.err
    (only,) = run.summary["candidates"]
    assert only["chosen"] and f"kind={only['kind']}" in REACH_THE_MINIMUM[title]
    assert run.summary["relative_error"] < 0.5  # m_ref = 0 has 1


def test_an_explicit_metric_does_not_choose(run_of: RunOf) -> None:
    """inner_product l2 alone: H1 and the target, with nothing chosen."""
    run = run_of(quickstart("flow.inner_product=l2", "flow.max_iterations=2"))
    assert (run.code, run.err) == (3, "")
    assert run.summary["regularisation_kind"] == "h1" and run.summary["candidates"] == []


def test_bounded_coefficient_stays_within_its_bounds(run_of: RunOf) -> None:
    """The logistic transform keeps m strictly between low and high at every node."""
    m = run_of(quickstart(BY_DISCREPANCY, *REACH_THE_TARGET["bounded"])).field("m")
    assert -1.5 < m.min() < 0 < m.max() < 1.6


def test_edge_preserving_regularisation_is_another_one(run_of: RunOf, titled: Callable[[str], Run]) -> None:
    """The summary names it; it is H1 in the first iteration, where m is constant, and only there."""
    edge = run_of(quickstart(BY_DISCREPANCY, *REACH_THE_TARGET["edge-preserving regularisation"]))
    plain = titled("by discrepancy on 1 rank")
    assert (edge.summary["regularisation_kind"], plain.summary["regularisation_kind"]) == (
        "edge_preserving",
        "h1",
    )
    assert edge.history[1]["energy"] == pytest.approx(plain.history[1]["energy"], rel=1e-9)
    assert edge.history[2]["energy"] != pytest.approx(plain.history[2]["energy"], rel=1e-6)


STEPS = [
    ("plain", "h1"),
    ("plain", "l2"),
    ("plain", "gauss_newton"),
    ("retracted", "h1"),
    ("retracted", "prior"),
]


@pytest.mark.parametrize(("step", "product"), STEPS)
def test_other_steps_lower_the_energy_until_stopped(run_of: RunOf, step: str, product: str) -> None:
    """Two iterations are too few: exit code 3, max_iterations, results in full, a smaller misfit."""
    run = run_of(quickstart(f"flow.step={step}", f"flow.inner_product={product}", "flow.max_iterations=2",
                            "regularisation.m.weight=1"))  # fmt: skip
    assert (run.code, run.err) == (3, "")
    assert (run.summary["status"], run.summary["stop_reason"]) == ("stopped", "max_iterations")
    assert run.summary["outer_iterations"] == 2
    energies = [row["energy"] for row in run.history[1:]]
    assert energies[1] < energies[0] < run.history[0]["misfit"]
    assert (run.folder / "coefficient.png").exists() and len(run.field("m"))


def test_given_weight_and_length_are_kept(run_of: RunOf) -> None:
    """The weight is the given one in every iteration, and the length scale that of the summary."""
    scale = f"regularisation.m.length_scale={10**0.5}"
    run = run_of(quickstart("regularisation.m.weight=1", scale))
    assert (run.code, run.summary["stop_reason"]) == (0, "discrepancy")
    assert run.summary["length_scale"] == pytest.approx(10**0.5)
    assert {row["weight"] for row in run.history[1:]} == {1.0}


def test_nodal_values_have_no_network(titled: Callable[[str], Run]) -> None:
    """Nothing grows and nothing is fitted; the parameters are the coefficient's dofs."""
    for title in ("nodal", "nodal by discrepancy"):
        summary = titled(title).summary
        assert summary["widths"] == [] and summary["expansions"] == summary["inner_iterations"] == 0
        assert summary["parameters"] == summary["coefficient_dofs"]


def test_the_choice_serves_nodal_values_too(titled: Callable[[str], Run]) -> None:
    """It finds the same noise, which is found before anything is represented; the error is below that by
    discrepancy."""
    nodal, network = titled("nodal").summary, titled("chosen on 1 rank").summary
    assert nodal["relative_error"] < titled("nodal by discrepancy").summary["relative_error"]
    assert nodal["noise_level"] == network["noise_level"]


def test_network_grows_from_four_neurons(titled: Callable[[str], Run]) -> None:
    """The start has 4 neurons, and a layer of n of them on the plane 7n + 1 parameters: five inputs, a bias
    and an outgoing weight each."""
    run = titled("chosen on 1 rank")
    assert run.history[0]["width"] == 4
    assert run.summary["expansions"] > 0 and run.history[-1]["width"] > 4
    for row in run.history:
        assert row["parameters"] == 7 * row["width"] + 1


def test_another_seed_gives_other_neurons(titled: Callable[[str], Run], run_of: RunOf) -> None:
    """The candidates derive from the seed, and so does all that follows from them."""
    other, first = run_of(quickstart(BY_DISCREPANCY, "seed=1")), titled("by discrepancy on 1 rank")
    assert other.code == 0 and other.summary["seed"] == 1
    assert other.summary["relative_error"] != first.summary["relative_error"]


def test_network_that_may_not_grow_keeps_its_width(run_of: RunOf) -> None:
    """strategy none: the widths of the start are those of the end."""
    run = run_of(
        quickstart(BY_DISCREPANCY, "expansion.strategy=none", "unknowns.m.representation.hidden=[20]")
    )
    assert {row["width"] for row in run.history} == {20}
    assert run.summary["expansions"] == 0


def test_state_may_be_driven_by_its_boundary_alone(run_of: RunOf) -> None:
    """A source of 0 and a flux of 0 (the default) are conditions like any other."""
    sides = (
        "{slope: {on: [left, right], kind: dirichlet, value: x}, closed: {on: [bottom, top], kind: neumann}}"
    )
    run = run_of(quickstart('equation.source="0"', f"equation.boundary={sides}", "flow.max_iterations=1"))
    assert run.code == 3, run.err
    # At most the boundary's own values, by the maximum principle; P2 may overshoot a little.
    state = run.field("state")
    assert state.min() > -0.1 and state.max() < 1.1


def test_without_a_truth_no_error_is_told(run_of: RunOf) -> None:
    """relative_error is null and an empty column; the fields have neither truth nor error."""
    run = run_of(quickstart("unknowns.m.truth=null", "flow.max_iterations=1"))
    assert run.summary["relative_error"] is None
    assert all(math.isnan(row["relative_error"]) for row in run.history)
    assert {"m", "exp_m", "state"} <= set(run.grid.point_data.keys())
    assert not {"truth", "error"} & set(run.grid.point_data.keys())


@pytest.mark.parametrize(
    ("mesh", "dimension"),
    [("{kind: box, cells: [6, 6, 6]}", 3), ("{kind: interval, cells: 40}", 1)],
)
def test_other_dimensions_run(
    blob: Callable[[str, int], Path], tmp_path: Path, mesh: str, dimension: int
) -> None:
    """A box and an interval go the same way, with the same files; exit code and status agree."""
    run = run_here(blob(mesh, dimension), out=tmp_path / "results", pictures=True)
    codes = {"converged": 0, "stopped": 3}
    assert run.code == codes[run.summary["status"]] and run.err == ""
    assert run.history[-1]["misfit"] < run.history[0]["misfit"]
    nodes = np.asarray(run.grid.points)
    assert (np.ptp(nodes, axis=0) > 0).tolist() == [axis < dimension for axis in range(3)]
    assert np.abs(run.field("exp_m") / np.exp(run.field("m")) - 1).max() < 1e-12
    assert (run.folder / "coefficient.png").exists()


@pytest.fixture(scope="session")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quickstart's readings without the column sigma."""
    path = tmp_path_factory.mktemp("data") / "unsure.csv"
    with (QUICKSTART.parent / "data" / "quickstart.csv").open(newline="") as file:
        rows = [row[:3] for row in csv.reader(file)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_unknown_noise_with_a_given_weight_runs_until_it_stalls(run_of: RunOf, unsure: Path) -> None:
    """Without sigma there is no target, and a stall is convergence: exit code 0."""
    # The residual is not divided by sigma = 0.0057, so weight 1 of the bars becomes sigma squared.
    run = run_of(quickstart(f"observations.heads.file={unsure}", "regularisation.m.weight=3e-5"))
    assert run.code == 0, run.out + run.err
    assert (run.summary["status"], run.summary["stop_reason"]) == ("converged", "stalled")
    assert run.summary["misfit_target"] is None and run.summary["noise_level"] is None
    assert run.summary["relative_error"] < 0.5  # m_ref = 0 has 1


def test_unknown_noise_is_found_by_the_choice(
    run_of: RunOf, titled: Callable[[str], Run], unsure: Path
) -> None:
    """Without sigma the defaults converge, find the noise to 15 % (its 300 readings say it to 4 %, the mesh
    adds to it) and the coefficient as well as with sigma, within a tenth of its norm."""
    run = run_of(quickstart(f"observations.heads.file={unsure}"))
    known = titled("chosen on 1 rank").summary
    assert run.code == 0, run.out + run.err
    assert (run.summary["status"], run.summary["stop_reason"]) == ("converged", "minimum")
    assert run.summary["misfit_target"] is None
    assert run.summary["noise_level"] == pytest.approx(known["noise_level"], rel=0.15)
    assert run.summary["chi2"] == pytest.approx(1.0, abs=0.3)
    assert run.summary["relative_error"] < known["relative_error"] + 0.1
    assert len(run.summary["candidates"]) == len(known["candidates"])


def test_noise_may_be_relative(run_of: RunOf, unsure: Path) -> None:
    """Noise in proportion to the reading is another assumption, which the choice takes as it comes."""
    run = run_of(quickstart(f"observations.heads.file={unsure}", "observations.heads.noise=relative"))
    assert run.code == 0, run.out + run.err
    assert run.summary["status"] == "converged" and run.summary["noise_level"] > 0
    assert run.summary["relative_error"] < 0.7  # m_ref = 0 has 1; the assumption is wrong here


def test_unknown_noise_with_weight_by_discrepancy_is_bad_input(unsure: Path, tmp_path: Path) -> None:
    """The discrepancy principle needs the noise: exit code 2, naming the key."""
    words = settings(COARSE, BY_DISCREPANCY, f"observations.heads.file={unsure}")
    run = run_here(QUICKSTART, *words, out=tmp_path / "results")
    assert run.code == 2 and run.out.count("\n") == 1  # what was to be done
    assert len(run.err.splitlines()) == 1
    assert "regularisation.m.weight" in run.err and "sigma" in run.err and "cross_validation" in run.err
    assert not run.folder.exists()
