"""Imports run one way, as docs/contributing.md says; read from the import statements."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "app"

ARROWS = {
    "__main__": {"cli", "supervisor"},
    "cli": {"run"},
    "api": {"run"},
    "run": {"problem"},
    "problem": {"case", "data", "electrical", "observe", "output", "energy", "network", "posterior"},
    "data": {"schema"},
    "output": {"case", "flow", "mesh", "network"},
    "energy": {"pde", "prior"},
    "electrical": {"observe", "pde"},
    "pde": {"equations"},
    "equations": {"mesh", "schema"},
    "observe": {"data", "mesh"},
    "posterior": {"prior"},
    "prior": {"mesh"},
    "mesh": set(),
    "network": set(),
    "flow": {"method"},
    "method": set(),
    "case": {"equations", "method", "observe", "prior"},
    "schema": set(),
    "parallel": set(),
    "supervisor": set(),
    "__init__": {"api"},
    "activity": set(),
    "types": set(),
    "wheel": set(),
}
"""Who may import whom; what can be reached along the arrows may be imported too, and by all
`activity`, `parallel`, `types` and `wheel`."""

EVERYWHERE = {"activity", "parallel", "types", "wheel"}

MATHEMATICS = ("mesh/", "equations/", "pde/", "electrical/", "observe/", "prior/", "energy/")

LIBRARIES = {
    "torch": ("network/", "output/coefficient.py", "output/exports.py", "api.py"),
    "ufl": (*MATHEMATICS, "output/fields.py", "problem/"),
    "dolfinx": (*MATHEMATICS, "output/", "problem/"),
    "pydantic": ("case/", "equations/", "observe/", "schema/"),
    "ruamel": ("case/",),
}
"""Libraries that only some rooms know, by the beginning of the path."""

FILES = sorted(path.relative_to(APP).as_posix() for path in APP.rglob("*.py"))


def room(file: str) -> str:
    """The folder or, at the top, the module."""
    return file.split("/")[0].removesuffix(".py")


def reachable(start: str) -> set[str]:
    """Everything along the arrows from a room, with itself, `parallel`, `types` and `wheel`."""
    found, new = set(EVERYWHERE), {start}
    while new:
        found |= new
        new = set().union(*(ARROWS[name] for name in new)) - found
    return found


def imported(file: str) -> Iterator[str]:
    """Dotted names that a file imports, relative ones resolved, `from a import b` as a.b."""
    package = ("app/" + file).split("/")[:-1]
    for node in ast.walk(ast.parse((APP / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), name.name]) for name in node.names)


def test_every_room_has_its_arrows() -> None:
    """A new room has to say in ARROWS what it knows."""
    assert {room(file) for file in FILES} == set(ARROWS)


def test_the_docs_have_the_house_as_it_is() -> None:
    """Its map names every room and module, and its sentence has the arrows of those that others build on."""
    guide = (APP.parent / "docs" / "contributing.md").read_text()
    told = guide[guide.index("## The house") :]
    named = set(re.findall(r"(\w+)(?:\.py|/)", told[: told.index("cases/")]))
    assert named >= set(ARROWS) - {"__init__"}
    sentence = told[told.index("Imports run one way (") : told.index("all may use")]
    arrows: dict[str, set[str]] = {}
    for chain in re.findall("`([^`]+)`", sentence):
        *starts, ends = chain.split(" → ")
        for start, end in zip(starts, [*starts[1:], ends], strict=True):
            arrows.setdefault(start, set()).update(end.split(", "))
    assert arrows == {
        name: known - {"supervisor"} for name, known in ARROWS.items() if known and name != "__init__"
    }


def test_arrows_make_no_circle() -> None:
    """No room is reached from a room that it reaches; mesh, network and flow reach none of each other."""
    for name in ARROWS:
        for other in reachable(name) - {name, *EVERYWHERE}:
            assert name not in reachable(other)
    for name, known in {"mesh": set(), "network": set(), "flow": {"method"}}.items():
        assert reachable(name) == {name, *known, *EVERYWHERE}


@pytest.mark.parametrize("file", FILES)
def test_imports_follow_the_arrows(file: str) -> None:
    """Of the program, a file imports its own room and those its room reaches."""
    rooms = {name.split(".")[1] for name in imported(file) if name.startswith("app.")}
    assert rooms <= reachable(room(file))


@pytest.mark.parametrize("file", FILES)
def test_libraries_are_imported_only_where_they_belong(file: str) -> None:
    """torch in network, and late or by name where its modules are given away; UFL where forms are made;
    DOLFINx where there is a mesh; pydantic in case."""
    libraries = {name.split(".")[0] for name in imported(file)}
    for library in libraries & set(LIBRARIES):
        assert file.startswith(LIBRARIES[library]), f"{file} imports {library}"


def test_a_case_is_read_without_meshes() -> None:
    """The schema and messages are fast, and start no MPI."""
    heavy = "{'mpi4py', 'petsc4py', 'ufl', 'dolfinx', 'torch', 'pyvista', 'scipy'}"
    script = f"import sys, app.case; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=APP.parent, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(
    "text, names",
    [
        ("import torch.nn", ["torch.nn"]),
        ("from app import problem, flow", ["app.problem", "app.flow"]),
        ("from . import krylov", ["app.flow.krylov"]),
        ("from ..pde.forward import Counts", ["app.pde.forward.Counts"]),
        ("def f():\n    import ufl as u", ["ufl"]),
    ],
)
def test_every_form_of_import_is_read(
    text: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absolute, relative and renamed imports, also inside functions."""
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "loop.py").write_text(text)
    monkeypatch.setattr(f"{__name__}.APP", tmp_path)
    assert list(imported("flow/loop.py")) == names
