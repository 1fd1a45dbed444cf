"""Conditions that do not fit the mesh or one another are refused by name; those that do are taken."""

from pathlib import Path

import numpy as np
import pytest
from dolfinx import mesh as dmesh
from mpi4py import MPI

from app.case import CaseError, load_case
from app.mesh import MESHES, TaggedMesh
from app.pde import BoundaryCondition
from app.problem.conditions import conditions

COMM = MPI.COMM_SELF

CASE = """\
mesh: {{kind: rectangle, cells: [4, 4]}}
equation:
  kind: {kind}
  {more}
  boundary:
    base: {{on: bottom, kind: dirichlet}}
    {condition}
unknowns:
  m: {{role: {role}}}
observations:
  heads: {{kind: points, file: heads.csv{component}}}
"""


def conditions_of(
    folder: Path,
    condition: str,
    kind: str = "diffusion",
    more: str = "source: 1",
    role: str = "log_diffusivity",
) -> dict[str, BoundaryCondition]:
    """Of a square with a part inside, one half on the boundary, one without facets."""
    text = CASE.format(
        kind=kind,
        more=more,
        condition=condition,
        role=role,
        component=", component: x" * (kind == "elasticity"),
    )
    (folder / "case.yaml").write_text(text)
    (folder / "heads.csv").write_text("x,y,value\n.5,.5,1\n")
    square = MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [4, 4])
    parts = {
        "wire": lambda x: np.abs(x[1] - 0.5) < 1e-9,
        "hook": lambda x: (np.abs(x[1] - 0.5) < 1e-9) & (x[0] < 0.6) | (np.abs(x[0]) < 1e-9) & (x[1] > 0.4),
        "nowhere": lambda x: x[1] > 2.0,
    }
    located = {name: dmesh.locate_entities(square.mesh, 1, where) for name, where in parts.items()}
    domain = TaggedMesh(square.mesh, {**square.facets, **located})
    case = load_case(folder / "case.yaml")
    return conditions(case, domain, ("x", "y") if kind == "elasticity" else ())


WAVES = {"kind": "helmholtz", "more": "frequency: 3\n  source: 1", "role": "log_squared_slowness"}
BODY = {"kind": "elasticity", "more": "body_force: [0, 1]", "role": "log_youngs_modulus"}


@pytest.mark.parametrize(
    "condition, given, says",
    [
        ("a: {on: nowhere, kind: neumann}", {}, "a.on: found the part 'nowhere' without a facet"),
        ("a: {on: nowhere, kind: dirichlet}", {}, "a.on: found the part 'nowhere' without a facet"),
        ("a: {on: hook, kind: neumann}", {}, "the part 'hook' of 4 facets, of which 2 are inside the domain"),
        ("a: {on: wire, kind: absorbing}", WAVES, "the part 'wire' of 4 facets, of which 4 are inside"),
        (
            "a: {on: [left, bottom], kind: neumann}",
            {},
            "neumann on 4 facets where base (dirichlet) holds too",
        ),
        ("a: {on: all, kind: dirichlet, value: x}", {}, "dirichlet on 4 facets where base (dirichlet)"),
        (
            "a: {on: top, kind: neumann, value: 1}\n    b: {on: all, kind: neumann}",
            {},
            "neumann on 4 facets where base (dirichlet)",
        ),
        (
            "a: {on: top, kind: robin, transfer: 1}\n    b: {on: [left, top], kind: neumann}",
            {},
            "b.on: found neumann on 4 facets where a (robin) holds too",
        ),
        ("a: {on: bottom, kind: neumann, component: x}", BODY, "neumann on 4 facets where base"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, condition: str, given: dict[str, str], says: str
) -> None:
    """By the part's name, with the number of facets, or by the names of both conditions."""
    with pytest.raises(CaseError, match="found") as refused:
        conditions_of(tmp_path, condition, **given)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "condition, given",
    [
        ("a: {on: left, kind: dirichlet, value: 1}", {}),  # the corner is in both
        ("a: {on: all, kind: dirichlet, value: y}", {}),  # as base says
        ("a: {on: hook, kind: dirichlet}", {}),
        ("a: {on: wire, kind: robin, transfer: 1}", {}),
        (
            "a: {on: left, kind: dirichlet, component: x}\n    b: {on: left, kind: neumann, component: y}",
            BODY,
        ),
    ],
)
def test_what_fits_is_taken(tmp_path: Path, condition: str, given: dict[str, str]) -> None:
    """Values that agree where they meet, other components, lines inside."""
    assert "a" in conditions_of(tmp_path, condition, **given)
