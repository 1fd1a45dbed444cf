"""What a case claims before any reading, drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista
from small import CASES, COMM

from app import output
from app.__main__ import main
from app.case import CaseError, load_case
from app.problem import build, check
from app.problem.prior_samples import sample_prior, stated_priors

CELLS = "mesh.cells=[24,24]"

STATED = "regularisation.m={kind: matern, correlation_length: 0.3, std: 0.5, mean: '1 + x'}"


def lines_of(folder: Path, *overrides: str) -> list[str]:
    """Of two draws."""
    return sample_prior(COMM, load_case(CASES / "quickstart.yaml", [CELLS, *overrides]), 2, folder)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Pictures take longer than all else; with which arguments they were asked for."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(output, "draw_fields", lambda *how, **_: asked.append(how))
    return asked


START = "unknowns.m.reference=1 + x"


@pytest.mark.distributed
def test_deviation_and_length_are_those_that_are_stated(shared_tmp_path: Path) -> None:
    """Within 10 %: the boundary, and cells of a seventh of the length, change them so much."""
    given = load_case(CASES / "quickstart.yaml", [CELLS, STATED, START])
    with stated_priors(COMM, given) as (prior,):
        variance = prior.variance()
        length = prior.correlation_length(variance.values)
        deviation = np.concatenate(COMM.allgather(np.sqrt(variance.values)))
        drawn = np.concatenate(
            COMM.allgather(prior.draws(np.random.default_rng(0), 200) - prior.mean[:, None])
        )
    assert np.median(deviation) == pytest.approx(0.5, rel=0.1)
    assert length == pytest.approx(0.3, rel=0.1)
    # The mean square of 200 draws at 625 nodes; about 25 patches of a draw are independent: 2 %.
    assert np.sqrt(np.mean(drawn**2)) == pytest.approx(np.sqrt(np.mean(deviation**2)), rel=0.06)


def test_draws_and_deviation_are_fields(tmp_path: Path, undrawn: list[tuple[Any, ...]]) -> None:
    """prior_samples.pvd holds them about the mean, and what was there of the name before is gone."""
    (tmp_path / "prior_samples_p7_000000.vtu").write_text("")
    lines = lines_of(tmp_path, STATED, START)
    assert lines[0].startswith("m: standard deviation 0.5") and "correlation length 0.2" in lines[0]
    assert lines[-1] == f"written: {tmp_path / 'prior_samples.pvd'}, {tmp_path / 'prior_samples.png'}"
    grid = pyvista.PVDReader(tmp_path / "prior_samples.pvd").read()[0]
    assert {"m_1", "m_2", "std"} <= set(grid.point_data)
    away = grid.point_data["m_1"] - (1 + grid.points[:, 0])
    assert 0.2 < np.abs(away).max() < 2.5
    assert not (tmp_path / "prior_samples_p7_000000.vtu").exists()
    (rows,) = [how[2] for how in undrawn]
    assert [list(row.alike) for row in rows] == [["m_1", "m_2"], ["standard deviation"]]


def test_a_known_part_is_not_drawn(tmp_path: Path) -> None:
    """There the draw is the known value, and its deviation 0."""
    given = load_case(CASES / "known_part.yaml", ["regularisation.m={correlation_length: 0.3, std: 0.5}"])
    sample_prior(COMM, given, 2, tmp_path)
    grid = pyvista.PVDReader(tmp_path / "prior_samples.pvd").read()[0]
    known = grid.point_data["std"] == 0.0
    assert 0.05 < known.mean() < 0.95
    np.testing.assert_array_equal(grid.point_data["m_1"][known], grid.point_data["m_2"][known])


def test_what_is_left_to_the_data_is_told(tmp_path: Path) -> None:
    """With what stands in for it."""
    said = "\n".join(lines_of(tmp_path, "regularisation.m={kind: matern}"))
    assert "m: the correlation length is left to the data: drawn with 0.566" in said
    assert "m: the standard deviation is left to the data" in said


@pytest.mark.parametrize(
    "given, found",
    [
        ("{kind: auto}", "the kind auto, which depends on the data, expected matern"),
        ("{kind: edge_preserving}", "the kind edge_preserving, which depends on the data, expected matern"),
        ("{std: 1, anisotropy: [[1]]}", "a matrix of 1 rows, expected one of 2"),
        ("{std: 1.e-200}", "a std of 1e-200, expected one from 1e-50 to 1e+50"),
        ("{std: 1.e+300}", "a std of 1e+300, expected one from 1e-50 to 1e+50"),
        ("{correlation_length: 1.e-200}", "a correlation_length of 1e-200, expected one from 1.41e-06 to"),
        ("{correlation_length: 1.e+200}", "a correlation_length of 1e+200, expected one from 1.41e-06 to"),
        ("{gamma: 1.e-300, delta: 1.e+300}", "a correlation_length of 0 by gamma and delta, expected one"),
        ("{gamma: 1.e+300, delta: 1.e+300}", "a std of 0 by gamma and delta, expected one from"),
    ],
)
def test_what_is_no_prior_is_refused(tmp_path: Path, given: str, found: str) -> None:
    """With the key, and what to say in its place; nothing is written."""
    with pytest.raises(CaseError, match=r"regularisation\.m") as caught:
        lines_of(tmp_path, f"regularisation.m={given}")
    assert found in str(caught.value) and not list(tmp_path.iterdir())


BELOW = {
    "{correlation_length: 0.02, std: 1}": "correlation_length: found a correlation length of 0.02, below",
    "{correlation_length: 0.1, std: 1, anisotropy: {ratio: 9, angle: 0}}": "length of 0.0333, below the size",
    "{gamma: 1.e-4, delta: 1}": "m.gamma: found a correlation length of 0.0283, below the size",
    "{correlation_length: 0.06, std: 1}": None,
    "{kind: matern}": None,
}
"""Cells are 0.059 wide; what is said of them."""


@pytest.mark.distributed
@pytest.mark.parametrize("given", BELOW)
def test_a_length_that_the_cells_cannot_show_is_told(given: str) -> None:
    """By --check and, since notes of both are the same, by a run; with the size and number of the cells."""
    notes = check(load_case(CASES / "quickstart.yaml", [CELLS, f"regularisation.m={given}"]), COMM).lines
    said = [note for note in notes if note.startswith("warning")]
    told = BELOW[given]
    assert len(said) == (told is not None)
    for line in said:
        assert told is not None and told in line
        assert "of 1152 of 1152 cells, expected a longer one, or smaller cells: these are 0.0589 to" in line


def test_a_stated_deviation_needs_stated_noise(tmp_path: Path) -> None:
    """Else no weight follows from it."""
    (tmp_path / "heads.csv").write_text("x,y,value\n.2,.3,.4\n.5,.5,.6\n.7,.1,.3\n")
    overrides = [CELLS, f"observations.heads.file={tmp_path / 'heads.csv'}", "regularisation.m={std: 1}"]
    with pytest.raises(CaseError, match="found a std with data that have no column sigma, expected"):
        build(load_case(CASES / "quickstart.yaml", overrides), COMM)


def test_the_command_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: list[tuple[Any, ...]]
) -> None:
    """Exit code 0 and the lines, or 2 and one message."""
    words = ["sample-prior", str(CASES / "quickstart.yaml"), "--out", str(tmp_path), "--set", CELLS]
    assert main([*words, "--number", "3", "--set", "regularisation.m={std: 1}"]) == 0
    assert "m: standard deviation" in capsys.readouterr().out
    assert [list(row.alike) for row in undrawn[0][2]] == [["m_1", "m_2", "m_3"], ["standard deviation"]]
    assert main(words) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "found the kind auto" in said
