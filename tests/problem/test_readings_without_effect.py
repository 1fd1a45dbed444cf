"""Readings that the unknown cannot change are left out or named, whatever they say."""

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from app.case import DataError, load_case
from app.problem import Problem, build, check
from app.problem.inversion_report import InversionReport

pytestmark = pytest.mark.distributed

CASE = """\
mesh: {kind: rectangle, cells: [6, 6]}
equation:
  kind: diffusion
  source: 5
  boundary:
    base: {on: bottom, kind: dirichlet, value: "0.3*x"}
unknowns:
  m: {role: log_diffusivity, representation: {kind: nodal}}
regularisation: {m: {kind: h1}}
observations:
  heads: {kind: points, file: heads.csv}
"""
INSIDE = [(0.2, 0.3, 0.9), (0.5, 0.6, 2.0), (0.8, 0.9, 2.4)]
BASE = [(0.0, 0.0, 0.0), (0.25, 0.0, 0.08), (0.55, 0.0, 0.16)]
SIGMA = 0.01


@pytest.fixture
def folder(shared_tmp_path: Path, comm: MPI.Comm) -> Path:
    if comm.rank == 0:
        (shared_tmp_path / "case.yaml").write_text(CASE)
    return shared_tmp_path


def written(folder: Path, comm: MPI.Comm, rows: list[tuple[float, float, float]]) -> Path:
    if comm.rank == 0:
        lines = ["x,y,value,sigma", *(f"{x},{y},{value},{SIGMA}" for x, y, value in rows)]
        (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    comm.barrier()
    return folder / "case.yaml"


def built(folder: Path, comm: MPI.Comm, rows: list[tuple[float, float, float]]) -> Problem:
    return build(load_case(written(folder, comm, rows)), comm)


def test_readings_of_given_values_are_left_out(folder: Path, comm: MPI.Comm) -> None:
    """What is minimised is what it is without them; those that agree with what is given are no warning."""
    with built(folder, comm, INSIDE) as alone, built(folder, comm, [*BASE, *INSIDE]) as both:
        one, other = (
            problem.minimisation.energy.at(problem.minimisation.reference) for problem in (alone, both)
        )
        np.testing.assert_allclose(other.residual, one.residual, rtol=1e-12)
        np.testing.assert_allclose(other.derivative(), one.derivative(), rtol=1e-9)
        assert both.report.target == alone.report.target
        assert isinstance(both.report, InversionReport)
        (note,) = both.report.notes
        assert note.endswith(
            "left out 3 readings that no coefficient changes, where the state is given (lines 2, 3, 4)"
        )
        assert not alone.report.notes


def test_contradictions_are_told(folder: Path, comm: MPI.Comm) -> None:
    """By how much, and which is the worst."""
    off = [(x, y, value + SIGMA * (30 + i)) for i, (x, y, value) in enumerate(BASE)]
    with built(folder, comm, [*INSIDE, *off]) as problem:
        assert isinstance(problem.report, InversionReport)
        (note,) = problem.report.notes
        state = problem.start()
        summary = problem.report.summary(state, "minimum")
    assert note.startswith("warning: ") and note.endswith("by up to 31.5 standard deviations (lines 6, 7, 5)")
    assert summary["notes"] == [note]
    residual = np.array([30.0, 31.5, 31.5])  # 0.005 off, on lines 6 and 7, is half a deviation
    assert summary["left_out"] == {
        "readings": 3, "misfit": pytest.approx(0.5 * residual @ residual), "contradicts": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "rows, overrides, says",
    [
        (BASE, [], "found readings only where the state is given"),
        (INSIDE, ["equation.source=0", "equation.boundary.base.value=1"], "found no reading that depends on"),
    ],
)
def test_nothing_to_learn_from_is_refused(
    folder: Path, comm: MPI.Comm, rows: list[tuple[float, float, float]], overrides: list[str], says: str
) -> None:
    """On all ranks, by the check already: given values alone, and a state that no coefficient changes."""
    path = written(folder, comm, rows)
    with pytest.raises(DataError) as refused:
        check(load_case(path, overrides), comm)
    assert all(says in told and "heads.csv" in told for told in comm.allgather(str(refused.value)))


LOGARITHMS = ["observations.heads.scale=log", "equation.boundary.base.value=-1", "equation.source=0"]


@pytest.mark.parametrize(
    "rows, overrides, says",
    [
        ([(0.5, 0.5, 1.0), (0.2, 0.3, 2.0)], LOGARITHMS, "heads.csv:2, {}:3: found logarithms to compare"),
        ([(0.5, 0.5, 1.0), (0.2, 0.3, 1e300)], [], "heads.csv:3: found readings so large"),
    ],
)
def test_readings_that_give_no_misfit_are_named(
    folder: Path, comm: MPI.Comm, rows: list[tuple[float, float, float]], overrides: list[str], says: str
) -> None:
    """By file and line, on all ranks: logarithms where the state is negative, and what overflows."""
    path = written(folder, comm, rows)
    with pytest.raises(DataError) as refused:
        check(load_case(path, overrides), comm)
    expected = says.format(path.parent / "heads.csv")
    assert all(expected in told for told in comm.allgather(str(refused.value)))


def test_a_reading_in_a_well_is_told(folder: Path, comm: MPI.Comm) -> None:
    """Where the state is singular the mesh tells what it is; two cells away it is not told."""
    path = written(folder, comm, [(0.5, 0.52, 1.0), (0.1, 0.9, 2.0)])
    wells = ["equation.wells.pump.at=[0.5,0.5]", "equation.wells.pump.rate=-1"]
    (note,) = (told for told in check(load_case(path, wells), comm).lines if "warning: reading" in told)
    place = f"{path.parent / 'heads.csv'}:2 at (0.5, 0.52)"
    assert note.startswith(f"warning: reading {place} is within a cell of the well pump")


WAVES = """\
mesh: {kind: rectangle, cells: [6, 6]}
equation:
  kind: helmholtz
  source: 5
  frequency: 3
  boundary:
    rim: {on: all, kind: dirichlet}
unknowns:
  m: {role: log_squared_slowness, representation: {kind: nodal}}
regularisation: {m: {kind: h1}}
observations:
  real: {kind: points, file: heads.csv, component: real}
  imaginary: {kind: points, file: heads.csv, component: imaginary}
"""


def test_readings_that_the_unknown_does_not_reach_are_named(folder: Path, comm: MPI.Comm) -> None:
    """A wave that nothing absorbs has no imaginary part, whatever the slowness; no work is counted for it."""
    path = written(folder, comm, INSIDE[:2])
    if comm.rank == 0:
        path.write_text(WAVES)
    comm.barrier()
    file = path.parent / "heads.csv"
    told = f"{file}:2 at (0.2, 0.3), {file}:3 at "
    expected = f"warning: 2 readings do not depend on the unknown at its reference: {told}"
    with build(load_case(path), comm) as problem:
        assert isinstance(problem.report, InversionReport)
        assert [note.startswith(expected) for note in problem.report.notes] == [True]
        assert problem.minimisation.meter.read()["linear_solves"] == 1
