"""What is said and drawn of a posterior."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elliptic import box_space

from app.output import draw_posterior
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


@pytest.mark.parametrize("dimension", [1, 2])
def test_what_is_little_resolved_is_veiled(dimension: int, tmp_path: Path) -> None:
    """The picture changes with what is resolved, and is grey in more places where less is."""
    from PIL import Image

    space = box_space(dimension, 8, 1)
    x = space.coordinates[:, 0]
    grey = {}
    for resolved in (0.0, 1.0):
        rows = [{"m": np.sin(3 * x), "std": 0.1 + x, "resolved": np.full(len(x), resolved)}]
        path = tmp_path / f"{resolved}.png"
        assert draw_posterior(path, space.space, rows, np.full((1, dimension), 0.5)) is None
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        grey[resolved] = np.mean((np.ptp(pixels, axis=2) < 40) & (pixels.sum(axis=2) < 720))
    assert grey[0.0] > grey[1.0] + 0.1
