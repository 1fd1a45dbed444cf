"""Inputs of every kind bent out of shape: cases, tables, arrays, meshes, fields, electrode files, arguments.

Each comes from a small good one by a few random changes; the same draw makes the same input.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

BOUNDARY = {"rim": {"on": "all", "kind": "dirichlet"}}
DIFFUSION: dict[str, Any] = {
    "mesh": {"kind": "rectangle", "cells": [4, 4]},
    "equation": {"kind": "diffusion", "source": 10, "boundary": BOUNDARY},
    "unknowns": {"m": {"role": "log_diffusivity", "truth": "x*y"}},
    "observations": {"heads": {"kind": "points", "file": "heads.csv"}},
}
ANISOTROPY = {"ratio": 2, "angle": 30}
BASES: dict[str, dict[str, Any]] = {
    "diffusion": DIFFUSION,
    "heat": DIFFUSION
    | {
        "mesh": {"kind": "interval", "cells": 6},
        "equation": {"kind": "heat", "source": "t", "boundary": BOUNDARY, "time": {"end": 1, "steps": 3}},
        "unknowns": {"m": {"role": "log_diffusivity"}},
        "observations": {"heads": {"kind": "points", "file": "times.csv"}},
    },
    "ritz": {
        "mesh": {"kind": "rectangle", "cells": [3, 3]},
        "energy": {"kind": "ritz", "functional": "reaction_diffusion", "source": 1, "boundary": BOUNDARY},
    },
    "regression": {
        "mesh": {"kind": "interval", "cells": 5},
        "energy": {"kind": "regression", "function": "sin(x)"},
    },
    "experiments": {
        **{key: DIFFUSION[key] for key in ("mesh", "equation", "unknowns")},
        "experiments": {"one": {"equation": {"source": 2}, "observations": DIFFUSION["observations"]}},
    },
    "electrodes": {
        "mesh": {"kind": "electrodes"},
        "equation": {"kind": "electrical_tomography", "dimension": 2},
        "unknowns": {"m": {"role": "log_resistivity"}},
        "observations": {"readings": {"kind": "readings", "file": "ring.ohm"}},
    },
    "mesh file": DIFFUSION | {"mesh": {"kind": "file", "file": "square.msh"}},
    "field": DIFFUSION | {"observations": {"heads": {"kind": "field", "file": "field.xdmf"}}},
    "array": DIFFUSION | {"observations": {"heads": {"kind": "points", "file": "heads.npy"}}},
    "uncertainty": DIFFUSION
    | {
        "regularisation": {
            "m": {"kind": "matern", "correlation_length": 0.5, "std": 1, "anisotropy": ANISOTROPY}
        },
        "posterior": {"kind": "mcmc", "samples": 2, "proposals": 8, "chains": 2, "burn_in": 4},
        "predictions": {
            "heads": {"kind": "points", "at": [[0.3, 0.4]]},
            "wells": {"kind": "averages", "at": [[0.5, 0.5]], "radius": 0.1},
            "drained": {"kind": "fluxes", "at": ["left"]},
            "content": {"kind": "integrals", "of": "unknown", "mean": True},
        },
        "method": {"krylov": {"max_vectors": 20}, "stopping": {"negligible": 0.1}},
    },
}

HEADS = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n.7,.1,.3,.01\n"
TIMES = "x,t,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n"
MESH = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
2
1 1 "rim"
2 2 "inside"
$EndPhysicalNames
$Nodes
4
1 0 0 0
2 1 0 0
3 1 1 0
4 0 1 0
$EndNodes
$Elements
4
1 1 2 1 1 1 2
2 1 2 1 1 3 4
3 2 2 2 1 1 2 3
4 2 2 2 1 1 3 4
$EndElements
"""
FIELD = """<?xml version="1.0"?>
<Xdmf Version="3.0"><Domain><Grid Name="mesh">
<Topology TopologyType="Triangle" NumberOfElements="2"><DataItem Dimensions="2 3" Format="XML">0 1 2
0 2 3</DataItem></Topology>
<Geometry GeometryType="XY"><DataItem Dimensions="4 2" Format="XML">0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9
</DataItem></Geometry>
<Attribute Name="u" Center="Node"><DataItem Dimensions="4 1" Format="XML">0.1 0.2 0.3 0.2</DataItem>
</Attribute>
</Grid></Domain></Xdmf>
"""
STORED = """<?xml version="1.0"?>
<Xdmf Version="3.0"><Domain><Grid Name="mesh">
<Geometry GeometryType="XY"><DataItem Dimensions="4 2" Format="HDF">field.h5:/nodes</DataItem></Geometry>
<Attribute Name="u" Center="Node">
<DataItem Dimensions="4 1" Format="HDF">field.h5:/u</DataItem></Attribute>
</Grid></Domain></Xdmf>
"""
HDF5 = zlib.decompress(
    base64.b85decode(
        "c-rgqaB<`1lHy_j0S*oZ76t(ZWbhvf3`9`*F!=-q{D6^x6^I!a9zgj_3>pvyGZUH(=l~+i#lQj94+Crr5)gA)U?Qw}`6;Qz0"
        "gUMKFkOtL7r2mJ6v04CzzB2!BZL9vL*2s&5#WHTgVD@Dd60~tf<08sfx(2E!Q?+P)OS$-GchtTLi9n@Gcz$IFd>YB8OI<5Wr"
        "EbG%W!2gFjO!MBnSy|b!7y)20eBiaHyZag~~?{uTd}xM!_f;1*2dT3_mbyCJ5}bhtX%xfWR9JJ}z-W?Jrofk%jX1*8^^ZQA4"
        "i%rGP`dfCws|WwiY@3P!;w7zLwX6pXO;*GYS0Ft`lo0{|&Jmc#"
    )
)
"""As PETSc writes them, the vectors `nodes` and `u`."""
VTU = """<?xml version="1.0"?>
<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian">
<UnstructuredGrid><Piece NumberOfPoints="3" NumberOfCells="1">
<PointData><DataArray type="Float64" Name="u" format="ascii">0.1 0.2 0.3</DataArray></PointData>
<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">.1 .1 0 .9 .1 0 .9 .9 0
</DataArray></Points>
<Cells><DataArray type="Int64" Name="connectivity" format="ascii">0 1 2</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">3</DataArray>
<DataArray type="UInt8" Name="types" format="ascii">5</DataArray></Cells>
</Piece></UnstructuredGrid></VTKFile>
"""
RING = (
    "8\n# x y\n"
    + "".join(f"{np.cos(a):.4f} {np.sin(a):.4f}\n" for a in np.arange(8) * np.pi / 4)
    + "4\n# a b m n r err\n1 2 4 3 .1 1\n2 3 5 4 .1 1\n3 4 6 5 .1 1\n4 5 7 6 .1 1\n"
)
OPTIONS = [
    *("--check", "--quiet", "--debug", "--overwrite", "--resume", "--allow-code", "--version", "--help"),
    *("--out", "--set", "--time-limit", "--continue-from", "-x", "--points", "--format"),
    *("schema", "evaluate", "export"),
]

