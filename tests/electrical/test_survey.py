"""Meshes through electrodes that the case or its data do not allow."""

from pathlib import Path

import pytest
from mpi4py import MPI

from app.case import InputError, load_case
from app.electrical import read_survey

CASE = """\
mesh: {kind: electrodes}
equation: {kind: electrical_tomography, dimension: 3}
unknowns:
  m: {role: log_resistivity}
observations:
  readings: {kind: readings, file: row.ohm}
"""

LEVEL = ["0 0 1", "1 0 1", "2 0 1", "3 0 1"]

BAD = {
    "a slope": (
        (), ["0 0 1", "1 0 1.5", "2 0 2", "3 0 2.5"],
        "row.ohm: found electrodes from z = 1 to 2.5 m, expected all in one horizontal plane",
    ),
    "no heights": ((), ["0 0", "1 0", "2 0", "3 0"], "found electrodes with 2 coordinates, expected 3"),
    "a section's depth": (
        ("equation.dimension=2.5", "mesh.depth=1"), LEVEL,
        "mesh.depth: found a depth in 2.5 dimensions, expected one only in 3",
    ),
    "a section's margin": (
        ("equation.dimension=2", "mesh.margin=1"), LEVEL,
        "mesh.margin: found a margin in 2 dimensions, expected one only in 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    """With the file or the key."""
    overrides, positions, message = BAD[what]
    if what == "a slope":
        try:
            import gmsh  # noqa: F401
        except OSError as error:
            pytest.skip(f"gmsh does not load here: {error}")
    (tmp_path / "row.yaml").write_text(CASE)
    head = "# " + " ".join("xyz"[: len(positions[0].split())])
    lines = ["4# sensors", head, *positions, "1# data", "# a b m n r", "1 4 2 3 1"]
    (tmp_path / "row.ohm").write_text("\n".join(lines) + "\n")
    case = load_case(tmp_path / "row.yaml", overrides)
    with pytest.raises(InputError) as caught:
        survey = read_survey(MPI.COMM_SELF, case, case.equation, case.observations["readings"])
        survey.mesh(MPI.COMM_SELF, case.mesh.model_dump(exclude={"kind"}))
    assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1
