"""The tables of studies: they fit the program, name what there is, and plan what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.case import load_case
from benchmarks import data, study
from benchmarks.harness import ROOT, Job, with_needs
from benchmarks.study import NAMES, load


def test_every_file_is_a_study() -> None:
    """And every study has a sentence and, unless nothing was recorded yet, a text of its own."""
    assert {path.stem for path in study.FOLDER.glob("*.yaml")} == set(NAMES)
    assert all(load(name).what for name in NAMES)


def test_large_cases_are_left_out_unless_asked_for() -> None:
    """Of the study of scaling the largest mesh of each family."""
    left, whole = load("scaling", large=False).cases, load("scaling").cases
    assert set(whole) - set(left) == {"quickstart 512²", "cube 96³"}


@pytest.mark.parametrize("name", NAMES)
def test_overrides_fit_the_program(name: str) -> None:
    """What a study sets on a case of the project is a key and a value that the program takes."""
    filled = {"{widths}": "[9]", "{data}/readings.csv": "data/quickstart.csv", "{truth}": "1",
              "{data}/readings.ohm": "data/trunk.ohm", "{data}": "data"}  # fmt: skip
    seen = set()
    for row in load(name, file=str(ROOT / "cases" / "data" / "trunk.ohm")).rows(seeds=1):
        for job in row.jobs[:1]:
            settings = job.settings
            for word, value in filled.items():
                settings = tuple(setting.replace(word, value) for setting in settings)
            if any("{observation}" in setting for setting in settings):
                (name,) = load_case(ROOT / str(job.case)).observations
                settings = tuple(setting.replace("{observation}", name) for setting in settings)
            if job.case and "{" not in job.case and (job.case, settings) not in seen:
                seen.add((job.case, settings))
                load_case(ROOT / job.case, list(settings))


def test_comparison_runs_what_it_says() -> None:
    """Seeds are as many as asked for, methods without chance run once, some only on some cases; a training
    runs with the weight of the discrepancy, behind the run that finds it."""
    rows = {(row.case, row.method): row for row in load("compare").rows(seeds=5)}
    assert [job.settings[-1] for job in rows["cube", "default"].jobs] == [f"seed={seed}" for seed in range(5)]
    assert len(rows["cube", "newton_cg b"].jobs) == len(rows["quickstart", "adam"].jobs) == 1
    assert {case for case, method in rows if method == "peer"} == {"peer64"}
    (job,) = rows["quickstart", "adam"].jobs
    before, last = with_needs(job)
    assert last == job and before == rows["quickstart", "nodal h1"].jobs[0]
    assert [each.settings[-1] for each in with_needs(rows["cube", "fixed network"].jobs[3])] == ["seed=3"] * 2


def test_draws_seeds_and_references_go_together() -> None:
    """Each run of the study of defaults is compared with nodal values on its own draw of the data."""
    row = next(row for row in load("defaults").rows(["sharp"], ["sine"]))
    assert len(row.jobs) == 4
    assert [other.data for other in row.beside if other] == [job.data for job in row.jobs]
    assert len({job.data for job in row.jobs}) == 2 and len(set(row.beside)) == 2


def test_meshes_are_compared_with_the_next_coarser_one() -> None:
    rows = load("hybrid").rows(methods=["default"])
    assert rows[0].beside == [None]
    assert [row.beside[0] for row in rows[1:]] == [row.jobs[0] for row in rows[:-1]]


def test_quick_is_small() -> None:
    """One case and draw, with its overrides behind all others."""
    rows = load("defaults", quick=True).rows(seeds=1)
    assert {row.case for row in rows} == {"smooth"} and all(len(row.jobs) == 1 for row in rows)
    assert all(job.settings[-2] == "mesh.cells=[16, 16]" for row in rows for job in row.jobs)


def test_what_a_study_misspells_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, key, what was found and what is expected."""
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    monkeypatch.setattr(study, "ROOT", tmp_path)
    text = "what: a\ncases: [quickstart]\nmethods: {one: {seeds: 1}, two: {after: one}}\ncolumns: [error]\n"
    for old, new, message in (
        ("seeds", "seed", "x.yaml: methods.one: found seed, expected one of program, set"),
        ("after: one", "after: on", "x.yaml: methods.two: found on, expected one of one, two"),
        ("[error]", "[eror]", "x.yaml: columns: found eror, expected one of stop, R"),
        ("what", "where", "x.yaml: found where, expected one of what"),
    ):
        (tmp_path / "x.yaml").write_text(text.replace(old, new))
        with pytest.raises(ValueError) as caught:
            load("x")
        assert message in str(caught.value)


def test_noise_is_withheld(tmp_path: Path) -> None:
    """The copy has the same points and values."""
    assert data.withheld(tmp_path, "lshape") == {"observation": "heads"}
    lines = (ROOT / "cases" / "data" / "lshape.csv").read_text().splitlines()
    assert (tmp_path / "readings.csv").read_text().splitlines() == [line.rpartition(",")[0] for line in lines]


def test_a_draw_in_several_files_keeps_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the study of sharp truths names; a single file is `readings.csv`."""
    monkeypatch.syspath_prepend(str(ROOT / "cases"))
    import make_data

    def write(case: str, out: Path, _: object) -> None:
        for file in make_data.CASES[case].all_files(case):
            (out / file).write_text(f"{make_data.CASES[case].seed}\n")

    monkeypatch.setattr(make_data, "CASES", dict(make_data.CASES))
    monkeypatch.setattr(make_data, "write", write)
    assert data.draw(tmp_path, "101", "fault") == {"observation": "heads"}
    assert (tmp_path / "readings.csv").read_text() == "101\n"
    for case in ("stiff", "scatterer"):
        (job,) = load("sharp", quick=False).rows([case], ["oracle"])[0].jobs[:1]
        named = {setting.partition("{data}/")[2] for setting in job.settings if "{data}" in setting}
        assert set(data.draw(tmp_path, "101", case)["files"]) == named
        assert all((tmp_path / file).read_text() == "101\n" for file in named)


@pytest.mark.parametrize("problem", data.HYBRID)
def test_exact_state_solves_the_hybrid_problem(tmp_path: Path, problem: str) -> None:
    """−∇·(κ∇u) = f for u = sin πx sin πy, by differences; the data are u at the inner nodes."""
    import numpy as np

    data.hybrid(tmp_path, problem, "4")
    case = load_case(tmp_path / "case.yaml")
    table = np.loadtxt(tmp_path / "nodes.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 2], np.prod(np.sin(np.pi * table[:, :2]), axis=1), atol=1e-14)
    x, h = table[:, :2], 1e-3  # the truncation is h² times fourth derivatives near 100

    def u(points: np.ndarray) -> np.ndarray:
        return np.sin(np.pi * points[:, 0]) * np.sin(np.pi * points[:, 1])

    def kappa(points: np.ndarray) -> np.ndarray:
        return case.unknowns["kappa"].truth.numpy(points)

    divergence = np.zeros(len(x))
    for step in (np.array([h, 0.0]), np.array([0.0, h])):
        fluxes = [kappa(x + s * step / 2) * s * (u(x + s * step) - u(x)) for s in (1.0, -1.0)]
        divergence += (fluxes[0] - fluxes[1]) / h**2
    np.testing.assert_allclose(-divergence, case.equation.source.numpy(x), rtol=1e-3, atol=1e-3)


def test_jobs_are_told_apart_by_a_line() -> None:
    assert (
        str(Job(case="cases/a.yaml", settings=("seed=0",), ranks=2)) == "app cases/a.yaml seed=0 on 2 rank(s)"
    )