TEXTS = """
|0|-1|1|3|1e-300|1e300|1e400|-1e999|nan|inf|.nan|-.inf|true|null|~|[]|{}|[[]]|- 1|''|"|'|: |, |&a|*a|<<|!!bool x|!!int x
!!binary x|!!python/object:os.system ls|!x|%YAML 1.1|---|...|? |2020-01-01|2020-13-45|0x|0xff|0o8|1_000|1:30|\t|\0|\x1b[31m
\ufeff|\ud7ff|é|ß|²|999999999999999999999999|../../../etc/passwd|/etc/passwd|/dev/zero|/dev/stdin|/proc/self/mem|.|/|x**16
((x**16)**16)**16|sin(sin(sin(x)))|abs(abs(x))|1/0|1/(x-x)|sqrt(-1-x)|log(-1)|x if x<1 else 1/x|__import__('os')|x.__class__
lambda: 0|t|z|x+y+z|10**10**10|9**9**9|e**e**e**e|min(x)|(|)|((((|[[[[|{{{{|"{x}"|%s%n|$(ls)|`ls`|;|#|\\|//|all|rim|left
kind|file|h1|direct|iterative|points|field|averages|traces|fluxes|nodal|network|interval|box|rectangle|electrodes|diffusion
elasticity|helmholtz|heat|custom|electrical_tomography|p_laplacian|boundary_flux|source|coefficient|sigma|value|on|x,y|0,0
""".replace("\n", "|").split("|")  # noqa: E501
"""Pieces of text that some reader may trip over."""

