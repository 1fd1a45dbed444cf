"""Cases of electrical tomography: their defaults, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.case import CaseError, check_dimension, effective_yaml, load_case

CASE = """\
mesh: {kind: electrodes}
equation: {kind: electrical_tomography}
unknowns:
  m: {role: log_resistivity}
observations:
  readings: {kind: readings, file: trunk.ohm}
"""


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    """The smallest case, with a data file that is not looked at yet."""
    (tmp_path / "trunk.ohm").write_text("nothing")
    (tmp_path / "points.csv").write_text("nothing")
    path = tmp_path / "trunk.yaml"
    path.write_text(CASE)
    return path


def test_defaults_are_written_back_and_load_again(case_file: Path, tmp_path: Path) -> None:
    """2.5 dimensions, quadratic potentials, errors and reference left to the data."""
    case = load_case(case_file)
    assert (case.equation.dimension, case.equation.degree, case.mesh.dimension) == (2.5, 2, None)
    assert case.unknowns["m"].reference is None
    observation = case.observations["readings"]
    assert (observation.relative_error, observation.absolute_error) == (None, 0.0)
    again = tmp_path / "again.yaml"
    again.write_text(effective_yaml(case, tmp_path))
    assert load_case(again) == case


def test_a_diffusivity_still_starts_at_zero(case_file: Path) -> None:
    """Only the resistivity leaves its reference to the data; one that is given is kept."""
    case = load_case(case_file, ['unknowns.m.reference="log(100)"'])
    assert str(case.unknowns["m"].reference) == "log(100)"


OVERRIDES = {
    "equation.dimension=4": ("equation.dimension", "found 4, expected one of 2, 2.5, 3"),
    "equation.dimension=true": ("equation.dimension", "found true, expected one of 2, 2.5, 3"),
    "equation.contacts={width: .02, impedance: .01}": (
        "equation.contacts", "found electrodes with a width in 2.5 dimensions, expected points",
    ),
    "mesh.depth=-1": ("mesh.depth", "found -1, expected a finite number > 0"),
    "unknowns.m.truth=z": ("unknowns.m.truth", "found"),
    "mesh.size=0": ("mesh.size", "found 0, expected a finite number > 0"),
    "unknowns.m.role=log_diffusivity": (
        "unknowns.m", "found the role log_diffusivity in the equation electrical_tomography, expected the",
    ),
    "observations={p: {kind: points, file: points.csv}}": (
        "observations.p", "found the kind points with the equation electrical_tomography, expected the k",
    ),
    "observations.more={kind: readings, file: trunk.ohm}": (
        "observations.readings", "found 2 observations, expected one of the kind readings",
    ),
    "observations.readings.relative_error=0": ("observations.readings.relative_error", "found 0, expected a"),
    "observations.readings.absolute_error=-1": ("observations.readings.absolute_error", "found -1, expected"),
}  # fmt: skip


@pytest.mark.parametrize("override", OVERRIDES)
def test_what_does_not_fit_is_told_by_its_key(case_file: Path, override: str) -> None:
    """One message with the key, what was found and what is expected."""
    key, text = OVERRIDES[override]
    with pytest.raises(CaseError) as caught:
        load_case(case_file, [override])
    (problem,) = caught.value.problems
    assert f"{key}: {text}" in problem


def test_the_mesh_through_electrodes_has_the_dimension_of_the_equation(case_file: Path) -> None:
    """In three dimensions a truth may depend on the third coordinate."""
    case = load_case(case_file, ["equation.dimension=3", 'unknowns.m.truth="4 + z"'])
    check_dimension(case, 3)
    with pytest.raises(CaseError, match=r"unknowns\.m\.truth"):
        check_dimension(case, 2)


def test_a_mesh_through_electrodes_needs_them(case_file: Path) -> None:
    """With readings at points there are none."""
    diffusion = "{kind: diffusion, source: 1, boundary: {rim: {kind: dirichlet}}}"
    text = CASE.replace("{kind: electrical_tomography}", diffusion).replace(
        "log_resistivity", "log_diffusivity"
    )
    case_file.write_text(text.replace("kind: readings, file: trunk.ohm", "kind: points, file: points.csv"))
    with pytest.raises(
        CaseError, match="found the kind points with a mesh through electrodes, expected the kind r"
    ):
        load_case(case_file)
