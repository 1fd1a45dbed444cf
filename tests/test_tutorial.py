"""The tutorial of the program from Python runs as it stands, alone and on two ranks, and its notebook is made
from it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from mpi4py import MPI
from test_parallel_runs import TIMEOUT, environment, mpirun

ROOT = Path(__file__).parents[1]
TUTORIAL, NOTEBOOK = ROOT / "docs" / "python.md", ROOT / "docs" / "tutorial.ipynb"

ALONE = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts its own ranks")


def parts(text: str) -> list[tuple[str, str]]:
    """The text as cells of a notebook, (kind, source): Markdown and, without its fences, Python, in order."""
    pieces = re.split(r"^```python\n(.*?)^```\n", text, flags=re.DOTALL | re.MULTILINE)
    kinds = ("markdown", "code") * len(pieces)
    return [(kind, piece.strip("\n")) for kind, piece in zip(kinds, pieces, strict=False) if piece.strip()]


def notebook(text: str) -> str:
    """A notebook (nbformat 4.5, JSON) of a Markdown text, without outputs."""
    cells: list[dict[str, Any]] = []
    for number, (kind, source) in enumerate(parts(text)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell | {"source": source.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    told = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def blocks() -> list[str]:
    """The tutorial's Python, in order."""
    return [source for kind, source in parts(TUTORIAL.read_text()) if kind == "code"]


def place(folder: Path) -> Path:
    """A folder in which the tutorial finds the cases, and may write."""
    (folder / "cases").symlink_to(ROOT / "cases")
    return folder


@ALONE
def test_the_tutorial_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All blocks in order in one namespace; each prints, draws or asserts something."""
    monkeypatch.chdir(place(tmp_path))
    matplotlib.use("Agg")
    namespace: dict[str, Any] = {}
    for number, block in enumerate(blocks(), 1):
        exec(compile(block, f"{TUTORIAL.name}, block {number}", "exec"), namespace)
        assert capsys.readouterr().out or "assert" in block or "plt." in block, block
    assert (tmp_path / "results" / "tutorial" / "coarse" / "summary.json").exists()


@pytest.mark.slow
@ALONE
def test_the_tutorial_runs_on_two_ranks(tmp_path: Path) -> None:
    """As one script, `mpirun -n 2 python script.py`."""
    script = place(tmp_path) / "script.py"
    script.write_text("\n".join([*blocks(), "assert comm.size == 2"]))
    here = environment() | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    command = [mpirun(), "-n", "2", sys.executable, str(script)]
    done = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr


def test_the_notebook_is_made_from_the_tutorial() -> None:
    """Cell for cell; `python tests/test_tutorial.py` writes it."""
    assert NOTEBOOK.read_text() == notebook(TUTORIAL.read_text())


def test_a_notebook_has_the_text_and_the_blocks_in_order() -> None:
    """Other languages' blocks stay text."""
    text = "# A\n\n```python\na = 1\n\nb = 2\n```\n\nthen\n\n```yaml\nx: 1\n```\n\n```python\nb\n```\n"
    cells = json.loads(notebook(text))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown", "code"]
    assert ["".join(cell["source"]) for cell in cells] == [
        "# A",
        "a = 1\n\nb = 2",
        "then\n\n```yaml\nx: 1\n```",
        "b",
    ]


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(TUTORIAL.read_text()))
