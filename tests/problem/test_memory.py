"""What cannot fit into memory is refused before it is allocated, by its key and with an estimate."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from elliptic import LSHAPE
from mpi4py import MPI

from app.case import CaseError, ElectrodeMesh, load_case
from app.mesh import MESHES, ReadMesh, read_mesh
from app.parallel import memory as parallel_memory
from app.problem import check, memory

CASE = """\
mesh: {kind: MESH}
equation: {kind: diffusion, source: 1, boundary: {rim: {on: all, kind: dirichlet}}}
unknowns: {m: {role: log_diffusivity}}
observations: {heads: {kind: points, file: heads.csv}}
"""
REDUCTION = """\
mesh: {kind: interval, cells: 100000}
energy:
  kind: reduction
  parameters: {a: {low: 0, high: 1, points: 100}, b: {low: 0, high: 1, points: 100}}
  coefficients: {c: {role: source, value: a + b}}
equation: {kind: diffusion, boundary: {rim: {on: all, kind: dirichlet}}}
"""
RECTANGLE = "rectangle, cells: [1000, 1000]"
TOO_LARGE = {
    "mesh.cells": (
        RECTANGLE,
        ["unknowns.m.representation.kind=nodal"],
        r"mesh\.cells: found .* at least 2\.\d+ GB",
    ),
    "a mesh of lines": (
        "interval, cells: 100000000",
        ["expansion.candidates=1"],
        r"mesh\.cells: found .* GB",
    ),
    "a mesh of boxes": (
        "box, cells: [80, 80, 80]",
        ["equation.solver.kind=direct"],
        r"mesh\.cells: found .* GB of memory",
    ),
    "unknowns.m.representation.hidden": (
        "rectangle, cells: [8, 8]",
        ["unknowns.m.representation={hidden: [4000, 4000], max_width: 4000}"],
        r"hidden: found .* at least 2,0\d\d TB",
    ),
    "expansion.candidates": (
        "rectangle, cells: [8, 8]",
        ["expansion.candidates=1000000000"],
        r"candidates: found .* 648 GB",
    ),
}
SMALL = ["unknowns.m.representation.hidden=[2]", "expansion.candidates=16"]
CAP = 2e9


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    (tmp_path / "heads.csv").write_text("x,y,z,value\n.1,.2,.3,3\n")
    return tmp_path / "case.yaml"


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_cannot_fit_is_refused_by_its_key(
    heads: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before a mesh is made, with two gigabytes left."""
    mesh, overrides, told = TOO_LARGE[name]
    heads.write_text(CASE.replace("MESH", mesh))
    monkeypatch.setattr(memory, "available", lambda comm: CAP / comm.size)
    for kind in MESHES:
        monkeypatch.setitem(MESHES, kind, None)  # to make a mesh would fail in another way
    with pytest.raises(CaseError, match=told) as caught:
        check(load_case(heads, overrides))
    (problem,) = caught.value.problems
    assert "expected at most the 2 GB that are left" in problem


def test_a_mesh_that_cannot_fit_is_not_refined(heads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read and its cells are counted as they would be, 5772 times 4^9: at 300 bytes, and 400 for
    each of two unknowns a cell, 1.7 TB."""
    heads.write_text(CASE.replace("MESH", f"file, file: {LSHAPE}"))
    monkeypatch.setattr(memory, "available", lambda comm: CAP / comm.size)
    monkeypatch.setattr(ReadMesh, "refined", None)  # to refine it would fail in another way
    with pytest.raises(CaseError, match=r"mesh\.refine: found what takes at least 2 TB of memory"):
        check(load_case(heads, ["mesh.refine=9"]))


def test_a_family_of_many_states_is_refused(heads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of values of a parameter."""
    heads.write_text(REDUCTION)
    monkeypatch.setattr(memory, "available", lambda comm: CAP / comm.size)
    with pytest.raises(CaseError, match=r"found what takes at least .* of memory"):
        check(load_case(heads))


@pytest.mark.parametrize(
    "readings, weight, refused",
    [(3000, "cross_validation", False), (1200, "cross_validation", True), (1200, "discrepancy", False)],
)
def test_rows_of_J_that_cannot_fit_are_refused(
    heads: Path, monkeypatch: pytest.MonkeyPatch, readings: int, weight: str, refused: bool
) -> None:
    """Where they are needed for certain; of very many readings some combinations are."""
    monkeypatch.setattr(memory, "available", lambda comm: 30e6 / comm.size)
    heads.write_text(CASE.replace("MESH", "rectangle, cells: [40, 40]"))
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.uniform(0.1, 0.9, (readings, 2)), np.ones(readings), np.ones(readings)])
    file = heads.with_name("heads.csv")
    np.savetxt(file, table, delimiter=",", header="x,y,value,sigma", comments="")
    case = load_case(heads, [f"regularisation.m.weight={weight}", *SMALL])
    if not refused:
        check(case)
        return
    told = r"4: observations: found what takes at least 0\.0323 GB .* \(1200 rows of J at 1681 nodes\)"
    with pytest.raises(CaseError, match=told):
        check(case)


