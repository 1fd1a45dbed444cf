"""A case in a line."""

from __future__ import annotations

import pytest

from app.case import in_a_line, load_case
from app.case.shipped import FOLDER

LINES = {
    "quickstart": "recovering m (log_diffusivity) of diffusion from heads, on 64 x 64 cells",
    "two_unknowns": "recovering k (log_diffusivity), r (log_reaction) of reaction_diffusion from "
    "everywhere.concentration, alternating.concentration, on 48 x 48 cells",
    "helmholtz": "recovering m (log_squared_slowness) of helmholtz from left_low.real, left_low.imaginary, "
    "left_high.real and 5 more, on 48 x 48 cells",
    "lshape": "recovering m (log_diffusivity) of diffusion from heads, on the mesh lshape.msh",
    "trunk": "recovering m (log_resistivity) of electrical_tomography from readings, on a mesh through the "
    "electrodes",
    "smooth": "regression of m, on 64 x 64 cells",
    "ritz_semilinear": "ritz of m, on 1000 cells",
}


@pytest.mark.parametrize("name", LINES)
def test_a_case_is_told_in_a_line(name: str) -> None:
    """What is sought, in what, from what, and on which mesh."""
    assert in_a_line(load_case(FOLDER / f"{name}.yaml")) == f"{name}: {LINES[name]}"
