"""Bad inputs, each a good case gone bad in one way, and what the message about it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CASE = """\
mesh: {kind: rectangle, cells: [6, 6]}
equation:
  kind: diffusion
  source: 10
  boundary:
    rim: {on: all, kind: dirichlet}
unknowns:
  m: {role: log_diffusivity, truth: "x*y"}
observations:
  heads: {kind: points, file: heads.csv}
"""
READINGS = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n.7,.1,.3,.01\n"


def msh(nodes: Sequence[tuple[float, float, float]], cells: Sequence[str], dimension: int) -> str:
    """A gmsh 2.2 file with one physical group `domain` of the given cells."""
    points = [f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(nodes, 1)]
    elements = [f"{i} {cell}" for i, cell in enumerate(cells, 1)]
    return "\n".join([
        "$MeshFormat", "2.2 0 8", "$EndMeshFormat",
        "$PhysicalNames", "1", f'{dimension} 1 "domain"', "$EndPhysicalNames",
        "$Nodes", str(len(points)), *points, "$EndNodes",
        "$Elements", str(len(elements)), *elements, "$EndElements", "",
    ])  # fmt: skip


TRIANGLE, LINE = "2 2 1 1 {}", "1 2 1 1 {}"  # type, two tags (physical group 1, entity 1), nodes
SQUARE = [TRIANGLE.format("1 2 3"), TRIANGLE.format("1 3 4")]
FLAT = msh([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], SQUARE, 2)
BENT = msh([(0, 0, 0), (1, 0, 0), (1, 1, 1), (0, 1, 0)], SQUARE, 2)
CURVED = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0.5, -0.2, 0), (0.3, 0.8, 0), (0.2, 0.7, 0)]
FOLDED = msh(CURVED, ["9 2 1 1 1 2 3 4 5 6"], 2)
"""In order at its nodes, not between them."""
STRING = msh([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [LINE.format("1 2"), LINE.format("2 3")], 1)


ROLE_OF_CUSTOM = ("log_diffusivity", "coefficient")


@dataclass(frozen=True)
class Bad:
    """How a good case goes bad: text replaced in it, files rewritten (None: removed), --set."""

    says: tuple[str, ...]
    """What the message contains, `{}` being the case's folder."""
    case: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str | None], ...] = ()
    overrides: tuple[str, ...] = ()
    lines: int = 1
    """Problems told, one line each."""
    late: bool = False
    """Seen by the first solve only, when the folder has been made."""
    gmsh: bool = False
    words: tuple[str, ...] = ()
    """Further words of the command line."""

    def write(self, folder: Path) -> list[str]:
        """Write the case into the folder and return the command line's words."""
        text = CASE
        for old, new in self.case:
            assert old in text
            text = text.replace(old, new)
        for name, content in {"case.yaml": text, "heads.csv": READINGS, **dict(self.files)}.items():
            if content is not None:
                (folder / name).write_text(content)
        settings = [w for o in self.overrides for w in ("--set", o)]
        return [str(folder / "case.yaml"), *settings, *self.words]


def readings(text: str, *says: str, lines: int = 1) -> Bad:
    """Bad data."""
    return Bad(says, files=(("heads.csv", text),), lines=lines)


def elastic(says: str, *case: tuple[str, str]) -> Bad:
    """A bad case of linear elasticity."""
    kind = ("kind: diffusion\n  source: 10", "kind: elasticity")
    return Bad((says,), (kind, ("log_diffusivity", "log_youngs_modulus"), *case))


def heat(says: str, *case: tuple[str, str], time: str = "0.5") -> Bad:
    """A bad case of the heat equation, with readings up to a time."""
    kind = ("kind: diffusion", "kind: heat\n  time: {end: 1, steps: 4}")
    text = f"x,y,t,value,sigma\n.2,.3,0,.4,.01\n.5,.5,{time},.6,.01\n"
    return Bad((says,), (kind, *case), (("heads.csv", text),))


def mesh_file(content: str, *says: str, case: tuple[tuple[str, str], ...] = ()) -> Bad:
    """A case with a mesh from a file."""
    replaced = (("{kind: rectangle, cells: [6, 6]}", "{kind: file, file: mesh.msh}"), *case)
    return Bad(says, replaced, (("mesh.msh", content),), gmsh=True)


