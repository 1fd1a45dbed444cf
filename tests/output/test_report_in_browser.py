"""The report in a browser: no picture is missing, nothing sticks out, nothing is reported as wrong."""

from pathlib import Path

import pytest
from browser import WIDTHS, looked_at, needs_browser
from mpi4py import MPI
from pages import PICTURES, picture, results

from app.output import write_report

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="needs one rank")


@needs_browser
def test_pages_fit_and_show_everything(tmp_path: Path) -> None:
    """One run and three side by side, with long names, on a screen and on a telephone."""
    case = (
        "name: x\nunknowns:\n  m: {role: log_diffusivity}\nobservations:\n  "
        + 60 * "n"
        + ": {kind: points}\n"
    )
    runs = [results(tmp_path / (80 * name), case, name=name * 90, status="s" * 70) for name in "abc"]
    for run in runs:
        (run / "coefficient.png").write_bytes(picture(2400, 300))
    pages = [tmp_path / "one.html", tmp_path / "three.html"]
    write_report(pages[0], runs[:1])
    write_report(pages[1], runs)
    found, reported = looked_at(tmp_path, pages)
    assert [each.width for each in found] == [*WIDTHS, *WIDTHS]
    assert [each.images for each in found] == [len(PICTURES)] * 2 + [3 * len(PICTURES)] * 2
    assert all(each.whole for each in found), found
    assert not reported