VALUES: list[Any] = [
    *(0, -1, 1, 2, 3, 5, 1e-320, 1e-30, 1e30, 1e308, -1e308, float("nan"), float("inf"), 10**30, 10**5000),
    *(True, False, None, "", "x", [], {}, [[]], [1, 2, 3], {"kind": "h1"}, [None], "a" * 300, ["x"] * 500),
    *({"": 1}, {"a" * 300: 1}, "x" * 20_000, 2**31, 2**63, -(2**63), [1e308, -1e308], [10**9, 10**9]),
    *TEXTS,
]


def mutant(kind: str, draw: Random, folder: Path) -> list[str]:
    """Write a bad input of the kind into the folder; returns the words of a command line that checks it."""
    KINDS[kind](draw, folder)
    words = folder / "words.json"
    return (
        [*json.loads(words.read_text()), "--check"]
        if words.exists()
        else [str(folder / "case.yaml"), "--check"]
    )


def good_files(folder: Path, base: str) -> dict[str, Any]:
    """The good case of a name and the files that cases refer to, written; returns the case."""
    for name, text in {
        "heads.csv": HEADS,
        "times.csv": TIMES,
        "square.msh": MESH,
        "field.xdmf": FIELD,
        "stored.xdmf": STORED,
        "field.vtu": VTU,
        "ring.ohm": RING,
    }.items():
        (folder / name).write_text(text)
    (folder / "field.h5").write_bytes(HDF5)
    np.save(folder / "heads.npy", np.genfromtxt(io.StringIO(HEADS), delimiter=",", skip_header=1))
    case = json.loads(json.dumps(BASES[base]))
    write_case(folder, case)
    return case


def write_case(folder: Path, case: Any) -> None:
    """As YAML: JSON, whose numbers Python writes so that YAML reads them, one key of the whole a line."""
    rows = case.items() if isinstance(case, dict) else [("case", case)]
    text = "\n".join(f"{json.dumps(key)}: {_yaml(value)}" for key, value in rows)
    (folder / "case.yaml").write_text(text, errors="surrogatepass")


def _yaml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)}: {_yaml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_yaml, value)) + "]"
        case int() if not isinstance(value, bool):
            return f"{value:#x}" if abs(value) > 10**4000 else str(value)
        case float():
            return repr(value) if value * 0 == 0 else "." + repr(value).strip("-")
        case _:
            return json.dumps(value)


def _bad_values(draw: Random, folder: Path) -> None:
    """Keys with other values, missing, doubled or misspelt."""
    case = good_files(folder, draw.choice(list(BASES)))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        place, key = draw.choice(list(_places(case)))
        match draw.randrange(6):
            case 0:
                del place[key]
            case 1 if isinstance(place, dict):
                place[draw.choice(TEXTS)] = place.pop(key)
            case 2:
                other, name = draw.choice(list(_places(case)))
                place[key] = deepcopy(other[name])
            case _:
                place[key] = draw.choice(VALUES)
    write_case(folder, case)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list below with each key of it."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def _bad_case_text(draw: Random, folder: Path) -> None:
    good_files(folder, draw.choice(list(BASES)))
    _bend(draw, folder / "case.yaml")


def _bad_file(name: str, base: str) -> Callable[[Random, Path], None]:
    """A good case with a data file bent out of shape."""

    def make(draw: Random, folder: Path) -> None:
        case = good_files(folder, base)
        if base == "field":
            case["observations"]["heads"]["file"] = name
            write_case(folder, case)
        _bend(draw, folder / name)

    return make


def _bend(draw: Random, path: Path) -> None:
    """A few changes of a file's bytes, lines or cells."""
    content = path.read_bytes()
    for _ in range(draw.choice((1, 1, 2, 4))):
        content = draw.choice((_bytes_bent, _lines_bent, _cells_bent))(draw, content)
    path.write_bytes(content)


def _piece(draw: Random) -> bytes:
    return draw.choice(TEXTS).encode(errors="surrogatepass")


def _bytes_bent(draw: Random, content: bytes) -> bytes:
    at = draw.randrange(len(content) + 1)
    other = bytes([draw.randrange(256)])
    return draw.choice(
        (content[:at], content[:at] + other + content[at + 1 :], content[:at] + _piece(draw) + content[at:])
    )


