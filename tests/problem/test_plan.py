"""What a check says and draws of a case before it runs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elliptic import COMM
from mpi4py import MPI

from app.case import load_case
from app.output import draw_check
from app.problem import check

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="draws, serially")

HEADS = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n.7,.1,.3,.02\n"

CASE = """
mesh: {kind: rectangle, upper: [2, 1], cells: [8, 4]}
equation: {kind: diffusion, source: "10", boundary: {rim: {on: [x_min, top], kind: dirichlet}}}
unknowns: {m: {role: log_diffusivity}}
observations: {heads: {kind: points, file: heads.csv}}
"""

SAID = (
    "equation: diffusion, Stationary diffusion, -div(k T grad u) = source",
    "mesh: (0, 0) to (2, 1), cells 0.354 across",
    "mesh: part left (x_min): 4 facets of length 1",
    "mesh: part top (y_max): 8 facets of length 2",
    "condition rim: dirichlet on x_min, top",
    "state: 153 unknowns, of degree 2",
    "unknown m: log_diffusivity at 45 nodes, a network that starts with 4 neurons and grows; from 0",
    "observation heads: 3 readings (heads.csv), 0.3 to 0.6, at (0.2, 0.1) to (0.7, 0.5); sigma 0.01, "
    "3.3 % of their range",
    "regularisation of m: chosen from the data, weight by cross_validation",
)


def test_the_plan_says_what_a_run_would_do(tmp_path: Path) -> None:
    """Mesh, conditions, unknowns, readings with their place and noise, and memory."""
    (tmp_path / "heads.csv").write_text(HEADS)
    (tmp_path / "case.yaml").write_text(CASE)
    plan = check(load_case(tmp_path / "case.yaml"), COMM)
    assert set(SAID) <= set(plan.lines), "\n".join(plan.lines)
    assert any(line.startswith("memory: at least ") for line in plan.lines)
    assert plan.sensors["heads"].shape == (3, 2)


@pytest.mark.parametrize(
    "mesh",
    ["{kind: interval, cells: 8}", "{kind: rectangle, cells: [8, 8]}", "{kind: box, cells: [2, 2, 2]}"],
)
def test_the_picture_is_drawn_in_every_dimension(tmp_path: Path, mesh: str) -> None:
    """A PNG of a legible size."""
    (tmp_path / "heads.csv").write_text("x,y,z,value,sigma\n.2,.3,.3,.4,.01\n.5,.5,.5,.6,.01\n")
    (tmp_path / "case.yaml").write_text(CASE.replace("{kind: rectangle, upper: [2, 1], cells: [8, 4]}", mesh))
    overrides = ["equation.boundary.rim.on=all"]
    plan = check(load_case(tmp_path / "case.yaml", overrides), COMM)
    assert plan.domain is not None
    assert draw_check(tmp_path / "check.png", plan.domain, plan.sensors) is None
    width, height = struct.unpack(">II", (tmp_path / "check.png").read_bytes()[16:24])
    assert width > 800 and height > 250


def test_an_observation_may_be_left_out_whole(tmp_path: Path) -> None:
    """Where the state is given at all of its places: the plan says so, as the case can be run."""
    (tmp_path / "heads.csv").write_text(HEADS)
    (tmp_path / "held.csv").write_text("x,y,value,sigma\n0,.2,0,.01\n0,.6,0,.01\n")
    both = "held: {kind: points, file: held.csv}, heads: {"
    (tmp_path / "case.yaml").write_text(CASE.replace("heads: {", both))
    plan = check(load_case(tmp_path / "case.yaml"), COMM)
    assert "observation held: no reading that a coefficient changes" in plan.lines
    assert plan.sensors["held"].shape == (0, 2) and plan.sensors["heads"].shape == (3, 2)
    assert plan.domain is not None
    assert draw_check(tmp_path / "check.png", plan.domain, plan.sensors) is None
