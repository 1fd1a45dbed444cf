"""Pages in a browser without a window: whether pictures are missing, something sticks out, or is reported."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is there")

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


@dataclass(frozen=True)
class Seen:
    """A page at one width."""

    width: int
    needed: int
    """Pixels that it takes."""
    beyond: list[str]
    """Elements that stick out."""
    shown: int
    """Pictures that are there,"""
    images: int
    """of so many."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing or sticks out."""
        return self.needed <= self.width and not self.beyond and self.shown == self.images


def looked_at(folder: Path, pages: Sequence[Path]) -> tuple[list[Seen], list[str]]:
    """What a browser finds of pages, each at all widths, and what it reports; `folder` is for its files."""
    frame = '<iframe src="{}" style="border: 0; width: {}px; height: 800px"></iframe>'
    frames = "\n".join(frame.format(page.as_uri(), width) for page in pages for width in WIDTHS)
    (folder / "frames.html").write_text(FRAMES.format(frames=frames))
    profile, frames_page = f"--user-data-dir={folder / 'profile'}", (folder / "frames.html").as_uri()
    command = [str(BROWSER), *FLAGS, profile, "--dump-dom", frames_page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert told is not None, done.stderr
    found = [Seen(**each) for each in json.loads(unescape(told[1]))]
    return found, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
