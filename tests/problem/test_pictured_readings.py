"""Readings in the picture of the coefficient are coloured as those of fit.csv and fit.png are."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from elliptic import COMM

from app import output
from app.case import load_case
from app.problem import build

CASE = """
mesh: {kind: rectangle, cells: [6, 6]}
equation: {kind: diffusion, source: "10", boundary: {rim: {on: all, kind: dirichlet}}}
unknowns: {m: {role: log_diffusivity, representation: {kind: nodal}}}
regularisation: {m: {kind: h1, weight: cross_validation}}
observations: {heads: {kind: points, file: heads.csv}}
"""


def test_residuals_are_measured_by_the_noise_that_was_found(tmp_path: Path) -> None:
    """Of readings without sigma they have the mean square 1 where a run starts, whatever the unit."""
    (tmp_path / "heads.csv").write_text("x,y,value\n.2,.3,400\n.5,.5,600\n.7,.1,300\n")
    (tmp_path / "case.yaml").write_text(CASE)
    pictured = Mock(return_value=None)
    with build(load_case(tmp_path / "case.yaml"), COMM) as problem, pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "draw_fields", pictured)
        state = problem.complete(problem.start())
        problem.report.write(state, tmp_path, output.Losses(), None)
    readings = pictured.call_args.args[3]
    assert np.sqrt(np.mean(readings.residuals**2)) == pytest.approx(1.0)
