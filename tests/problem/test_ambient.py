"""A Robin condition by the state outside is one by the flux transfer * ambient, whatever the equation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.case import CaseError, load_case
from app.problem import build

CASE = """\
mesh: {{kind: rectangle, cells: [4, 4]}}
equation:
  kind: {kind}
  {more}
  boundary:
    base: {{on: bottom, kind: dirichlet}}
    river: {{on: right, kind: robin, transfer: 2 + y, {said}}}
unknowns:
  m: {{role: {role}}}
observations:
  heads: {{kind: points, file: heads.csv{component}}}
"""

RITZ = """\
mesh: {{kind: interval, cells: 20}}
energy:
  kind: ritz
  functional: semilinear
  boundary:
    base: {{on: left, kind: dirichlet}}
    river: {{on: right, kind: robin, transfer: 2 + x, {said}}}
"""

EQUATIONS = {
    "diffusion": ("diffusion", "source: 1", "log_diffusivity", "", "1 - y", "(2 + y)*(1 - y)"),
    "heat": (
        "heat",
        "source: 1\n  time: {end: 1, steps: 4}",
        "log_diffusivity",
        "",
        "1 + t*y",
        "(2 + y)*(1 + t*y)",
    ),
    "elasticity": (
        "elasticity",
        "body_force: [0, -1]",
        "log_youngs_modulus",
        ", component: x",
        "[1, y]",
        "[2 + y, (2 + y)*y]",
    ),
}
"""Kind, what else it needs, the role, the component; the state outside, and the flux that is the same."""


def readings(folder: Path, name: str, said: str) -> np.ndarray:
    """Of the state where a run starts."""
    kind, more, role, component, *_ = EQUATIONS[name]
    text = CASE.format(kind=kind, more=more, said=said, role=role, component=component)
    (folder / "case.yaml").write_text(text)
    header, time = ("x,y,t,value,sigma", "1,") if kind == "heat" else ("x,y,value,sigma", "")
    (folder / "heads.csv").write_text(f"{header}\n.8,.4,{time}1,1\n.5,.9,{time}1,1\n")
    with build(load_case(folder / "case.yaml")) as problem:
        assert problem.at_start is not None
        return np.array(problem.at_start.forward.readings)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_state_outside_is_the_flux_by_the_transfer(tmp_path: Path, name: str) -> None:
    """The same readings to rounding, which are others than with the state taken for the flux."""
    *_, ambient, value = EQUATIONS[name]
    outside, flux, mistaken = (
        readings(tmp_path, name, f"{key}: {said}")
        for key, said in (("ambient", ambient), ("value", value), ("value", ambient))
    )
    np.testing.assert_allclose(outside, flux, rtol=1e-12)
    assert np.abs(outside - mistaken).max() > 1e-2 * np.abs(outside).max()


def test_of_a_variational_problem_too(tmp_path: Path) -> None:
    """The energies of the start are the same."""
    values = []
    for said in ("ambient: 3", "value: 3*(2 + x)"):
        (tmp_path / "case.yaml").write_text(RITZ.format(said=said))
        with build(load_case(tmp_path / "case.yaml")) as problem:
            start = problem.minimisation.start.values()
            values.append(problem.minimisation.energy.at(start + 0.1).value)
    assert values[0] == pytest.approx(values[1], rel=1e-12)


@pytest.mark.parametrize(
    "said, says",
    [
        ("ambient: 1, value: 2", "river.ambient: found ambient beside value, expected one of them"),
        ("ambient: [1, 2]", "river.ambient: found a list of 2 expressions, expected no list"),
    ],
)
def test_what_says_it_twice_is_refused(tmp_path: Path, said: str, says: str) -> None:
    """By its key."""
    with pytest.raises(CaseError) as refused:
        readings(tmp_path, "diffusion", said)
    assert says in str(refused.value)


@pytest.mark.parametrize("kind", ["dirichlet", "neumann"])
def test_other_conditions_have_none(tmp_path: Path, kind: str) -> None:
    """They name the state or the flux by the value."""
    text = CASE.format(kind="diffusion", more="source: 1", said="", role="log_diffusivity", component="")
    text = text.replace("kind: robin, transfer: 2 + y, ", f"kind: {kind}, ambient: 1")
    (tmp_path / "case.yaml").write_text(text)
    (tmp_path / "heads.csv").write_text("x,y,value,sigma\n.8,.4,1,1\n")
    with pytest.raises(CaseError, match=f"ambient: found {kind} with ambient, expected it with robin only"):
        load_case(tmp_path / "case.yaml")
