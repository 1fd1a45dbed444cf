"""A starter case on disk: the case, its readings, and its Python file if it has one."""

import os
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.case import CaseError, DataError, InputError, load_case
from app.case.starter import (
    Body,
    Level,
    Readings,
    Start,
    box_around,
    case_text,
    quoted,
    read_columns,
    start_of,
    unit_body,
)
from app.data.readings import read_readings
from app.equations import SPECS
from app.problem.made_up import (
    RADIUS,
    Places,
    around,
    body_of_file,
    made_up_of,
    on_top,
    scattered,
    sigma_of,
    write_survey,
)
from app.schema.problems import nearest, shown

LEAST = 1e-50
"""Readings that differ by less are all alike."""

ELECTRICAL = "electrical_tomography"

NAME = r"(?!\.yaml$)[A-Za-z0-9._-]*[A-Za-z0-9_-]"
"""What a case may be called."""

SURVEYS = (".ohm", ".dat", ".shm")
"""Endings of files in the unified data format."""

MESHES = ("interval", "rectangle", "box", "electrodes")
"""What --mesh names; anything else is a file."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    name: str
    equation: str | None
    mesh: str | None
    data: Path | None
    schema: str


@dataclass(frozen=True)
class Plan:
    """What is going to be written, beside the case in a folder."""

    folder: Path
    name: str
    equation: str
    body: Body
    start: Start
    midpoints: np.ndarray | None = None
    """Of the cells of a mesh from a file."""

    @property
    def case(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def electrical(self) -> bool:
        return self.equation == ELECTRICAL


def write_starter(asked: Asked) -> list[str]:
    """Write what was asked for; what is said of it. Serial; nothing that is there is replaced.

    Raises InputError, and then leaves nothing behind.
    """
    written: list[Path] = []
    if not re.fullmatch(NAME, Path(asked.name).name):
        expected = "letters a-z, digits, '.', '_' and '-', perhaps behind a folder"
        raise InputError([f"NAME: found {asked.name!r}, expected {expected}"])
    try:
        told = _write(asked, written)
    except BaseException as cause:
        for path in written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if isinstance(cause, UnicodeEncodeError):
            found = f"{shown(str(asked.data or asked.name))}, which is no UTF-8 text"
            raise InputError([f"found the path {found}, expected one that a case can name"]) from None
        if isinstance(cause, OSError):
            found = f"{cause.filename}: the file cannot be written ({cause.strerror})"
            raise InputError([found]) from None
        raise
    code = " --allow-code" if any(path.suffix == ".py" for path in written) else ""
    run = f"python -m app {shlex.quote(str(written[-1]))}{code}"
    return [*told, f"look at it: {run} --check", f"run it: {run}"]


def _write(asked: Asked, written: list[Path]) -> list[str]:
    """Write the files, each noted before it is there."""
    equation = _equation(asked)
    if asked.data is None:
        plan = _plan(asked, equation, _body(asked, equation), Level())
        readings = _place_readings(plan, written)
        text, told = _text(plan, readings, asked, made_up=True), [f"made-up readings: {_names(readings)}"]
    elif asked.data.suffix in SURVEYS:
        plan = _plan(asked, ELECTRICAL, _body_of_survey(asked.data), Level())
        file = os.path.relpath(asked.data, plan.folder)
        readings, told = [Readings("readings", file, "readings")], [f"readings: {asked.data}"]
        text = _text(plan, readings, asked, made_up=False)
    else:
        plan, readings, told = _given(asked, equation, written)
        text = _text(plan, readings, asked, made_up=False)
    if plan.start.code is not None:
        _put(plan.folder / f"{plan.name}.py", plan.start.code, written)
    _put(plan.case, text, written)
    load_case(plan.case)
    if asked.data is None:
        _make_up(plan, readings)
    return [f"case: {plan.case}", *told]


def _equation(asked: Asked) -> str:
    """The kind of equation; raises InputError for one that there is not."""
    kinds = [kind for spec in SPECS for kind in spec.model_fields["kind"].annotation.__args__]  # type: ignore[union-attr]
    if asked.equation is None:
        return "diffusion" if asked.mesh != "electrodes" else ELECTRICAL
    if asked.equation not in kinds:
        expected = f"one of {', '.join(kinds)}{nearest(asked.equation, kinds)}"
        raise InputError([f"--equation: found {asked.equation!r}, expected {expected}"])
    return asked.equation


def _body(asked: Asked, equation: str) -> tuple[Body, np.ndarray | None]:
    """What the mesh is that was asked for, with the midpoints of its cells if it is from a file."""
    mesh = asked.mesh or ("electrodes" if equation == ELECTRICAL else "rectangle")
    _check_pair(mesh, equation)
    if mesh == "electrodes":
        return Body("{kind: electrodes}", (-RADIUS, -RADIUS), (RADIUS, RADIUS)), None
    if mesh in MESHES:
        return unit_body(mesh), None
    if not mesh.endswith(".msh"):
        expected = f"one of {', '.join(MESHES)}, or a .msh file{nearest(mesh, MESHES)}"
        raise InputError([f"--mesh: found {mesh!r}, expected {expected}"])
    return body_of_file(Path(mesh))


def _check_pair(mesh: str, equation: str) -> None:
    """Raise InputError for an equation and a mesh that do not go together."""
    if mesh == "electrodes" and equation != ELECTRICAL:
        expected = f"a mesh of another kind, or --equation {ELECTRICAL}"
        raise InputError([f"--mesh: found electrodes with the equation {equation}, expected {expected}"])
    if equation == ELECTRICAL and (mesh == "interval" or mesh.endswith(".msh")):
        expected = "electrodes, rectangle or box"
        raise InputError([f"--mesh: found {mesh} with the equation {ELECTRICAL}, expected {expected}"])
    if equation == "elasticity" and mesh == "interval":
        raise InputError(["--mesh: found interval with the equation elasticity, expected rectangle or box"])


def _plan(asked: Asked, equation: str, body: tuple[Body, np.ndarray | None], level: Level) -> Plan:
    """Where it goes, and what the case says."""
    path = Path(asked.name)
    name = path.name.removesuffix(".yaml")
    shape, midpoints = body
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    if midpoints is not None and asked.mesh is not None:
        file = os.path.relpath(asked.mesh, folder)
        shape = Body(f"{{kind: file, file: {quoted(file)}}}", shape.lower, shape.upper, shape.parts)
    return Plan(folder, name, equation, shape, start_of(equation, shape, level), midpoints)


def _text(plan: Plan, readings: list[Readings], asked: Asked, *, made_up: bool) -> str:
    return case_text(
        plan.name, plan.equation, plan.body, plan.start, readings, made_up=made_up, schema=asked.schema
    )


def _given(asked: Asked, equation: str, written: list[Path]) -> tuple[Plan, list[Readings], list[str]]:
    """A case for a table of readings, which is copied where a case cannot read it as it is."""
    assert asked.data is not None
    if equation == ELECTRICAL:
        expected = f"a survey ({', '.join(SURVEYS)})"
        raise InputError([f"--data: found {asked.data} with the equation {ELECTRICAL}, expected {expected}"])
    columns, numbers, readable = read_columns(asked.data)
    points = np.column_stack([numbers[axis] for axis in columns.coordinates])
    if columns.in_time and asked.equation is None:
        equation = "heat"
    level = _level(numbers)
    body: tuple[Body, np.ndarray | None] = box_around(points), None
    if asked.mesh is not None and asked.mesh.endswith(".msh"):
        body = body_of_file(Path(asked.mesh))
    else:
        kind = MESHES[len(columns.coordinates) - 1]
        if asked.mesh not in (None, kind):
            found = f"{asked.mesh} with readings at {', '.join(columns.coordinates)}"
            raise InputError([f"--mesh: found {found}, expected {kind} or a .msh file"])
    _check_pair(asked.mesh or MESHES[points.shape[1] - 1], equation)
    in_time = equation == "heat"
    if in_time != columns.in_time:
        found = f"{'no column' if in_time else 'a column'} of times with the equation {equation}"
        raise DataError([f"{asked.data}: found {found}, expected {'one called t' if in_time else 'heat'}"])
    plan = _plan(asked, equation, body, level)
    file = asked.data
    if not readable:
        file = plan.folder / f"{plan.name}_readings.csv"
        _new(file, written)
        Places(points, numbers.get("t")).write(file, numbers["value"], numbers.get("sigma"))
    component = next(iter(plan.start.components), None)
    noise = "sigma is the standard deviation" if "sigma" in numbers else "the noise is found from the data"
    note = f"columns {columns}; {noise}"
    readings = [Readings("readings", os.path.relpath(file, plan.folder), component=component, note=note)]
    return plan, readings, [f"readings: {file} ({len(points)}; columns {columns})"]


def _level(numbers: dict[str, np.ndarray]) -> Level:
    """The size of readings."""
    values, times = numbers["value"], numbers.get("t")
    sizes = (float(np.ptp(values)), abs(float(values[0])), 1.0)
    spread = next(size for size in sizes if size > LEAST)
    return Level(float(np.median(values)), spread, 1.0 if times is None else float(times.max()) or 1.0)


def _body_of_survey(path: Path) -> tuple[Body, None]:
    """Around electrodes."""
    electrodes = read_readings(path).electrodes
    return Body("{kind: electrodes}", tuple(electrodes.min(axis=0)), tuple(electrodes.max(axis=0))), None


def _place_readings(plan: Plan, written: list[Path]) -> list[Readings]:
    """Files of readings that are not made up yet: the case is read with them."""
    if plan.electrical:
        path = plan.folder / f"{plan.name}.ohm"
        _new(path, written)
        write_survey(path, _electrodes(plan))
        return [Readings("readings", path.name, "readings", note="pairs of electrodes against one another")]
    found = []
    columns = [*"xyz"[: plan.body.dimension], *(["t"] if plan.equation == "heat" else []), "value"]
    note = f"columns {', '.join(columns)} and sigma, its standard deviation"
    for component in plan.start.components or (None,):
        ending = f"_{component}" if component else ""
        path = plan.folder / f"{plan.name}{ending}.csv"
        _new(path, written)
        places = _places(plan)
        values = np.linspace(1.0, 2.0, len(places.points))
        places.write(path, values, np.ones(len(values)))
        found.append(Readings(component or "readings", path.name, component=component, note=note))
        note = ""
    return found


def _make_up(plan: Plan, readings: list[Readings]) -> None:
    """Put the readings of the truth in place."""
    for each, values in zip(readings, made_up_of(plan.case), strict=True):
        path = plan.folder / each.file
        if plan.electrical:
            write_survey(path, _electrodes(plan), values)
        else:
            _places(plan).write(path, values, np.full(len(values), sigma_of(values)))


def _electrodes(plan: Plan) -> np.ndarray:
    return around() if "electrodes" in plan.body.mesh else on_top(plan.body)


def _places(plan: Plan) -> Places:
    return scattered(plan.body, plan.midpoints, 1.0 if plan.equation == "heat" else None)


def _names(readings: list[Readings]) -> str:
    return ", ".join(each.file for each in readings)


def _put(path: Path, text: str, written: list[Path]) -> None:
    _new(path, written)
    path.write_text(text)


def _new(path: Path, written: list[Path]) -> None:
    """Note a file that is to be written; raises CaseError where there is one of this name."""
    if path.exists() or path.is_symlink():
        raise CaseError([f"{path}: found a file of this name, expected another NAME for the new case"])
    written.append(path)
