"""Nothing that a case or its data say runs as code unless the command line allows it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from app.__main__ import main

CASE = """\
mesh: {kind: rectangle, cells: [2, 2]}
equation: {kind: diffusion, source: 1, boundary: {rim: {on: all, kind: dirichlet}}}
unknowns: {m: {role: log_diffusivity}}
observations: {heads: {kind: points, file: heads.csv}}
"""
CUSTOM = "{kind: custom, file: FILE, boundary: {rim: {on: all, kind: dirichlet}}}"
TOUCH = "__import__('pathlib').Path('marker').touch()"
CODE = f"{TOUCH}\ndef residual(u, v, coefficients, data):\n    return u * v\n"


class Pickled:
    """Touches the marker where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (TOUCH,)


EXPRESSIONS = f"""
{TOUCH}
x if {TOUCH} else 1
sin({TOUCH})
sin(x) + {TOUCH}
min(x, {TOUCH})
max(x, key={TOUCH})
[{TOUCH} for y in [1]]
{{{TOUCH}: 1}}
{{**{TOUCH}}}
[*{TOUCH}]
sin(*{TOUCH})
sin(**{TOUCH})
(lambda: {TOUCH})()
(z := {TOUCH})
f'{{{TOUCH}}}'
{TOUCH},
{TOUCH}; 1
1 if not {TOUCH} else 2
1 < {TOUCH}
x and {TOUCH}
-{TOUCH}
x ** {TOUCH}
x @ {TOUCH}
await {TOUCH}
(yield {TOUCH})
x[{TOUCH}]
x[{TOUCH}:]
eval("{TOUCH}")
exec("{TOUCH}")
open('marker', 'w')
compile('1', '', 'eval')
print(1, file=open('marker', 'w'))
getattr(x, 'numpy')
breakpoint()
input()
globals()
x.__class__
x.__class__.__mro__[1].__subclasses__()
sin.__globals__
().__class__.__base__
"".__class__
sin.numpy(x)
x.tofile('marker')
1 .__class__
pi.__reduce_ex__(2)
__builtins__
import pathlib
""".strip().split("\n")

TAGGED = f"""
!!python/object/apply:builtins.eval ["{TOUCH}"]
!!python/object/new:builtins.eval ["{TOUCH}"]
!!python/object/apply:os.system ["touch marker"]
!!python/object/apply:subprocess.run [[touch, marker]]
!!python/object:pathlib.Path {{}}
!!python/object/apply:pathlib.Path.touch [marker]
!!python/name:builtins.eval {TOUCH}
!!python/name:os.system touch
!!python/module:antigravity x
!!python/tuple [1, 2]
!!python/object/apply:pickle.loads [!!binary gASVAAAAAA==]
!!js/function 'x'
!!binary Y29uZmln
!!set {{a}}
!eval {TOUCH}
!<tag:yaml.org,2002:python/object/apply:os.system> [touch marker]
""".strip().split("\n")


def written(folder: Path, *edits: tuple[str, str]) -> Path:
    """The case with texts replaced, beside a file of readings and a file of code."""
    text = CASE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (folder / "heads.csv").write_text("x,y,value\n.1,.2,3\n")
    (folder / "code.py").write_text(CODE)
    path = folder / "case.yaml"
    path.write_text(text)
    return path


def expression(text: str) -> Callable[[Path], list[str]]:
    quoted = '"' + text.replace('"', '\\"') + '"'
    return lambda folder: [str(written(folder, ("source: 1", f"source: {quoted}")))]


def tagged(text: str) -> Callable[[Path], list[str]]:
    return lambda folder: [str(written(folder, ("source: 1", f"source: {text}")))]


def custom(file: str, *words: str) -> Callable[[Path], list[str]]:
    """A case of an equation in this file."""

    def write(folder: Path) -> list[str]:
        equation = CUSTOM.replace("FILE", file)
        path = written(
            folder, (CASE.split("\n")[1], f"equation: {equation}"), ("log_diffusivity", "coefficient")
        )
        (folder / "link.py").symlink_to("code.py")
        (folder / "sub").symlink_to(".")
        return [str(path), *words]

    return write


