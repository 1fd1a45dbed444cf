"""The report of a run is one page that loads nothing, whatever lies in the folder."""

import base64
import json
import os
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from fits import fit
from mpi4py import MPI
from pages import EVIL, FIT, HISTORY, PICTURES, SUMMARY, Page, picture, results, write_table
from ruamel.yaml import YAML

from app.__main__ import main
from app.flow.records import GrowthEnd, StopReason
from app.output import NoRun, write_report
from app.output import folder as folders
from app.output.report import LARGEST, PARTS
from app.output.report.charts import Chart, Line, drawing
from app.output.report.origin import CITATION
from app.output.report.outcome import WHY
from app.output.report.progress import ENDS
from app.problem.fit.goodness import Goodness

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="needs one rank")


def page_of(*runs: Path) -> Page:
    """The report, beside the first run."""
    path = runs[0] / "report.html"
    write_report(path, runs)
    return Page(path.read_text())


def test_sections_are_in_order(tmp_path: Path) -> None:
    """All where there is something for each, with a heading each and a link to it."""
    page = page_of(results(tmp_path / "run"))
    assert page.sections == list(PARTS)
    assert page.texts["h2"] == [title for title, _ in PARTS.values()]
    assert [each["href"] for each in page.all("a")] == [f"#{name}" for name in PARTS]


def test_a_section_without_content_is_left_out(tmp_path: Path) -> None:
    """Of a folder with a summary alone, in which nothing stands, too."""
    (tmp_path / "summary.json").write_text("{}")
    assert page_of(tmp_path).sections == ["outcome", "meshes", "versions"]


def test_it_begins_with_the_verdict_and_has_four_sentences(tmp_path: Path) -> None:
    """Without a verdict the misfit beside its target is the first."""
    run = results(tmp_path / "run", verdict={"sentence": "the fit is good: chi² is 1.2", "readings": 30})
    first, second, *_ = page_of(run).texts["p"][1:]
    assert first == "The fit is good: chi² is 1.2."
    assert second == (
        "The run was asked to recover m, the logarithm of the diffusivity (equation diffusion, mesh "
        "rectangle), from 30 readings, heads (points). It converged after 2 iterations and 3 seconds, "
        "because the energy could not be lowered any more; the relative error against the truth is 0.03. "
        "The readings determine the unknown on 50 % of the domain; elsewhere it is what the regularisation "
        "assumes; the truth lies within the bounds of 90 % at 90 % of the nodes."
    )
    first = page_of(results(tmp_path / "other")).texts["p"][1]
    assert first == "The misfit is 49, where 40 is its target, chi² a reading is 1.23."


def test_every_way_to_end_has_words() -> None:
    """That of a run, and that of growth."""
    assert WHY.keys() == set(get_args(StopReason))
    assert ENDS.keys() == set(get_args(GrowthEnd))


def test_every_picture_of_a_run_is_shown_once(tmp_path: Path) -> None:
    """Whatever a run writes as PNG has its place in the report, with words for those who do not see it."""
    run = results(tmp_path / "run")
    names = sorted({*PICTURES, *(name for name in folders.OURS if re.fullmatch(r"[a-z]+\.png", name))})
    for number, name in enumerate(names):
        (run / name).write_bytes(picture(width=5 + number))
    shown = page_of(run).all("img")
    sizes = [base64.b64decode(each["src"].partition(",")[2])[16:20] for each in shown]
    assert len(set(sizes)) == len(shown) == len(names)
    assert all(each["alt"] for each in shown)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    """In place of it."""
    run = results(tmp_path / "run")
    (run / "posterior.png").write_bytes(b"")
    page = page_of(run)
    assert len(page.all("img")) == len(PICTURES) - 1
    assert "posterior.png cannot be shown here." in page.texts["p"]


def test_nothing_is_loaded_or_run(tmp_path: Path) -> None:
    """Pictures are within the page, links lead into it, the style has no addresses, there are no scripts."""
    page = page_of(results(tmp_path / "run"))
    assert {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
    } == set()
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert tag == "img" or "src" not in attributes
    assert all(each["src"].startswith("data:image/") for each in page.all("img"))
    assert all(each["href"].startswith("#") for each in page.all("a"))
    (style,) = page.texts["style"]
    assert "url(" not in style and "@import" not in style


