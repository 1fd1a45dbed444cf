"""The documents say what is so: commands that are understood, keys that exist, links that lead somewhere, and
a tutorial that runs."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import BROWSER, WIDTHS, looked_at
from mpi4py import MPI

from app.__main__ import main
from app.case import load_case, schema
from app.cli import parse
from app.cli.keys import page
from app.cli.run import RUN
from benchmarks.study import NAMES

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
TUTORIAL = ROOT / "docs" / "tutorial.md"

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="needs one rank")


def commands(file: Path) -> Iterator[str]:
    """The command lines of its blocks without a language, or of one of a shell; comments are left out."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    shell = [text for language, text in blocks if language in ("", "console", "bash")]
    for line in "".join(shell).splitlines():
        line = re.sub(r"^(#.*|(\.venv/bin/)?mpirun -n \S+ )", "", line).replace(".venv/bin/python", "python")
        if re.match(r"python -m (app|benchmarks) |make [a-z]", line):
            yield line


LINES = sorted({line for file in DOCS for line in commands(file)})


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_is_understood(line: str) -> None:
    """The command, its options, and keys that are set: on the case that it names or, where that is the
    reader's own, on the quickstart."""
    line = re.sub(r"\$resume", "", line)
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[2] == "benchmarks":
        assert words[3] in (*NAMES, "report", "--help", "STUDY")
    elif words[3] not in ("--help", "--version"):
        command, options = parse(words[3:])
        if command is RUN and "$" not in line:
            given = ROOT / options.case
            load_case(given if given.exists() else ROOT / "cases" / "quickstart.yaml", options.overrides)


def test_every_key_is_told() -> None:
    """docs/keys.md is what `python -m app schema --format markdown` prints; `make schema` writes it."""
    assert (ROOT / "docs" / "keys.md").read_text() == page(schema()) + "\n"


def headings(file: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = file.parent / path if path else file
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def test_a_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: object) -> None:
    """Its commands one after the other, and its case is the shipped one but for the truth."""
    for name in ("cases", "meshes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shown = re.search(r"^```yaml\n(.*?)^```", TUTORIAL.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert shown is not None
    case = tmp_path / "cases" / "aquifer.yaml"
    written = [line for line in case.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in written if "truth:" not in line] == shown.group(1).splitlines()
    monkeypatch.chdir(tmp_path)
    for line in commands(TUTORIAL):
        assert main(shlex.split(line)[3:]) == 0, line
    for name in ("aquifer_values.csv", "aquifer.vtu", "aquifer/predictions.csv", "aquifer/design.csv"):
        assert (tmp_path / "results" / name).exists()


def test_the_documents_are_a_site(tmp_path: Path) -> None:
    """Built by mkdocs without a warning, in which a browser, where there is one, finds nothing amiss."""
    pytest.importorskip("material", reason="mkdocs-material is of the extra docs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    site = tmp_path / "site"
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(site), strict=True))
    assert (site / "index.html").exists()
    if BROWSER:
        pages = sorted(site.glob("*/index.html"))
        found, reported = looked_at(tmp_path, pages)
        for page, number in zip(pages, range(0, len(found), len(WIDTHS)), strict=True):
            assert all(each.whole for each in found[number : number + len(WIDTHS)]), page
        assert not reported
