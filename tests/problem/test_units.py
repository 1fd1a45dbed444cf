"""A run gives the same answer in any unit of length and from any origin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import api
from app.case import load_case

CELLS = 6

HELD = '{on: bottom, kind: dirichlet, value: "0"}'

EQUATIONS: dict[str, Callable[[float], str]] = {
    "diffusion": lambda s: f'source: "{s**-2}", boundary: {{a: {HELD}}}',
    "advection_diffusion": lambda s: (
        f'source: "{s**-2}", velocity: ["{2 / s}", "0"], '
        f'boundary: {{a: {HELD}, b: {{on: top, kind: robin, value: "0", transfer: "{3 / s}"}}}}'
    ),
    "elasticity": lambda s: (
        f'boundary: {{a: {HELD}, b: {{on: top, kind: neumann, value: ["{0.3 / s}", "{1 / s}"]}}}}'
    ),
    "helmholtz": lambda s: f'frequency: {2 / s!r}, source: "{s**-2}", boundary: {{a: {HELD}}}',
    "heat": lambda s: f'source: "{s**-2}", time: {{end: {s**2!r}, steps: 3}}, boundary: {{a: {HELD}}}',
}
"""What each equation is given on a square whose sides have this length, so that the state is the same."""

ROLES = {"elasticity": "log_youngs_modulus", "helmholtz": "log_squared_slowness"}

OBSERVED = {"elasticity": ", component: y", "helmholtz": ", component: real"}

PLACES = {"nanometres": (1e-9, 0.0), "map coordinates": (100.0, 4.5e6), "vast": (1e7, 1e7)}
"""Length of the unit, and the origin in both directions."""

TRIED = [
    ("diffusion", "map coordinates"),
    ("advection_diffusion", "vast"),
    ("elasticity", "nanometres"),
    ("helmholtz", "map coordinates"),
    ("heat", "nanometres"),
]
"""Each is compiled anew, since its numbers are others."""


def answer(folder: Path, kind: str, unit: float, origin: float) -> np.ndarray:
    """Misfits of two iterations and the error after them."""
    points = np.random.default_rng(2).uniform(0.1, 0.9, (10, 2))
    columns = [*(origin + unit * points).T]
    if kind == "heat":
        columns.append(np.linspace(0.3, 1.0, 10) * unit**2)
    columns += [0.1 + 0.1 * np.sin(7 * points[:, 0]), np.full(10, 0.02)]
    names = "x,y,t,value,sigma" if kind == "heat" else "x,y,value,sigma"
    np.savetxt(
        folder / "u.csv", np.column_stack(columns), delimiter=",", header=names, comments="", fmt="%.17g"
    )
    corners = f"lower: [{origin!r}, {origin!r}], upper: [{origin + unit!r}, {origin + unit!r}]"
    (folder / "case.yaml").write_text(
        f"name: units\nmesh: {{kind: rectangle, {corners}, cells: [{CELLS}, {CELLS}]}}\n"
        f"equation: {{kind: {kind}, {EQUATIONS[kind](unit)}}}\n"
        f"unknowns: {{m: {{role: {ROLES.get(kind, 'log_diffusivity')}, representation: {{kind: nodal}}, "
        f'truth: "0.4 + 0.1*sin(3*(x - {origin!r})/{unit!r})"}}}}\n'
        "regularisation: {m: {kind: h1}}\n"
        f"observations: {{u: {{kind: points, file: u.csv{OBSERVED.get(kind, '')}}}}}\n"
        "flow: {max_iterations: 2}\n"
    )
    with api.build(load_case(folder / "case.yaml")) as problem:
        solution = api.solve(problem)
        rows = [row.misfit for row in solution.history]
        return np.array([*rows, solution.summary["relative_error"]])


@pytest.mark.parametrize("kind, place", TRIED)
def test_a_run_is_the_same_in_any_unit_and_anywhere(tmp_path: Path, kind: str, place: str) -> None:
    """Misfits and the error to 1e-6; the mesh's sides, the places of readings and the lengths follow."""
    plain = answer(tmp_path, kind, 1.0, 0.0)
    assert len(plain) >= 3
    np.testing.assert_allclose(answer(tmp_path, kind, *PLACES[place]), plain, rtol=1e-6)