def test_text_of_files_stays_text(tmp_path: Path) -> None:
    """Names, cells, sentences and keys with tags in them; characters that a page must not have are marked."""
    case = f"name: x\nunknowns:\n  m: {{role: log_a}}\n  {json.dumps(EVIL)}: {{role: {json.dumps(EVIL)}}}\n"
    told = {
        "name": EVIL + "\x00\x1b[31m",
        "status": EVIL,
        "notes": [EVIL],
        "experiments": {EVIL: {"readings": 1, "misfit": 2.0}},
        "seconds": {EVIL: 1.0},
        "versions": {EVIL: EVIL},
        "verdict": {"sentence": EVIL, "advice": [EVIL], "noise": [{"observation": EVIL}]},
    }
    run = results(tmp_path / "run", case, **told)
    write_table(run / "fit.csv", [FIT[-1] | {"observation": EVIL, EVIL: EVIL}])
    write_table(run / "history.csv", [row | {EVIL: EVIL} for row in HISTORY])
    write_table(run / "predictions.csv", [{"name": EVIL, EVIL: EVIL, "value": 1}])
    for runs in ((run,), (run, results(tmp_path / EVIL.replace("/", "-"), case))):
        page = page_of(*runs)
        assert not page.all("script")
        assert page.text.count(EVIL) > 12
        assert not re.search(r"[\x00-\x08\x1b]", (run / "report.html").read_text())


