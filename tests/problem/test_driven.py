"""A state on which nothing acts is zero whatever the unknown is: said before anything is solved."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.case import CaseError, load_case
from app.problem import check

CASE = """\
mesh: {kind: rectangle, cells: [3, 3]}
equation: {kind: diffusion, source: 0, boundary: {rim: {on: all, kind: dirichlet}}}
unknowns: {m: {role: log_diffusivity}}
observations: {heads: {kind: points, file: heads.csv}}
"""
STILL = [
    [],
    ["equation.kind=reaction_diffusion", "unknowns.m.role=log_reaction"],
    ["equation.source=0*1", "equation.boundary.rim.kind=robin", "equation.boundary.rim.transfer=1"],
    ["equation.boundary={rim: {on: right, kind: dirichlet}, left: {on: left, kind: neumann, value: 1 - 1}}"],
]
DRIVEN = [
    ["equation.source=1"],
    ["equation.boundary={rim: {on: right, kind: dirichlet}, left: {on: left, kind: neumann, value: y}}"],
    ["equation.wells.pump={at: [0.4, 0.4], rate: -1}"],
    ["equation.source=null", "unknowns.m.role=source"],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "heads.csv").write_text("x,y,value,sigma\n.3,.2,3,1\n")
    (tmp_path / "case.yaml").write_text(CASE)
    return tmp_path / "case.yaml"


@pytest.mark.parametrize("overrides", STILL, ids=" ".join)
def test_a_state_on_which_nothing_acts_is_refused(path: Path, overrides: list[str]) -> None:
    """By the equation, since each part of it could be the one that was forgotten."""
    with pytest.raises(CaseError, match="equation: found nothing that acts on the state"):
        check(load_case(path, overrides))


@pytest.mark.parametrize("overrides", DRIVEN, ids=" ".join)
def test_one_thing_that_acts_is_enough(path: Path, overrides: list[str]) -> None:
    """A source, a value on the boundary, a well, or the unknown itself."""
    check(load_case(path, overrides))
