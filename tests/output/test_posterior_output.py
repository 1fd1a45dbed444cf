"""What is said and drawn of a posterior."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elliptic import box_space

from app.output import Look, Quantity, Uncertain, draw_interfaces, draw_posterior
from app.output.posterior import posterior_lines

TOLD: dict[str, Any] = {
    "kind": "laplace",
    "determined": 0.83,
    "freedom": 21.44,
    "information": 50.1,
    "note": None,
}


def test_a_line_says_what_the_data_determine() -> None:
    """On which share of the domain, of several unknowns of each, with what is to be known of it."""
    (line,) = posterior_lines({"posterior": TOLD})
    assert "determine the unknown on 83% of the domain" in line
    assert "21.4 degrees of freedom, 50.1 nats" in line and ";" not in line
    (line,) = posterior_lines({"posterior": TOLD | {"determined": {"k": 1.0, "r": 0.5}, "note": "R is held"}})
    assert "k on 100%, r on 50% of the domain" in line and line.endswith("; R is held")


def test_where_there_is_none_the_line_says_why() -> None:
    """And there is none of an energy without readings."""
    assert posterior_lines({}) == []
    assert posterior_lines({"posterior": {"kind": "none", "note": "no prior"}}) == [
        "posterior: none; no prior"
    ]


INTERFACES: dict[str, Any] = {
    "kind": "interfaces",
    "draws": 100,
    "measure": 1.0,
    "sizes": [0.118, 0.0981],
    "sizes_5": [0.1045, 0.088],
    "sizes_95": [0.131, 0.112],
    "values": [0.0, 1.043, -0.988],
    "values_std": [0.0, 0.037, 0.044],
    "note": None,
}


def test_a_line_says_how_large_phases_are() -> None:
    """Between which bounds, and which value each has."""
    (line,) = posterior_lines({"posterior": INTERFACES | {"note": "the mesh is coarse"}})
    assert line.startswith(
        "posterior: phase 1 (1.04, sd 0.037) covers 0.118 (0.104 to 0.131), phase 2 (-0.988,"
    )
    assert "of 1, the rest is 0 (sd 0)" in line and line.endswith("; the mesh is coarse")


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("certain", [True, False])
def test_interfaces_are_drawn(dimension: int, certain: bool, tmp_path: Path) -> None:
    """Where a phase is as likely as not, and nothing where it is nowhere."""
    space = box_space(dimension, 8 if dimension < 3 else 4, 1)
    x = space.coordinates[:, 0]
    likely = np.zeros(len(x)) if certain else x
    beside = {"probability of phase 1": likely, "probability of phase 2": 1 - likely}
    row = Uncertain(Quantity("m"), x, 0.1 + x, x, beside)
    path = tmp_path / "posterior.png"
    assert draw_interfaces(path, space.space, [row], np.full((1, dimension), 0.5), Look()) is None
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_what_is_little_resolved_is_veiled(dimension: int, tmp_path: Path) -> None:
    """The picture changes with what is resolved, and is grey in more places where less is."""
    from PIL import Image

    space = box_space(dimension, 8 if dimension < 3 else 4, 1)
    x = space.coordinates[:, 0]
    grey = {}
    for resolved in (0.0, 1.0):
        rows = [Uncertain(Quantity("m"), np.sin(3 * x), 0.1 + x, np.full(len(x), resolved), {})]
        path = tmp_path / f"{resolved}.png"
        assert draw_posterior(path, space.space, rows, np.full((1, dimension), 0.5), Look()) is None
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        grey[resolved] = np.mean((np.ptp(pixels, axis=2) < 40) & (pixels.sum(axis=2) < 720))
    assert grey[0.0] > grey[1.0] + 0.1
