"""Pages of HTML as tests read them, and made-up results that reports are made of."""

import csv
import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

VOID = {"meta", "img", "br", "hr"}
"""Elements without an end."""

EVIL = "<script>alert('&amp;\"')</script>"
"""What must stay text, wherever it stands."""


class Page(HTMLParser):
    """A page's elements and texts; raises AssertionError where its tags are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"{tag} is closed where it is not open"

    def handle_data(self, data: str) -> None:
        for tag in dict.fromkeys(self._open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of each element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self) -> list[str]:
        """Their names in order."""
        return [each["id"] for each in self.all("section")]

    @property
    def text(self) -> str:
        """All that is read of it."""
        return self.texts["body"][0]


def picture(width: int = 6, height: int = 4, *, noise: bool = False) -> bytes:
    """A PNG."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    kept = BytesIO()
    Image.fromarray(pixels if noise else 0 * pixels).save(kept, "PNG")
    return kept.getvalue()


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """A CSV file of rows with the columns of the first."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


SUMMARY: dict[str, Any] = {
    "name": "made up",
    "status": "converged",
    "stop_reason": "minimum",
    "energy": 60.0,
    "misfit": 49.0,
    "misfit_target": 40.0,
    "chi2": 1.23,
    "regularisation_kind": "h1",
    "regularisation_weight": 0.1,
    "relative_error": 0.03,
    "parameters": 29,
    "widths": [4],
    "outer_iterations": 2,
    "choice_reason": "the least score",
    "candidates": [
        {
            "kind": "h1",
            "length_scale": 1.0,
            "weight": 0.1,
            "score": 1.5,
            "judged_by": "folds",
            "chosen": True,
        },
        {
            "kind": "h2",
            "length_scale": 2.0,
            "weight": 0.2,
            "score": 1.75,
            "judged_by": "folds",
            "chosen": False,
        },
    ],
    "levels": [{"state_dofs": 100, "misfit": 50.0}, {"state_dofs": 400, "misfit": 49.0}],
    "discretisation": {"moved": 0.2, "most": -0.5, "halvings": 0},
    "posterior": {"kind": "laplace", "determined": 0.5, "covered": 0.9, "note": None},
    "wall_seconds": 3.0,
    "seconds": {"startup": 1.0, "solve": 2.0, "chains": 0.0},
    "versions": {"app": "0.2.0", "python": "3.12"},
}
"""Of a run that has something for each section."""

CASE = """\
name: made up
energy: {kind: inverse}
mesh: {kind: rectangle}
equation: {kind: diffusion}
unknowns:
  m: {role: log_diffusivity, truth: x}
observations:
  heads: {kind: points}
"""

HISTORY = [
    {"iteration": i, "energy": e, "misfit": m, "relative_error": 0.1 / (i + 1), "width": 4}
    for i, (e, m) in enumerate([("", 1000.0), (200.0, 150.0), (60.0, 49.0)])
]

FIT = [
    {"experiment": "", "observation": "heads", "file": "heads.csv", "line": i + 2, "x": 0.1 * i, "y": 0.5,
     "read": 1.0, "predicted": 1.0 + 0.01 * i, "sigma": 0.01, "residual": (-1) ** i * i}
    for i in range(30)
]  # fmt: skip

GROWTH = [{"iteration": 1, "round": 1, "neurons": 2, "width": 4, "ended": "reached"}]

PREDICTIONS = [{"name": "flux", "place": "left", "value": 2.5, "sd": 0.1}]

PICTURES = ("coefficient.png", "posterior.png", "fit.png", "expansion.png", "choice.png", "design.png")


def results(folder: Path, case: str = CASE, **more: object) -> Path:
    """A folder with results of a run that was never made; `more` belongs into its summary."""
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(SUMMARY | more))
    (folder / "case.yaml").write_text(case)
    tables = {"history": HISTORY, "fit": FIT, "expansions": GROWTH, "predictions": PREDICTIONS}
    for name, rows in tables.items():
        write_table(folder / f"{name}.csv", rows)
    for name in PICTURES:
        (folder / name).write_bytes(picture())
    return folder
