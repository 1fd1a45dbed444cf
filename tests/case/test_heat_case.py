"""Cases of the heat equation: what may depend on time, and what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.case import CaseError, Expression, SpaceTimeExpression, check_dimension, effective_yaml, load_case

CASE = """\
mesh: {kind: rectangle, cells: [4, 4]}
equation:
  kind: heat
  source: x*t
  boundary:
    rim: {on: top, kind: robin, transfer: x, value: sin(t)}
  time: {end: 2, steps: 4}
unknowns:
  m: {role: log_diffusivity}
observations:
  heads: {kind: points, file: heads.csv}
"""


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    """A small case, with a data file that is not looked at yet."""
    (tmp_path / "heads.csv").write_text("nothing")
    path = tmp_path / "warm.yaml"
    path.write_text(CASE)
    return path


def test_defaults_are_written_back_and_load_again(case_file: Path, tmp_path: Path) -> None:
    """Backward Euler, 2000 MB, a start left to the equation; expressions keep their time."""
    case = load_case(case_file, ["equation.initial=x*y"])
    heat = case.equation
    assert (heat.scheme, heat.time.memory_limit, heat.degree, heat.capacity) == (
        "backward_euler", 2000, 2, None,
    )  # fmt: skip
    assert heat.source == SpaceTimeExpression("x*t") and heat.initial == Expression("x*y")
    assert heat.boundary["rim"].value.variables == {"t"}
    check_dimension(case, 2)
    again = tmp_path / "again.yaml"
    again.write_text(effective_yaml(case, tmp_path))
    assert load_case(again) == case


def test_nothing_need_be_said_of_the_boundary(case_file: Path) -> None:
    """Without conditions nothing flows, and the start tells the state."""
    assert load_case(case_file, ["equation.boundary={}"]).equation.boundary == {}


BAD = {
    "equation.initial=t": ("equation.initial", "found unknown name 't'"),
    "equation.diffusivity=1 + t": ("equation.diffusivity", "found unknown name 't'"),
    "equation.source=10*z": ("equation.source", "found z in '10*z', expected x, y"),
    "equation.boundary.rim.transfer=t": ("equation.boundary.rim.transfer", "found unknown name 't'"),
    "equation.boundary.rim.kind=absorbing": ("equation.boundary.rim.kind", "expected one of dirichlet, neu"),
    "equation.time.end=0": ("equation.time.end", "found 0, expected a finite number > 0"),
    "equation.time.steps=0": ("equation.time.steps", "found 0, expected an integer >= 1"),
    "equation.time.step=3": ("equation.time.step", "(did you mean 'steps'?)"),
    "equation.time=null": ("equation.time", "found nothing"),
    "equation.scheme=crank": ("equation.scheme", "expected one of backward_euler, crank_nicolson"),
    "equation.kind=diffusion": ("equation.source", "found unknown name 't'"),
}


@pytest.mark.parametrize("override", BAD)
def test_what_a_case_may_not_say_is_told(case_file: Path, override: str) -> None:
    """By key; of a stationary equation nothing depends on time."""
    key, said = BAD[override]
    with pytest.raises(CaseError) as caught:
        load_case(case_file, [override])
    assert any(f" {key}: " in problem and said in problem for problem in caught.value.problems), caught.value
