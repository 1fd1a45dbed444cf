"""What a case may say of a prior, and what of it is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from app.case import CaseError, load_case
from app.case.regularisation import RegularisationSpec


def chosen(case_file: Path, given: str) -> RegularisationSpec:
    return load_case(case_file, [f"regularisation.m={given}"]).regularisation["m"]


def refusal(case_file: Path, *overrides: str) -> str:
    """The only line about what is wrong."""
    with pytest.raises(CaseError) as caught:
        load_case(case_file, list(overrides))
    (line,) = str(caught.value).splitlines()
    return line


COMPLETED = {
    "{kind: matern}": ("matern", "cross_validation", (None, None)),
    "{correlation_length: 0.2}": ("matern", "cross_validation", (0.2, None)),
    "{std: 0.5}": ("matern", "prior", (None, 0.5)),
    "{correlation_length: 0.2, std: 0.5, smoothness: 2}": ("matern", "prior", (0.2, 0.5)),
    "{kind: matern, correlation_length: 0.2, weight: 3}": ("matern", 3.0, (0.2, None)),
    "{kind: matern, weight: evidence}": ("matern", "evidence", (None, None)),
    "{smoothness: 3}": ("matern", "cross_validation", (None, None)),
    "{weight: evidence}": ("auto", "evidence", (None, None)),
    "{kind: h1, weight: evidence}": ("h1", "evidence", (None, None)),
}
"""Kind, weight, and what is stated of length and deviation."""


@pytest.mark.parametrize("given", COMPLETED)
def test_what_is_not_stated_is_left_to_the_data(case_file: Path, given: str) -> None:
    """And a standard deviation, with the sigma of the readings, leaves no weight to choose."""
    found = chosen(case_file, given)
    assert (found.kind, found.weight, found.stated(2)) == COMPLETED[given]
    assert found.selected == isinstance(found.weight, str)


def test_gamma_and_delta_state_length_and_deviation(case_file: Path) -> None:
    """ρ = √(8γ/δ) and σ² = 1/(4πγδ √det Θ) of smoothness 1 in two dimensions (ν = 1)."""
    found = chosen(case_file, "{gamma: 0.1, delta: 0.5, anisotropy: [[2, 0], [0, 1]]}")
    length, std = found.stated(2)
    assert (found.kind, found.weight) == ("matern", "prior")
    assert length == pytest.approx(math.sqrt(8 * 0.1 / 0.5))
    assert std == pytest.approx((4 * math.pi * 0.1 * 0.5 * math.sqrt(2)) ** -0.5)


def test_a_direction_is_an_angle_from_the_x_axis(case_file: Path) -> None:
    """{ratio, angle} has eigenvalues ratio and 1/ratio, the first along the angle; a matrix stays as it
    is."""
    (rows,) = chosen(case_file, "{anisotropy: {ratio: 2, angle: 45}}").parameters.values()
    np.testing.assert_allclose(rows, [[1.25, 0.75], [0.75, 1.25]], rtol=1e-12)
    (rows,) = chosen(case_file, "{anisotropy: [[1.25, 0.75], [0.75, 1.25]]}").parameters.values()
    assert rows == ((1.25, 0.75), (0.75, 1.25))


REFUSED = {
    "{kind: h1, std: 0.5}": ("std", "h1 with a std", "one with matern only"),
    "{kind: bilaplacian, smoothness: 2}": ("smoothness", "bilaplacian with a smoothness", "matern only"),
    "{kind: matern, length_scale: 0.2}": ("length_scale", "matern with a length_scale", "correlation_length"),
    "{std: 0.5, weight: 2}": ("weight", "the weight 2.0 beside std", "no weight"),
    "{std: 0.5, weight: evidence}": ("weight", "the weight evidence beside std", "no weight"),
    "{std: 0.5, scale: 2}": ("scale", "a scale beside std", "one of the two"),
    "{kind: matern, weight: prior}": ("weight", "the weight prior without a std", "a std"),
    "{kind: h1, weight: prior}": ("weight", "the weight prior without a std", "kind matern"),
    "{kind: matern, weight: 2}": (
        "weight",
        "the weight 2.0 without a correlation_length",
        "one, or a weight",
    ),
    "{kind: edge_preserving, weight: evidence}": ("weight", "evidence of edge", "its R depends on m"),
    "{gamma: 0.1}": ("gamma", "gamma alone", "gamma and delta"),
    "{gamma: 0.1, delta: 1, std: 2}": ("gamma", "gamma and delta beside std", "one or the other"),
    "{smoothness: 4}": ("smoothness", "4", "one of 1, 2, 3"),
    "{smoothness: true}": ("smoothness", "true", "one of 1, 2, 3"),
    "{kind: matern, boundary: dirichlet}": ("boundary", "'dirichlet'", "one of robin, neumann"),
    "{anisotropy: 2}": ("anisotropy", "2", "{ratio, angle} or a symmetric matrix"),
    "{anisotropy: {ratio: 0.5}}": ("anisotropy", "a mapping of ratio", "a ratio >= 1"),
    "{anisotropy: [[1, 2], [0, 1]]}": ("anisotropy", "a matrix that is not its transpose", "symmetric"),
    "{anisotropy: [[1, 2], [2, 1]]}": ("anisotropy", "a matrix with an eigenvalue", "positive definite"),
    "{anisotropy: [[1, 0, 0], [0, 1, 0]]}": ("anisotropy", "rows that", "a square matrix"),
    "{correlation_length: 0}": ("correlation_length", "0", "a finite number > 0"),
}
"""Key, what was found and what is expected."""


@pytest.mark.parametrize("given", REFUSED)
def test_a_prior_that_contradicts_itself_is_refused(case_file: Path, given: str) -> None:
    """One line at the key."""
    key, found, expected = REFUSED[given]
    said = refusal(case_file, f"regularisation.m={given}")
    place, _, reason = said.partition(": found ")
    assert place.endswith(f"regularisation.m.{key}") or place.endswith("regularisation.m")
    assert reason.startswith(found) and expected in reason.partition(", expected ")[2]


def test_the_mean_is_the_reference(case_file: Path) -> None:
    """Of an unknown that has none; one that says the same is accepted, so that a case that is written with
    the results can be run again."""
    mean = "regularisation.m={correlation_length: 0.2, std: 1, mean: 2*x}"
    for more in ([], ["unknowns.m.reference='2*x'"]):
        case = load_case(case_file, [mean, *more])
        assert case.unknowns["m"].reference.text == case.regularisation["m"].mean.text == "2*x"


def test_a_mean_beside_another_reference_is_refused(case_file: Path) -> None:
    """Both are told."""
    said = refusal(case_file, "regularisation.m={std: 1, mean: 2}", "unknowns.m.reference=1")
    assert "regularisation.m: found the mean 2 beside the reference 1 of the unknown m" in said


def test_the_deviations_of_several_unknowns_are_their_own(case_file: Path) -> None:
    """All are stated or none; kind, length and smoothness are those of all."""
    second = "unknowns.n={role: source}"
    given = ["regularisation.m={correlation_length: 0.2, std: 1}", "regularisation.n={std: 2}"]
    said = refusal(case_file, second, *given)
    assert "correlation_length None beside 0.2" in said
    given[1] = "regularisation.n={correlation_length: 0.2, std: 2}"
    case = load_case(case_file, [second, *given])
    assert [part.std for part in case.regularisation.values()] == [1.0, 2.0]
    alone = load_case(case_file, [second, given[0]])
    assert [part.std for part in alone.regularisation.values()] == [1.0, 1.0]


def test_a_prior_is_written_as_it_is_read(case_file: Path, tmp_path: Path) -> None:
    """The effective case gives the same case again."""
    overrides = ["regularisation.m={std: 0.5, anisotropy: {ratio: 2, angle: 30}, mean: 1}"]
    case = load_case(case_file, overrides)
    YAML(typ="safe").dump(case.model_dump(mode="json", exclude_none=True), tmp_path / "again.yaml")
    again = load_case(tmp_path / "again.yaml")
    assert again.regularisation == case.regularisation and again.unknowns == case.unknowns