TABLE = {
    "no case file": Bad(("{}/case.yaml", "no such file"), files=(("case.yaml", None),)),
    "not YAML": Bad(("{}/case.yaml:", "not YAML"), (("[6, 6]}", "[6, 6"),)),
    "unknown key": Bad(("{}/case.yaml:8", "unknowns.m", "thruth", "'truth'"), (("truth:", "thruth:"),)),
    "unknown key for a needed one": Bad(("{}/case.yaml:4", "sorce", "'source'"), (("source:", "sorce:"),)),
    "wrong type": Bad(("{}/case.yaml:1", "mesh.cells", "many"), (("cells: [6, 6]", "cells: [6, many]"),)),
    "unknown name in an expression": Bad(("{}/case.yaml:4", "equation.source", "w"), (("10", "1 + w"),)),
    "attribute in an expression": Bad(("{}/case.yaml:4", "equation.source"), (("10", "x.__class__"),)),
    "z in the plane": Bad(("{}/case.yaml:8", "unknowns.m.truth", "z"), (("x*y", "x*z"),)),
    "unknown tag": Bad(
        ("{}/case.yaml:6", "equation.boundary.rim.on", "'lid'", "bottom", "left", "right", "top"),
        (("on: all", "on: lid"),),
    ),
    "no data file": Bad(("{}/case.yaml:10", "heads.csv"), files=(("heads.csv", None),)),
    "empty data file": readings("", "{}/heads.csv", "empty", "x, y, value"),
    "missing column": readings("x,value\n.1,.2\n", "{}/heads.csv:1", "y"),
    "text for a number": readings(
        READINGS.replace(".6", "high"), "{}/heads.csv:3", "value", "high", "a number"
    ),
    "NaN": readings(READINGS.replace(".6", "nan"), "{}/heads.csv:3", "value", "nan", "finite"),
    "misfit overflows": readings(READINGS.replace(".3,.01", "1e14,1e-300"), "{}/heads.csv", "overflows"),
    "sigma of zero": readings(READINGS.replace(".3,.01", ".3,0"), "{}/heads.csv:4", "sigma", "> 0"),
    "two bad readings": readings(
        READINGS.replace(".6", "nan").replace(".4", "?"), "{}/heads.csv:2", "{}/heads.csv:3", lines=2
    ),
    "point outside the mesh": readings(
        READINGS.replace(".7,.1", ".7,1.1"), "{}/heads.csv:4", "outside", "0.1"
    ),
    "--set of an unknown key": Bad(
        ("--set flow.max_iteration", "max_iterations"), overrides=("flow.max_iteration=3",)
    ),
    "--set without a value": Bad(("--set 'seed'", "="), overrides=("seed",)),
    "reference outside the bounds": Bad(
        ("{}/case.yaml:8", "unknowns.m.reference"),
        (("truth", "reference: 4*x, representation: {transform: {kind: bounded, low: -1, high: 1}}, truth"),),
    ),
    "truth that is not finite": Bad(
        ("{}/case.yaml:8", "unknowns.m.truth", "finite"), (("x*y", "log(x - 2)"),)
    ),
    "truth of zero": Bad(("{}/case.yaml:8", "unknowns.m.truth"), (("x*y", "0*x"),)),
    "source that is not finite": Bad(("{}/case.yaml:",), (("10", "log(x - 2)"),), late=True),
    "reference without a state": Bad(("{}/case.yaml:",), (("truth", "reference: -2000, truth"),), late=True),
    "no source": Bad(("{}/case.yaml:2: equation.source: found nothing",), (("  source: 10\n", ""),)),
    "source both given and unknown": Bad(
        ("{}/case.yaml:4: equation.source: found the term source beside", "none: it is the unknown"),
        (("log_diffusivity", "source"),),
    ),
    "role that the equation does not know": Bad(
        (
            "{}/case.yaml:8: unknowns.m.role: found log_reaction, expected one of",
            "with the equation diffusion",
        ),
        (("log_diffusivity", "log_reaction"),),
    ),
    "unknown flux without a place": Bad(
        ("{}/case.yaml:8: unknowns.m.on", "the parts of the boundary with the unknown flux"),
        (("log_diffusivity", "boundary_flux"),),
    ),
    "place of what is everywhere": Bad(
        ("{}/case.yaml:8: unknowns.m.on", "for the role log_diffusivity, expected none"),
        (("log_diffusivity", "log_diffusivity, on: top"),),
    ),
    "unknown flux where the state is given": Bad(
        ("{}/case.yaml:8: unknowns.m.on", "the dirichlet condition rim holds"),
        (("log_diffusivity", "boundary_flux, on: top"),),
    ),
    "unknown flux on a missing part": Bad(
        (
            "{}/case.yaml:8: unknowns.m.on",
            "'lid'",
            "all, bottom (y_min), left (x_min), right (x_max), top (y_max)",
        ),
        (("log_diffusivity", "boundary_flux, on: lid"),),
    ),
    "second unknown that the equation does not know": Bad(
        ("{}/case.yaml:9: unknowns.n.role: found log_reaction, expected one of",),
        (('"x*y"}', '"x*y"}\n  n: {role: log_reaction}'),),
    ),
    "known in a region that is not there": mesh_file(
        FLAT,
        "{}/case.yaml:8: unknowns.m.known.on: the mesh has no region 'wall'; it has domain",
        case=(("log_diffusivity", "log_diffusivity, known: {on: wall, value: 1}"),),
    ),
    "known on a mesh without regions": Bad(
        ("{}/case.yaml:8: unknowns.m.known.on: the mesh has no region 'wall'; only mesh files have regions",),
        (("log_diffusivity", "log_diffusivity, known: {on: wall, value: 1}"),),
    ),
    "known everywhere": mesh_file(
        FLAT,
        "{}/case.yaml:8: unknowns.m.known.on: found all of the mesh, expected a part of it",
        case=(("log_diffusivity", "log_diffusivity, known: {on: domain, value: 1}"),),
    ),
    "velocity of another dimension": Bad(
        ("{}/case.yaml:4: equation.velocity: found 1 expression, expected 2",),
        (("source: 10", "velocity: [1]\n  source: 10"), ("kind: diffusion", "kind: advection_diffusion")),
    ),
    "tensor of another dimension": Bad(
        ("{}/case.yaml:4: equation.anisotropy: found rows of 1, expected 2 rows of 2",),
        (("source: 10", "anisotropy: [[1]]\n  source: 10"),),
    ),
    "tensor that is not symmetric": Bad(
        ("{}/case.yaml:4: equation.anisotropy: found a matrix that is not symmetric",),
        (("source: 10", "anisotropy: [[1, x], [0, 1]]\n  source: 10"),),
    ),
    "tensor that is not positive": Bad(
        ("{}/case.yaml:4: equation.anisotropy: found the eigenvalue -1",),
        (("source: 10", "anisotropy: [[1, 2], [2, 1]]\n  source: 10"),),
    ),
    "robin without a transfer": Bad(
        ("{}/case.yaml:6: equation.boundary.rim.transfer: found robin without",), (("dirichlet", "robin"),)
    ),
    "exponent of no p-Laplacian": Bad(
        ("{}/case.yaml:4: equation.exponent: found 1, expected a finite number > 1",),
        (("source: 10", "exponent: 1\n  source: 10"), ("kind: diffusion", "kind: p_laplacian")),
    ),
    "component of a state that has one": Bad(
        (
            "{}/case.yaml:10: observations.heads.component: found x, expected none",
            "the state has one component",
        ),
        (("heads.csv", "heads.csv, component: x"),),
    ),
    "component not said": elastic(
        "{}/case.yaml:9: observations.heads.component: found nothing, expected one of x, y"
    ),
    "z of a displacement in the plane": elastic(
        "{}/case.yaml:5: equation.boundary.rim.component: found z, expected one of x, y",
        ("dirichlet", "dirichlet, component: z"),
    ),
    "values of another number": elastic(
        "{}/case.yaml:5: equation.boundary.rim.value: found a list of 1 expression, expected one",
        ("dirichlet", "dirichlet, value: [1]"),
    ),
    "list of values for a scalar": Bad(
        ("{}/case.yaml:6: equation.boundary.rim.value: found a list of 2 expressions, expected no list",),
        (("dirichlet", "dirichlet, value: [1, 2]"),),
    ),
    "unknown name in a list of values": elastic(
        "{}/case.yaml:5: equation.boundary.rim.value", ("dirichlet", "dirichlet, value: [1, 1 + w]")
    ),
    "list of values for one component": elastic(
        "{}/case.yaml:5: equation.boundary.rim.value: found a list for the component x",
        ("dirichlet", "dirichlet, component: x, value: [1, 2]"),
    ),
    "absorbing where there are no waves": Bad(
        ("{}/case.yaml:7: equation.boundary.out.kind: found absorbing with the equation diffusion",),
        (("kind: dirichlet}", "kind: dirichlet}\n    out: {on: top, kind: absorbing}"),),
    ),
    "body force of another dimension": elastic(
        "{}/case.yaml:4: equation.body_force: found 3 expressions, expected 2",
        ("  boundary:", "  body_force: [0, 0, 1]\n  boundary:"),
    ),
    "elasticity of a line": elastic(
        "{}/case.yaml:3: equation.kind: found elasticity with a mesh of dimension 1, expected 2 or 3",
        ("{kind: rectangle, cells: [6, 6]}", "{kind: interval, cells: 6}"),
        ("x*y", "x"),
    ),
    "times outside": heat("{}/heads.csv:3: t: found 1.5, expected a time from 0 to 1", time="1.5"),
    "states that do not fit": heat(
        "{}/case.yaml:4: equation.time.memory_limit: found 0.001 MB, expected at least 0.00",
        ("steps: 4", "steps: 4, memory_limit: 0.001"),
    ),
    "start both given and unknown": heat(
        "{}/case.yaml:5: equation.initial: found the term initial beside the unknown m of the role initial",
        ("  source: 10", "  initial: x\n  source: 10"),
        ("log_diffusivity", "initial"),
    ),
    "code that is not allowed": Bad(
        ("{}/case.yaml:3: equation.kind: found custom, which runs {}/mine.py, expected --allow-code",),
        (("source: 10", "file: mine.py"), ("kind: diffusion", "kind: custom"), ROLE_OF_CUSTOM),
        files=(("mine.py", "1 / 0"),),
    ),
    "code that fails": Bad(
        ("{}/case.yaml:4: equation.file: {}/mine.py:1: ZeroDivisionError: division by zero",),
        (("source: 10", "file: mine.py"), ("kind: diffusion", "kind: custom"), ROLE_OF_CUSTOM),
        files=(("mine.py", "1 / 0"),),
        words=("--allow-code",),
    ),
    "point off its part": Bad(
        ("{}/heads.csv:2: point 1", "lies off the part top by 0.7"),
        (("kind: points", "kind: traces, on: top"),),
    ),
    "logarithm of a state that is not positive": Bad(
        ("{}/heads.csv:5: found logarithms to compare",),
        (("kind: points", "kind: points, scale: log"),),
        (("heads.csv", READINGS + "0,0,1,.1\n"),),
    ),
    "no mesh file": Bad(
        ("{}/case.yaml:1", "mesh.file", "mesh.msh"),
        (("{kind: rectangle, cells: [6, 6]}", "{kind: file, file: mesh.msh}"),),
    ),
    "file that is no mesh": mesh_file("hello\n", "{}/case.yaml:1", "mesh.file", "mesh.msh"),
    "z with a plane mesh file": mesh_file(
        FLAT, "{}/case.yaml:8", "unknowns.m.truth", "z", case=(("x*y", "z"),)
    ),
    "surface in space": mesh_file(BENT, "{}/case.yaml:1", "mesh.file", "mesh.msh", "surface"),
    "a mesh refined too often": Bad(
        ("{}/case.yaml:1: mesh.refine: found 11, expected an integer >= 0 and <= 10",),
        (("{kind: rectangle, cells: [6, 6]}", "{kind: file, file: mesh.msh, refine: 11}"),),
        (("mesh.msh", FLAT),),
    ),
    "a refined mesh without cells in order": Bad(
        ("{}/case.yaml:1: mesh.refine: {}/mesh.msh: found", "refined cells that are flat or turn over"),
        (("{kind: rectangle, cells: [6, 6]}", "{kind: file, file: mesh.msh, refine: 1}"),),
        (("mesh.msh", FOLDED),),
    ),
    "mesh of lines": mesh_file(STRING, "{}/case.yaml:1", "mesh.file", "mesh.msh", "dimension 1"),
}
