"""Approximation of functions, which no equation and no observations are needed for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from program import Run, run_here, same

from app.case import InputError, load_case
from app.problem import check

CASE = """\
mesh: {kind: rectangle, cells: [12, 12]}
energy:
  kind: regression
  function: "sin(2*pi*x)*cos(pi*y)"
"""

RunOnRanks = Callable[..., Run]

EARLY = 1e-5
"""Relative difference of the first three iterations that is allowed between numbers of ranks: each takes up
to a hundred inner steps, through which rounding grows."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, run_on_ranks: RunOnRanks) -> dict[int, Run]:
    """The case on 1 and 3 ranks."""
    folder = tmp_path_factory.mktemp("regression")
    path = folder / "wave.yaml"
    path.write_text(CASE)
    runs = {1: run_here, 3: run_on_ranks}
    return {ranks: run(path, out=folder / f"results{ranks}") for ranks, run in runs.items()}


@pytest.mark.parametrize("ranks", [1, 3])
def test_network_grows_from_one_neuron_to_the_tolerance(runs: dict[int, Run], ranks: int) -> None:
    run = runs[ranks]
    assert run.code == 0, run.err
    assert run.history[0]["width"] == 1 and run.history[-1]["width"] > 1
    assert run.summary["stop_reason"] == "tolerance" and run.summary["distance"] <= 1e-3
    assert run.summary["linear_solves"] == run.summary["state_solves"] == 0


def test_history_does_not_depend_on_the_ranks(runs: dict[int, Run]) -> None:
    for left, right in zip(runs[1].history[:4], runs[3].history[:4], strict=True):
        for column in left.keys() - {"seconds"}:
            assert same(left[column], right[column], EARLY), (left["iteration"], column)


def test_fields_are_written(runs: dict[int, Run]) -> None:
    """The function, what it is approximated by, and the difference."""
    run = runs[3]
    m, function, error = (run.field(name) for name in ("m", "function", "error"))
    np.testing.assert_allclose(m - function, error, atol=1e-12)
    assert 0 < np.abs(error).max() < 0.02 < np.abs(function).max()
    assert (run.folder / "coefficient.png").exists()


BAD = {
    "kind": (("kind: regression", "kind: regresion"), "energy.kind: found 'regresion', expected one of"),
    "nothing to fit": (('  function: "sin(2*pi*x)*cos(pi*y)"\n', ""), "energy.function: found nothing"),
    "equation": (("energy:", "equation: {kind: diffusion}\nenergy:"), "found unknown key 'equation'"),
    "weight": (
        ("energy:", "energy:\n  weight: 'x - 2'"),
        "energy.weight: found values that are not positive",
    ),
    "zero": (('"sin(2*pi*x)*cos(pi*y)"', "0"), "energy.function: found a function of norm 0"),
    "infinite": (
        ('"sin(2*pi*x)*cos(pi*y)"', "1/(x - x)"),
        "energy.function: found values that are not finite",
    ),
    "coordinate": (('"sin(2*pi*x)*cos(pi*y)"', "z"), "energy.function: found z"),
    "both": (
        ("mesh:", "observations: {h: {kind: points, file: h.csv}}\nmesh:"),
        "energy.function: found a function beside observations, expected one of the two",
    ),
    "no kind": (("  kind: regression\n", ""), "energy.kind: found nothing, expected one of inverse"),
    "two functions": (
        ("mesh:", "unknowns: {a: {}, b: {}}\nmesh:"),
        "unknowns: found a mapping of a, b, expected a mapping with one entry",
    ),
    "depth": (("mesh:", "expansion: {depth: deep}\nmesh:"), "found 'deep', expected true or false"),
    "electrodes": (
        ("kind: rectangle, cells: [12, 12]", "kind: electrodes"),
        "mesh.kind: found a mesh through electrodes without readings",
    ),
}


@pytest.mark.parametrize("title", BAD)
def test_bad_input_is_one_message(title: str, tmp_path: Path) -> None:
    """Before anything is written: what `--check` goes through."""
    (old, new), says = BAD[title]
    assert old in CASE
    (tmp_path / "wave.yaml").write_text(CASE.replace(old, new))
    (tmp_path / "h.csv").write_text("x, y, value\n0.5, 0.5, 1\n")
    with pytest.raises(InputError) as refused:
        check(load_case(tmp_path / "wave.yaml"), MPI.COMM_SELF)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{tmp_path}/wave.yaml:") and says in problem


@pytest.mark.parametrize("energy", ["[regression]", "regression", "null"])
def test_energy_is_a_mapping(energy: str, tmp_path: Path) -> None:
    (tmp_path / "wave.yaml").write_text(f"mesh: {{kind: interval, cells: 4}}\nenergy: {energy}\n")
    with pytest.raises(InputError) as refused:
        load_case(tmp_path / "wave.yaml")
    (problem,) = refused.value.problems
    assert problem.startswith(f"{tmp_path}/wave.yaml:2: energy: found ")
    assert "expected a mapping whose kind is one of inverse, regression, ritz" in problem


def test_experiments_need_no_equation(tmp_path: Path) -> None:
    """As scattered values in one table need none."""
    (tmp_path / "h.csv").write_text("x, value\n0.5, 1\n")
    (tmp_path / "wave.yaml").write_text(
        "mesh: {kind: interval, cells: 4}\nenergy: {kind: regression}\n"
        "experiments: {a: {observations: {h: {kind: points, file: h.csv}}}}\n"
    )
    check(load_case(tmp_path / "wave.yaml"), MPI.COMM_SELF)