def test_shipped_cases_fit_into_two_gigabytes() -> None:
    """The estimates are low, not wild."""
    for path in sorted((Path(__file__).parents[2] / "cases").glob("*.yaml")):
        case = load_case(path)
        if case.mesh.kind in ("interval", "rectangle", "box"):
            size = memory.Size.generated(case.mesh)
            assert sum(memory.estimate(case, size, ("mesh", "cells")).values()) < CAP


def test_the_size_of_a_generated_mesh_is_foreseen(heads: Path) -> None:
    """Cells and nodes, as they are then made."""
    for mesh in ("interval, cells: 7", "rectangle, cells: [3, 5]", "box, cells: [2, 3, 4]"):
        heads.write_text(CASE.replace("MESH", mesh))
        case = load_case(heads)
        options = {key: value for key, value in dict(case.mesh).items() if key != "kind"}
        made = MESHES[case.mesh.kind](MPI.COMM_WORLD, **options)
        assert memory.Size.of(made) == memory.Size.generated(case.mesh)


def test_the_size_of_a_refined_mesh_is_foreseen() -> None:
    """Its cells, and of its nodes not more than there are, nor much less."""
    given = read_mesh(MPI.COMM_WORLD, LSHAPE)
    for times in range(3):
        foreseen, made = memory.Size.refined(given, times), memory.Size.of(given.refined(times))
        assert (foreseen.cells, foreseen.dimension) == (made.cells, made.dimension)
        assert 0.95 * made.nodes <= foreseen.nodes <= made.nodes
    assert memory.Size.refined(given, 0) == memory.Size.of(given.refined(0))


@pytest.mark.parametrize("dimension", [2, 3])
def test_cells_too_small_between_electrodes_are_foreseen(dimension: int) -> None:
    """Without a size no more than a few at each electrode are known before, with all sizes smaller as many
    more."""
    electrodes = np.random.default_rng(0).uniform(size=(16, dimension))
    tiny, usual = ElectrodeMesh(kind="electrodes", size=1e-6), ElectrodeMesh(kind="electrodes")
    finer = ElectrodeMesh(kind="electrodes", coarsening=0.01)
    assert memory.Size.through(electrodes, tiny).cells > 1e11
    few = memory.Size.through(electrodes, usual).cells
    assert 0 < few <= 2 * len(electrodes)
    assert memory.Size.through(electrodes, finer).cells == pytest.approx(100**dimension * few)


def test_limits_of_the_process_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ulimit -v leaves, less what is taken already."""
    before = parallel_memory.available(MPI.COMM_WORLD)
    assert 0 < before < 1e15
    limits = {resource.RLIMIT_AS: 10**8, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], limits[which]))
    assert parallel_memory.available(MPI.COMM_WORLD) == 0.0


def test_limits_of_control_groups_are_seen(tmp_path: Path) -> None:
    """Their limit less what is used, files in the cache aside; none where the limit is no number."""
    for name, text in {"max": "3000", "used": "1000", "memory.stat": "anon 5\ninactive_file 400\n"}.items():
        (tmp_path / name).write_text(text)
    assert list(parallel_memory._of_group(tmp_path, "max", "used")) == [2400.0]
    (tmp_path / "max").write_text("max")
    assert list(parallel_memory._of_group(tmp_path, "max", "used")) == []
    assert list(parallel_memory._of_group(tmp_path / "none", "max", "used")) == []