def by_words(*words: str) -> Callable[[Path], list[str]]:
    return lambda folder: [str(written(folder)), *words]


def in_experiment(folder: Path) -> list[str]:
    path = written(folder)
    observed = "observations: {heads: {kind: points, file: heads.csv}}"
    inside = "experiments: {one: {equation: {kind: custom, file: code.py}, " + observed + "}}"
    path.write_text(CASE.replace(observed, inside))
    return [str(path)]


def array(content: Callable[[], bytes]) -> Callable[[Path], list[str]]:
    """Readings in an NPY file of these bytes."""

    def write(folder: Path) -> list[str]:
        (folder / "heads.npy").write_bytes(content())
        return [str(written(folder, ("heads.csv", "heads.npy")))]

    return write


def saved(array: np.ndarray) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def zipped() -> bytes:
    file = BytesIO()
    np.savez(file, heads=np.array([Pickled()], dtype=object))
    return file.getvalue()


FILES = {
    "objects": array(lambda: saved(np.array([[Pickled()]], dtype=object))),
    "objects in fields": array(
        lambda: saved(np.array([(1.0, Pickled())], dtype=[("x", float), ("y", object)]))
    ),
    "a bare pickle": array(lambda: pickle.dumps(Pickled())),
    "a bare pickle, protocol 0": array(lambda: pickle.dumps(Pickled(), protocol=0)),
    "an archive of objects": array(zipped),
    "code in the header": array(
        lambda: b"\x93NUMPY\x01\x00" + (len(TOUCH) + 1).to_bytes(2, "little") + TOUCH.encode() + b"\n"
    ),
    "a custom equation": custom("code.py"),
    "a custom equation by a link": custom("link.py"),
    "a custom equation by a linked folder": custom("sub/sub/code.py"),
    "a custom equation by a longer way": custom("./sub/../code.py"),
    "a custom equation that runs": custom("code.py", "--quiet"),
    "a custom equation by --set": by_words(
        *("--set", "equation={kind: custom, file: code.py, boundary: {rim: {kind: dirichlet}}}"),
        *("--set", "unknowns.m.role=coefficient"),
    ),
    "a custom equation by kind": by_words("--set", "equation.kind=custom", "--set", "equation.file=code.py"),
    "a custom equation of one experiment": in_experiment,
    "a custom equation by a merge": lambda folder: [
        str(written(folder, ("{kind: diffusion, source: 1,", "{<<: {kind: custom, file: code.py},")))
    ],
    "code that the case says is allowed": by_words(
        "--set", "allow_code=true", "--set", "equation.kind=custom"
    ),
    "code as readings": lambda folder: [str(written(folder, ("heads.csv", "code.py")))],
    "code as a case": lambda folder: [str(written(folder).with_name("code.py"))],
    "code as a name": by_words("--set", "name=../code.py"),
    "code as a part of a path": by_words("--set", "observations.heads.file=heads.csv;touch marker"),
}

ATTEMPTS = {
    **{f"expression: {text}": expression(text) for text in EXPRESSIONS},
    **{f"tag: {text}": tagged(text) for text in TAGGED},
    **FILES,
}


@pytest.mark.parametrize("name", ATTEMPTS, ids=lambda name: name[:40])
def test_nothing_runs_without_allow_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The case is refused in words, by --check and where it is run, and nothing of it has run."""
    words = ATTEMPTS[name](tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--check"]) == 2
    assert main([*words, "--out", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert "found " in said and "Traceback" not in said
    assert not list(tmp_path.glob("marker*"))


def test_there_are_at_least_sixty_attempts() -> None:
    assert len(ATTEMPTS) >= 60


def test_the_attempts_would_leave_a_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would prove nothing."""
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "marker"
    for run in (lambda: eval(TOUCH), lambda: pickle.loads(pickle.dumps(Pickled())), lambda: exec(CODE, {})):
        run()
        assert marker.exists()
        marker.unlink()