def _lines_bent(draw: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at, other = draw.randrange(len(lines)), draw.choice(lines)
    new = draw.choice(([], [other], [lines[at], other], [lines[at], other * 50]))
    return b"\n".join([*lines[:at], *new, *lines[at + 1 :]])


def _cells_bent(draw: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at, separator = draw.randrange(len(lines)), draw.choice((b" ", b",", b": ", b'"', b">"))
    cells = lines[at].split(separator)
    cells[draw.randrange(len(cells))] = _piece(draw)
    return b"\n".join([*lines[:at], separator.join(cells), *lines[at + 1 :]])


def _bad_array(draw: Random, folder: Path) -> None:
    """Of another type or shape, or with a header or bytes of another."""
    good_files(folder, "array")
    path = folder / "heads.npy"
    if draw.random() < 0.5:
        kinds = ["f2", "f4", "i1", "u8", "c16", "?", "U3", "S3", "M8[s]", "V4", "O", ">f8", "3f8"]
        shape = draw.choice([(), (0,), (1,), (3,), (3, 4), (2, 3), (3, 4, 1), (0, 4), (3, 0), (4, 9)])
        names = draw.sample(["x", "y", "value", "sigma", "on", "é"], 4)
        plain = draw.random() < 0.5
        dtype = draw.choice(kinds) if plain else [(name, draw.choice(kinds)) for name in names]
        np.save(path, np.zeros(shape, dtype=dtype), allow_pickle=True)
    if draw.random() < 0.7:
        content = bytearray(path.read_bytes())
        for _ in range(draw.choice((1, 1, 2, 5))):
            at = draw.randrange(min(len(content), draw.choice((12, 128, 10**6))))
            match draw.randrange(4):
                case 0:
                    content[at] = draw.randrange(256)
                case 1:
                    content[at:at] = draw.choice(TEXTS).encode(errors="surrogatepass")
                case 2:
                    del content[at : at + draw.choice((1, 8, 10**6))]
                case _:
                    text = (
                        f"'shape': ({draw.choice((0, -1, 10**12, 10**30, 3))}, {draw.choice((0, 4, 10**9))})"
                    )
                    content = bytearray(bytes(content).replace(b"'shape': (3, 4)", text.encode()))
            content = content or bytearray(b"\0")
        path.write_bytes(bytes(content))


def _bad_hdf5(draw: Random, folder: Path) -> None:
    """Bytes that say something changed, or some left out, put in or doubled."""
    case = good_files(folder, "field")
    case["observations"]["heads"]["file"] = "stored.xdmf"
    write_case(folder, case)
    content = bytearray(HDF5)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        said = [at for at, byte in enumerate(content) if byte] or [0]
        at, length = draw.choice(said), draw.choice((1, 2, 8, 64, 1000, 10**6))
        match draw.randrange(6):
            case 0:
                del content[at : at + length]
            case 1:
                content[at:at] = content[at : at + length]
            case 2:
                content[at : at + 8] = draw.choice((0, 1, 2**31, 2**63, 2**64 - 1)).to_bytes(8, "little")
            case _:
                content[at : at + 1] = bytes([draw.randrange(256)])
    (folder / "field.h5").write_bytes(bytes(content))


def _bad_arguments(draw: Random, folder: Path) -> None:
    """Options, keys and values in any order."""
    case = good_files(folder, "diffusion")
    keys = [".".join(map(str, path)) for path in _paths(case)]
    words = [str(folder / "case.yaml")] if draw.random() < 0.8 else []
    for _ in range(draw.randrange(5)):
        value = draw.choice([*TEXTS, "a" * 5000, "\udcff", "[" * 200, "{a: &b [*b]}"])
        key = draw.choice([*keys, *TEXTS, "mesh.upper.0", "a.b.c.d", "."])
        joined = f"{key}={value}"
        words += draw.choice([["--set", joined], ["--set", joined], [draw.choice(OPTIONS)], [value]])
    words = [word.replace("\0", "") for word in words]
    (folder / "words.json").write_text(json.dumps(words))


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in list(node) if isinstance(node, dict) else []:
        yield (*path, key)
        yield from _paths(node[key], (*path, key))


KINDS: dict[str, Callable[[Random, Path], None]] = {
    "values": _bad_values,
    "case text": _bad_case_text,
    "table": _bad_file("heads.csv", "diffusion"),
    "times": _bad_file("times.csv", "heat"),
    "array": _bad_array,
    "ohm": _bad_file("ring.ohm", "electrodes"),
    "msh": _bad_file("square.msh", "mesh file"),
    "xdmf": _bad_file("field.xdmf", "field"),
    "stored xdmf": _bad_file("stored.xdmf", "field"),
    "hdf5": _bad_hdf5,
    "vtu": _bad_file("field.vtu", "field"),
    "arguments": _bad_arguments,
}
"""How a bad input of each kind is made in a folder."""