def test_a_page_can_be_read_by_everyone(tmp_path: Path) -> None:
    """A language, one first heading, heads of tables, labels of charts, anchors that are there once."""
    page = page_of(results(tmp_path / "run"))
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    assert all(each["role"] == "img" and each["aria-label"] for each in page.all("svg"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    assert {each["href"][1:] for each in page.all("a")} <= set(names)


def test_phases_have_a_table(tmp_path: Path) -> None:
    """Each with its value and its size; the rest has no size of its own."""
    posterior = {
        "kind": "interfaces", "values": [4.5, 19.5], "values_std": [0.25, 2.5],
        "sizes": [0.5], "sizes_5": [0.25], "sizes_95": [0.75],
    }  # fmt: skip
    page = page_of(results(tmp_path / "run", posterior=posterior))
    assert {"the rest4.50.25–––", "phase 119.52.50.50.250.75"} <= set(page.texts["tr"])
    assert any("the probability of each phase" in each["alt"] for each in page.all("img"))


def test_the_worst_readings_are_named(tmp_path: Path) -> None:
    """Ten of them with where they are, the farthest first; else those of the summary, old or new."""
    run = results(tmp_path / "run")
    rows = [text for text in page_of(run).texts["tr"] if "heads.csv:" in text]
    assert [int(re.findall(r"csv:(\d+)", row)[0]) for row in rows] == [31 - i for i in range(10)]
    assert "(2.9, 0.5)" in rows[0] and "-29" in rows[0]
    (run / "fit.csv").unlink()
    told = fit(np.array([8.5, 0.5]))
    worst = Goodness(fit=told, squares=72.5, count=2.0, freedom=None, known=True).worst(1)
    (run / "summary.json").write_text(json.dumps(SUMMARY | {"verdict": {"worst": worst}}))
    rows = [text for text in page_of(run).texts["tr"] if "heads.csv:2" in text]
    assert len(rows) == 1 and "8.5" in rows[0] and worst[0]["place"] in rows[0] and "place" not in rows[0]
    old = [{"file": "heads.csv", "line": 7, "residual": 8.5}]
    (run / "summary.json").write_text(json.dumps(SUMMARY | {"worst_readings": old}))
    rows = [text for text in page_of(run).texts["tr"] if "heads.csv:7" in text]
    assert len(rows) == 1 and "8.5" in rows[0]


def test_the_chosen_regularisation_stands_out(tmp_path: Path) -> None:
    """In its row and in a sentence with the reason and the best of another kind."""
    page = page_of(results(tmp_path / "run"))
    assert [each.get("class") for each in page.all("tr")].count("marked") == 1
    assert (
        "Chosen was h1 of length 1, weight 0.1, by how it predicts readings that were left out together "
        "(score 1.5; the least of another kind is 1.75, h2 of length 2). The reason: the least score."
    ) in page.texts["p"]


@pytest.mark.parametrize(
    "told, said",
    [
        ({"discretisation": None}, "nothing tells whether it is fine enough"),
        ({}, "The mesh is fine enough for these data."),
        (
            {"discretisation": {"moved": 2.0, "most": 5.0, "halvings": 1}},
            "2 times as many cells along each side",
        ),
    ],
)
def test_it_says_whether_the_mesh_is_fine_enough(told: dict[str, object], said: str, tmp_path: Path) -> None:
    assert said in page_of(results(tmp_path / "run", **told)).text


def test_a_page_is_small_enough(tmp_path: Path) -> None:
    """Large pictures are shrunk, and all of them are still there."""
    run = results(tmp_path / "run")
    for name in PICTURES:
        (run / name).write_bytes(picture(900, 700, noise=True))
    page = page_of(run)
    assert (run / "report.html").stat().st_size <= LARGEST
    assert len(page.all("img")) == len(PICTURES)


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    """Numbers in columns, keys that differ, a line of each in the charts, and all sections of both."""
    other = results(tmp_path / "b", chi2=7.5, levels=None)
    (other / "case.yaml").write_text((other / "case.yaml").read_text().replace("rectangle", "box"))
    page = page_of(results(tmp_path / "a"), other)
    assert page.sections == ["comparison", *PARTS]
    assert "χ² a reading1.237.5" in page.texts["tr"] and "mesh.kindrectanglebox" in page.texts["tr"]
    assert page.texts["h3"] == ["a", "b"] * len(PARTS)
    assert len(page.all("img")) == 2 * len(PICTURES)
    first, *_ = page.texts["svg"]
    assert first.startswith("0") or ("a" in first and "b" in first)


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By their paths; one that stands there twice by its number."""
    runs = [results(tmp_path / name / "run") for name in "ab"]
    assert page_of(*runs).texts["h3"][:2] == [str(run) for run in runs]
    assert page_of(runs[0], runs[0]).texts["h3"][:2] == [f"{i}: {runs[0]}" for i in (1, 2)]


def test_the_citation_is_that_of_the_repository() -> None:
    """What CITATION.cff says of software and paper."""
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    (paper,) = cited["references"]
    said = " ".join(CITATION.split())
    assert cited["authors"][0]["name"] in said and cited["license"] in said and cited["title"] in said
    assert paper["title"] in said and str(paper["year"]) in said and paper["url"] in said
    assert all(each["family-names"] in said for each in paper["authors"])


@pytest.mark.parametrize("content", [None, "", "[1]", "{"])
def test_a_folder_without_a_run_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(NoRun, match=r"summary\.json.*expected the "):
        page_of(tmp_path)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A case that is no YAML, tables that are none, sections of another form."""
    run = results(tmp_path / "run", "[", candidates=3, levels={}, experiments=[1], verdict="?", posterior=0)
    for name in ("history", "fit", "expansions", "predictions"):
        (run / f"{name}.csv").write_bytes(b"\xff\x00\n" + b'"' * 200_000)
    assert "outcome" in page_of(run).sections


NAN = float("nan")


@pytest.mark.parametrize(
    "values",
    [(1.0,), (3.0, 3.0), (0.0, 0.0), (1e-300, 1e99), (1e-99, 1e99), (-5.0, NAN, 2.0), (1, 1 + 1e-15)],
)
def test_a_chart_can_be_drawn_of_any_numbers(values: tuple[float, ...]) -> None:
    """Within its frame, and with numbers at its axes."""
    chart = chart_of(values)
    assert chart.known
    svg = drawing(chart)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    lines = [each.attrib["points"] for each in svg.iter("polyline")]
    places = [float(number) for line in lines for number in re.findall(r"-?[\d.]+", line)]
    assert len(places) >= 4 and min(places) >= 0 and max(places) <= max(width, height)
    assert len(list(svg.iter("text"))) >= 5


@pytest.mark.parametrize("values", [(), (NAN, NAN), (-1e308, 1e308)])
def test_of_nothing_there_is_no_chart(values: tuple[float, ...]) -> None:
    assert not chart_of(values).known


def chart_of(values: tuple[float, ...]) -> Chart:
    line = Line("values", range(len(values)), values)
    return Chart(title="t", horizontal="i", vertical="v", lines=[line])


def test_the_command_makes_it_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a copied folder, or where it is asked for, and says where it is; what is wrong is told."""
    run, other = results(tmp_path / "a"), results(tmp_path / "b")
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    both = tmp_path / "both.html"
    assert main(["report", str(run), str(other), "--out", str(both)]) == 0
    assert Page(both.read_text()).sections[0] == "comparison"
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "found no summary.json" in capsys.readouterr().err
    assert main(["report", str(run), "--out", str(tmp_path)]) == 2
    assert "expected results and a place for their report" in capsys.readouterr().err
    assert main(["report", *13 * [str(run)]]) == 2
    assert "found 13 folders of results, expected at most 12" in capsys.readouterr().err


def test_the_command_takes_no_pipe_and_replaces_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a summary nor for the page."""
    run = results(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run), "--out", "."]) == 2
    assert ".: found a path that cannot be used (it is a directory)" in capsys.readouterr().err
    (run / "summary.json").unlink()
    os.mkfifo(run / "summary.json")
    assert main(["report", str(run)]) == 2
    assert "found no summary.json (a named pipe)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [["laplace"], {"a": 1}, None])
def test_a_posterior_of_an_odd_kind_has_a_page(kind: object, tmp_path: Path) -> None:
    """As a summary of another program may have it."""
    run = results(tmp_path / "a")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "posterior": {"kind": kind}}))
    assert main(["report", str(run)]) == 0
