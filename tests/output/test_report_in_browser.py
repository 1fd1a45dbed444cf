"""The report in a browser: no picture is missing, nothing sticks out, nothing is reported as wrong."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mpi4py import MPI
from pages import PICTURES, picture, results

from app.output import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is there"),
    pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="needs one rank"),
]

WIDTHS = (1400, 400)
"""Pixels of a screen and of a telephone."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
    "--disable-web-security", "--allow-file-access-from-files", "--virtual-time-budget=5000",
)  # fmt: skip
"""A browser without a window that writes down what it reports, and lets one file look into another."""

FRAMES = """<!DOCTYPE html>
<html><body><pre id="found"></pre>{frames}
<script>
onload = () => {{
  const found = Array.from(document.querySelectorAll("iframe"), frame => {{
    const page = frame.contentDocument, root = page.documentElement;
    const beyond = Array.from(page.querySelectorAll("h1, h2, h3, p, li, img, svg, figcaption, pre, .scroll"))
      .filter(each => each.getBoundingClientRect().right > root.clientWidth + 1);
    const images = Array.from(page.images);
    return {{
      width: root.clientWidth, needed: root.scrollWidth,
      beyond: beyond.map(each => each.outerHTML.slice(0, 90)),
      shown: images.filter(each => each.complete && each.naturalWidth > 0).length, images: images.length,
    }};
  }});
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script></body></html>
"""
"""A page that shows others at several widths and writes down what it finds there."""


def looked_at(folder: Path, pages: list[Path]) -> tuple[list[dict[str, object]], str]:
    """What a browser finds of pages at all widths, and what it reports."""
    frame = '<iframe src="{}" style="border: 0; width: {}px; height: 800px"></iframe>'
    frames = "\n".join(frame.format(page.as_uri(), width) for page in pages for width in WIDTHS)
    (folder / "frames.html").write_text(FRAMES.format(frames=frames))
    profile, frames_page = f"--user-data-dir={folder / 'profile'}", (folder / "frames.html").as_uri()
    command = [str(BROWSER), *FLAGS, profile, "--dump-dom", frames_page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert told is not None, done.stderr
    return json.loads(told[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), done.stderr


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
    for number, each in enumerate(found):
        count = len(PICTURES) * (1 if number < len(WIDTHS) else 3)
        assert (each["shown"], each["images"]) == (count, count)
        assert each["needed"] == each["width"] == WIDTHS[number % len(WIDTHS)]
        assert each["beyond"] == []
    assert not [line for line in reported.splitlines() if "CONSOLE" in line]
