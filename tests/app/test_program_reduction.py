"""A parametric family of states in one network, beside proper orthogonal decomposition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from program import Run, run_here, same

from app.case import InputError, effective_yaml, load_case
from app.problem import check

CASE = """\
mesh: {kind: interval, cells: 30}
energy:
  kind: reduction
  parameters: {mu: {low: 0.3, high: 0.7, points: 6}}
  coefficients:
    load: {role: source, value: "10*exp(-((x - mu)/.2)**2)"}
  unseen: 10
  modes: [1, 3, 20]
equation:
  kind: diffusion
  boundary: {ends: {on: all, kind: dirichlet, value: 0}}
flow: {tolerance: 1.e-2}
"""

RunOnRanks = Callable[..., Run]

EARLY = 1e-5
"""As of regression."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, run_on_ranks: RunOnRanks) -> dict[int, Run]:
    """The case on 1 and 3 ranks."""
    folder = tmp_path_factory.mktemp("reduction")
    path = folder / "load.yaml"
    path.write_text(CASE)
    runs = {1: run_here, 3: run_on_ranks}
    return {ranks: run(path, out=folder / f"results{ranks}") for ranks, run in runs.items()}


@pytest.mark.parametrize("ranks", [1, 3])
def test_network_holds_the_family_at_unseen_parameters_too(runs: dict[int, Run], ranks: int) -> None:
    """With the tolerance in H1 at the states it has learnt from, twice that at others is little to ask."""
    run = runs[ranks]
    assert run.code == 0, run.err
    found = run.summary["reduction"]
    assert run.summary["distance"] <= 1e-2
    assert found["unseen_error"] <= 2e-2 and found["unseen_error_h1"] <= 2e-2
    assert found["stored_numbers"] == run.summary["parameters"]
    assert run.summary["state_solves"] == run.summary["linear_solves"] == 6


@pytest.mark.parametrize("ranks", [1, 3])
def test_more_modes_are_better_and_store_more(runs: dict[int, Run], ranks: int) -> None:
    """Six snapshots have six modes at most, whatever is asked for."""
    pod = runs[ranks].summary["reduction"]["pod"]
    assert list(pod) == ["1", "3", "6"]
    for norm in ("unseen_error", "unseen_error_h1"):
        errors = [one[norm] for one in pod.values()]
        assert errors == sorted(errors, reverse=True) and errors[0] < 1
    assert [one["stored_numbers"] for one in pod.values()] == [31, 93, 186]


def test_nothing_depends_on_the_ranks(runs: dict[int, Run]) -> None:
    for left, right in zip(runs[1].history[:4], runs[3].history[:4], strict=False):
        for column in left.keys() - {"seconds"}:
            assert same(left[column], right[column], EARLY), (left["iteration"], column)
    first, other = (runs[ranks].summary["reduction"] for ranks in (1, 3))
    assert first["shown"] == other["shown"]
    np.testing.assert_allclose(first["singular_values"][:4], other["singular_values"][:4], rtol=1e-6)
    for count in ("1", "3"):
        assert first["pod"][count] == pytest.approx(other["pod"][count], rel=1e-6)


def test_fields_and_a_picture_are_written(runs: dict[int, Run]) -> None:
    """Of three unseen parameters the truth, the network and the difference."""
    run = runs[3]
    for number in (1, 2, 3):
        truth, network, error = (run.field(f"{name}_{number}") for name in ("truth", "network", "error"))
        np.testing.assert_allclose(network - truth, error, atol=1e-12)
        assert 0 < np.abs(error).max() < 0.1 * np.abs(truth).max()
    assert (run.folder / "reduction.png").exists()
    assert "POD, 3 modes" in run.out and "reduction.png" in run.out


VALUE = '"10*exp(-((x - mu)/.2)**2)"'

BAD = {
    "unknown name": (
        (VALUE, '"nu*x"'),
        "energy.coefficients.load.value: found unknown name 'nu' at column 1 of 'nu*x', expected one of "
        "x, y, z, mu, pi, e",
    ),
    "coordinate": ((VALUE, '"mu*y"'), "energy.coefficients.load.value: found y in 'mu*y', expected x"),
    "taken name": (("{mu:", "{sin:"), (VALUE, "x"), "energy.parameters.sin: found the name 'sin'"),
    "order": (("low: 0.3", "low: 3"), "energy.parameters.mu.low: found low 3.0 and high 0.7, expected low <"),
    "too many": (("points: 6", "points: 20000"), "energy.parameters: found 20000 combinations"),
    "role": (
        ("role: source", "role: reaction"),
        "energy.coefficients.load.role: found reaction, expected one of",
    ),
    "given too": (
        ("kind: diffusion", "kind: diffusion\n  source: 1"),
        "equation.source: found the term source",
    ),
    "infinite": (
        (VALUE, '"1/(x - x)"'),
        "energy.coefficients.load.value: found values that are not finite at mu =",
    ),
    "no state": (
        (f"source, value: {VALUE}", 'log_diffusivity, value: "1e4*mu"'),
        "equation.source: found nothing",
    ),
    "singular": (
        ("kind: diffusion", "kind: diffusion\n  source: 1"),
        ("role: source", "role: diffusivity"),
        (VALUE, "0*mu"),
        "equation: found no solution at mu = 0.314",
    ),
    "zero": ((VALUE, "0*mu"), "equation: found states of norm 0"),
    "nodal": (
        ("flow:", "unknowns: {u: {representation: {kind: nodal}}}\nflow:"),
        "unknowns.u: found the representation nodal",
    ),
    "vector": (("kind: diffusion", "kind: elasticity"), "equation.kind: found 'elasticity', expected one of"),
    "bounds": (
        ("flow:", "unknowns: {u: {representation: {transform: {kind: bounded, low: 1, high: 2}}}}\nflow:"),
        "unknowns.u.representation.transform: found a reference of 0",
    ),
}


@pytest.mark.parametrize("title", BAD)
def test_bad_input_is_one_message(title: str, tmp_path: Path) -> None:
    """Before anything is written: what `--check` goes through."""
    *changes, says = BAD[title]
    text = CASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "load.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        check(load_case(tmp_path / "load.yaml"), MPI.COMM_SELF)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{tmp_path}/load.yaml:") and says in problem


def test_the_effective_case_is_the_case(tmp_path: Path) -> None:
    """Its YAML, in which all defaults are written, loads to the same."""
    first, second = tmp_path / "load.yaml", tmp_path / "effective.yaml"
    first.write_text(CASE)
    case = load_case(first)
    second.write_text(effective_yaml(case, tmp_path))
    assert load_case(second) == case
    assert case.energy.coefficients["load"].value.variables == {"x", "mu"}
