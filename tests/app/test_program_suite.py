"""The shipped cases: each describes a problem and nothing else, and its data are what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from program import ROOT
from ruamel.yaml import YAML

from app.case import Case, load_case
from app.data import PointData, read_parts, read_points

CASES = {
    path.stem: path
    for path in sorted((ROOT / "cases").glob("*.yaml"))
    if path.stem != "trunk" and "observations:" in path.read_text()
}
"""All that have observations but the electrical one, which has test_program_trunk.py."""

NOISE = {
    "quickstart": (300, 0.01),
    "lshape": (120, 0.01),
    "aquifer": (80, 0.005),
    "inclusions": (300, 0.01),
    "sparse": (50, 0.01),
    "noisy": (300, 0.05),
    "precise": (1000, 0.001),
    "channels": (400, 0.01),
    "cube": (500, 0.01),
    "anisotropic": (300, 0.01),
    "reaction": (300, 0.01),
    "advection": (300, 0.01),
    "nonlinear": (300, 0.01),
    "power_law": (300, 0.01),
    "sources": (300, 0.01),
    "boundary_flux": (200, 0.01),
    "cubic": (300, 0.01),
    "outliers": (300, 0.01),
    "averages": (150, 0.01),
    "partial": (300, 0.001),
    "calderon": (32, 0.001),
    "known_part": (150, 0.01),
    "elastic": (200, 0.01),
    "helmholtz": (100, 0.01),
    "two_unknowns": (200, 0.01),
    "wells": (24, 0.01),
    "scattered": (500, 0.05),
    "heat_pinnacle": (2500, 0.1),
    "cooling": (300, 0.01),
    "subsurface": (50, 0.01),
    "stiff": (200, 0.01),
    "scatterer": (100, 0.01),
    "hot_region": (200, 0.01),
    "fault": (300, 0.01),
    "polygons": (300, 0.01),
    "mixed": (300, 0.01),
    "hippylib_poisson": (129 * 129, 0.05),  # the nodes of quadratic elements
    "peer64": (65 * 65, 0.01),  # the nodes of linear elements
}
"""Readings of a case, of each experiment and component of its state, and their noise as a share of the
largest state (of `wells` and of fluxes, reading), as its file's head states them."""

COMPONENTS = {
    "elastic": ("x", "y"),
    "helmholtz": ("real", "imaginary"),
    "stiff": ("x", "y"),
    "scatterer": ("real", "imaginary"),
}
"""Of the states that have several, which are all read."""

EXPERIMENTS = {
    "helmholtz": ("left_low", "left_high", "below_low", "below_high"),
    "scatterer": ("left", "below"),
    "two_unknowns": ("everywhere", "alternating"),
    "wells": ("north", "west", "centre", "east", "south"),
}
"""Of the cases that have several."""

TERMS = {
    "diffusivity",
    "anisotropy",
    "reaction",
    "velocity",
    "exponent",
    "file",
    "linear",
    "symmetric",
    "data",
    "body_force",
    "poissons_ratio",
    "frequency",
    "capacity",
    "initial",
    "time",
    "scheme",
    "wells",
}
"""Keys of an equation that say what is in it."""

PROBLEM = {
    "equation": {"kind", "source", "degree", "boundary"} | TERMS,
    "m": {"label", "unit", "role", "on", "known", "reference", "truth"},
    "prior": {"kind", "gamma", "delta", "anisotropy", "mean"},
    "heads": {"kind", "file", "component", "misfit", "radius"},
}
"""Keys that describe a problem; all others say how it is solved."""

every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def make_data() -> ModuleType:
    """cases/make_data.py."""
    sys.path.insert(0, str(ROOT / "cases"))
    import make_data

    return make_data


def readings(case: Case) -> list[PointData]:
    """The readings of each of the observations of a case or experiment."""
    dimension = case.mesh.dimension or 2
    return [
        (read_parts if o.kind == "fluxes" else read_points)(case.resolve(o.file), dimension)
        for o in case.observations.values()
    ]


def test_suite_is_complete() -> None:
    """No case file without a line in the table, and none missing."""
    assert CASES.keys() == NOISE.keys()


@every_case
def test_case_is_valid_and_has_its_name(name: str) -> None:
    """It validates, its data are of its name, its truth is known; a comment at its head says what it is."""
    case = load_case(CASES[name])
    assert case.name == name
    assert tuple(case.experiments) == EXPERIMENTS.get(name, ())
    for experiment, part in case.parts.items():
        said = [(observation.component, observation.file) for observation in part.observations.values()]
        stem = f"{name}_{experiment}" if experiment else name
        whole = [(None, Path(f"data/{stem}.csv"))]
        assert said == ([(c, Path(f"data/{stem}_{c}.csv")) for c in COMPONENTS.get(name, ())] or whole)
    assert all(unknown.truth is not None for unknown in case.unknowns.values())
    assert CASES[name].read_text().startswith("# ")


@every_case
def test_case_describes_the_problem_only(name: str) -> None:
    """No flow, expansion, seed, representation or solver: one default serves all; of the regularisation no
    more than a prior that is known."""
    said = YAML(typ="safe").load(CASES[name])
    experiments = said.pop("experiments", {"": {"observations": said.get("observations")}})
    physics = "energy" if "energy" in said else "equation"
    assert {"name", "mesh", physics, "unknowns"} <= set(said)
    prior = said.pop("regularisation", {})
    assert set(said) <= {"name", "mesh", physics, "unknowns", "observations", "output"}
    for part in prior.values():
        assert part["kind"] == "matern" and set(part) <= PROBLEM["prior"]
    for unknown in said["unknowns"].values():
        assert set(unknown) <= PROBLEM["m"]
    for experiment in experiments.values():
        assert set(said.get("equation", {}) | experiment.get("equation", {})) <= PROBLEM["equation"]
        for observation in experiment["observations"].values():
            assert set(observation) <= PROBLEM["heads"]


@every_case
def test_data_have_the_stated_readings_and_noise(
    name: str, make_data: ModuleType, request: pytest.FixtureRequest
) -> None:
    """As many readings as stated, sigma the stated share of the largest state at the truth."""
    case, (count, noise) = load_case(CASES[name]), NOISE[name]
    if case.mesh.kind == "file":
        request.getfixturevalue("gmsh")
    experiment = next(iter(case.parts.values()))
    data = readings(experiment)[0]
    for part in (each for own in case.parts.values() for each in readings(own)):
        assert len(part.values) == count
        assert part.sigma is not None and (part.sigma == part.sigma[0]).all()
    assert all(np.array_equal(part.points, data.points, equal_nan=True) for part in readings(experiment))
    made = make_data.CASES.get(name)
    assert made is None or made.noise == noise
    # The inversion's mesh gives the finer one's largest state but for 0.6 % (in the cube 2.6 %).
    own = make_data.Discretisation(cells=getattr(case.mesh, "cells", None), higher=0)
    places = data.points[:1] if data.names is None else np.array(data.names)
    at_wells = made is not None and made.of == "readings"
    exact, largest = make_data.solve_finely(experiment, data.points if at_wells else places, own)
    largest = np.abs(exact).max() if at_wells else largest
    assert data.sigma[0] == pytest.approx(noise * largest, rel=0.03)


@pytest.mark.parametrize("name", ["cooling", "heat_pinnacle"])
def test_times_are_spread_over_the_whole(name: str) -> None:
    """Each reading has one of its own, from 0 to the end."""
    case = load_case(CASES[name])
    (observation,) = case.observations.values()
    times = read_points(case.resolve(observation.file), 2, in_time=True).times
    counts, _ = np.histogram(times, 10, (0, case.equation.time.end))
    assert counts.sum() == NOISE[name][0] and counts.min() > 0.06 * counts.sum()


@pytest.mark.parametrize("name", ["hippylib_poisson", "peer64"])
def test_full_state_is_read_at_every_node(name: str) -> None:
    """The points are the grid of the state's nodes, each of them once."""
    case = load_case(CASES[name])
    per_side = 64 * case.equation.degree
    index = readings(case)[0].points * per_side
    assert np.array_equal(index, np.rint(index))
    assert len(np.unique(index, axis=0)) == (per_side + 1) ** 2 == len(index)


def test_sparse_is_made_again_byte_for_byte(make_data: ModuleType, tmp_path: Path) -> None:
    """Fixed seeds, and digits that the solver's rounding does not reach."""
    make_data.write("sparse", tmp_path)
    made, shipped = tmp_path / "sparse.csv", ROOT / "cases" / "data" / "sparse.csv"
    assert made.read_bytes() == shipped.read_bytes()


def test_given_and_unknown_data_cannot_be_made(make_data: ModuleType) -> None:
    """One sentence for each, before anything is made."""
    with pytest.raises(SystemExit, match=r"^peer64: its data are given"):
        make_data.main(["quickstart", "peer64"])
    with pytest.raises(SystemExit, match=r"^quikstart: found no such case, expected one of quickstart, "):
        make_data.main(["quikstart"])


def test_all_data_are_made_but_the_given(
    make_data: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for no case, it makes every case's data but peer64's, and says so."""
    asked: list[str] = []
    monkeypatch.setattr(make_data, "write", lambda name, folder: asked.append(name) or name)
    make_data.main([])
    assert {*asked, *make_data.GIVEN} == {*CASES, "trunk"} and not {*asked} & {*make_data.GIVEN}
    assert capsys.readouterr().out.splitlines()[-1] == "left alone, as given: peer64"
