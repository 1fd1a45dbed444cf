"""What a run finds does not depend on units of length and time, on where the origin is, on how the domain
lies, or on the order of the readings: for every equation and kind of observation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from app.case import load_case
from app.mesh import CoefficientSpace
from app.problem import Problem, build
from app.schema.expression import Expression

TRUTH = "0.4*sin(3*P) - 0.3*cos(4*Q)"
SIGMA = 0.02
POINTS = 25
CELLS = {"traces": 16}
"""Of the mesh, where its diagonals matter more than that."""
TO_ROUNDING, TO_THE_MESH = 1e-6, 0.02
"""Relative differences that are allowed: of numbers in other units, and on a mesh whose diagonals run the
other way."""


@dataclass(frozen=True)
class Frame:
    """How the unit square of (P, Q) lies in the plane: scaled, moved, mirrored at Q's axis or turned."""

    length: float = 1.0
    origin: tuple[float, float] = (0.0, 0.0)
    way: str = "plain"

    def text(self, formula: str, factor: float = 1.0) -> str:
        """A formula of P and Q in x and y, times a factor."""
        a, b = (f"(({x} - ({x0!r}))/{self.length!r})" for x, x0 in zip("xy", self.origin, strict=True))
        p, q = {"plain": (a, b), "mirrored": (f"(1 - {a})", b), "turned": (b, f"(1 - {a})")}[self.way]
        return f"{factor!r}*({formula})".replace("P", p).replace("Q", q)

    def points(self, places: np.ndarray) -> np.ndarray:
        """Places of the unit square, in the plane."""
        p, q = places.T
        moved = {"plain": (p, q), "mirrored": (1 - p, q), "turned": (1 - q, p)}[self.way]
        return np.asarray(self.origin) + self.length * np.column_stack(moved)

    def side(self, name: str) -> str:
        """What a side of the unit square is called."""
        names = {
            "plain": {},
            "mirrored": {"left": "right", "right": "left"},
            "turned": {"left": "bottom", "right": "top", "bottom": "right", "top": "left"},
        }[self.way]
        return names.get(name, name)

    def vector(self, p: str, q: str, factor: float) -> list[str]:
        """Components of a vector field."""
        along = {"plain": (p, q), "mirrored": (f"-({p})", q), "turned": (f"-({q})", p)}[self.way]
        return [self.text(component, factor) for component in along]


UNITS = {
    "nanometres": Frame(1e-9),
    "thousands of kilometres": Frame(1e7, (-1e7, 3e6)),
    "a map": Frame(1e3, (5e5, 4.5e6)),
    "far from the origin": Frame(1.0, (1e4, -2e4)),
}
WAYS = {way: Frame(2.0, (1.0, 0.0), way) for way in ("mirrored", "turned")}


def equation(kind: str, frame: Frame) -> dict[str, Any]:
    """The section of an equation whose state is the same at the same (P, Q), and so is its coefficient: a
    flux is of the gradient's power that the equation has, and sources are of one more."""
    power = 2 if kind == "p_laplacian" else 1
    per_length, per_area = frame.length**-power, frame.length ** -(power + 1)
    wall = {"on": frame.side("left"), "kind": "dirichlet", "value": frame.text("0.2*Q")}
    inflow = {"on": frame.side("top"), "kind": "neumann", "value": frame.text("1 + P", per_length)}
    loss = {
        "on": frame.side("right"),
        "kind": "robin",
        "value": frame.text("Q", per_length),
        "transfer": frame.text("2 + Q", per_length),
    }
    told: dict[str, Any] = {"kind": kind, "boundary": {"wall": wall, "inflow": inflow, "loss": loss}}
    if kind == "elasticity":
        press = frame.vector("0.3", "-1", per_length)
        foot = {"on": frame.side("bottom"), "kind": "dirichlet", "value": "0"}
        top = {"on": frame.side("top"), "kind": "neumann", "value": press}
        return {"kind": kind, "boundary": {"foot": foot, "press": top}}
    told["source"] = frame.text("5 + 5*P", per_area)
    if kind == "p_laplacian":
        return told | {"epsilon": 0.1 / frame.length}
    if kind == "helmholtz":
        return told | {"frequency": 3.0 * per_length}
    if kind == "advection_diffusion":
        return told | {"velocity": frame.vector("4 - P", "2*P", per_length)}
    if kind == "reaction_diffusion":
        return told | {"reaction": frame.text("2 + cos(3*P)", per_area)}
    if kind == "heat":
        told["initial"] = frame.text("P*(1 - Q)")
        return told | {"time": {"end": 0.5 / per_area, "steps": 5}}
    return told


KINDS = [
    "diffusion",
    "reaction_diffusion",
    "advection_diffusion",
    "nonlinear_diffusion",
    "p_laplacian",
    "elasticity",
    "helmholtz",
    "heat",
]
ROLES = {"elasticity": "log_youngs_modulus", "helmholtz": "log_squared_slowness"}
PLACED = ("points", "averages", "traces")


def observations(kind: str, read: str, frame: Frame) -> tuple[dict[str, Any], np.ndarray]:
    """The sections of the observations of one kind, and the places and times in their file."""
    rng = np.random.default_rng(3)
    places = rng.uniform(0.15, 0.85, (POINTS, 2))
    more = {"averages": {"radius": 0.1 * frame.length}, "traces": {"on": frame.side("top")}}
    section = {"kind": read, "file": "readings.csv", **more.get(read, {})}
    if read == "traces":
        places[:, 1] = 1.0
    columns = frame.points(places)
    if kind == "heat":
        columns = np.column_stack([columns, frame.length**2 * rng.uniform(0.1, 0.5, POINTS)])
    if kind == "elasticity":
        section["component"] = {"plain": "y", "mirrored": "y", "turned": "x"}[frame.way]
    if kind == "helmholtz":
        section["component"] = "real"
    return {"read": section}, columns


def problem(
    folder: Path, kind: str, read: str, frame: Frame, values: np.ndarray, order: Sequence[int] | None = None
) -> Problem:
    """A case of this equation and observation."""
    sections, columns = observations(kind, read, frame)
    told = {
        "mesh": {
            "kind": "rectangle",
            "lower": list(frame.origin),
            "upper": [frame.origin[0] + frame.length, frame.origin[1] + frame.length],
            "cells": [CELLS.get(read, 8)] * 2,
        },
        "equation": equation(kind, frame),
        "unknowns": {
            "m": {
                "role": ROLES.get(kind, "log_diffusivity"),
                "representation": {"kind": "nodal"},
                "truth": frame.text(TRUTH),
            }
        },
        "observations": sections,
        "regularisation": {"m": {"kind": "h1", "weight": "cross_validation"}},
        "flow": {"max_iterations": 6},
    }
    names = ["x", "y", "t"][: columns.shape[1]]
    rows = np.column_stack([columns, values, np.full(POINTS, SIGMA)])
    rows = rows if order is None else rows[order]
    lines = [",".join([*names, "value", "sigma"]), *(",".join(map(repr, row)) for row in rows.tolist())]
    (folder / "readings.csv").write_text("\n".join(lines))
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(told, file)
    return build(load_case(folder / "case.yaml"))


@cache
def readings(kind: str, read: str) -> np.ndarray:
    """Of the truth, with noise."""
    with TemporaryDirectory() as folder:
        plain, nothing = Frame(), np.zeros(POINTS)
        with problem(Path(folder), kind, read, plain, nothing) as made:
            space = made.report.coefficient(made.start()).parts[0].space
            assert isinstance(space, CoefficientSpace)
            m = space.interpolate(Expression(plain.text(TRUTH)))
            whitened = made.minimisation.energy.at(m).residual
    noise = np.random.default_rng(4).standard_normal(POINTS)
    return SIGMA * (whitened + noise)


def found(
    kind: str, read: str, frame: Frame, order: Sequence[int] | None = None
) -> tuple[dict[str, float], list[Any]]:
    """Numbers and decisions of a run."""
    values = readings(kind, read)
    if kind == "elasticity" and frame.way == "turned":
        values = -values  # what went along Q goes against x
    with TemporaryDirectory() as folder, problem(Path(folder), kind, read, frame, values, order) as made:
        state = made.start()
        while state.stop_reason is None:
            state = made.advance(state)
        told = made.report.summary(state, state.stop_reason)
    numbers = {"error": told["relative_error"], "misfit": told["misfit"]}
    decisions = [state.stop_reason, len(state.records), [record.vectors for record in state.records]]
    return numbers, decisions


PAIRS = [(kind, "points") for kind in KINDS] + [("diffusion", read) for read in PLACED[1:]]


def with_each_pair(name: str, values: Iterable[str]) -> pytest.MarkDecorator:
    """Every pair of an equation and an observation with one of the values in turn; `tests/long/invariance.py`
    takes all of them with each."""
    triples = [(*pair, value) for pair, value in zip(PAIRS, cycle(values), strict=False)]
    return pytest.mark.parametrize(("kind", "read", name), triples)


@cache
def as_it_is(kind: str, read: str) -> tuple[dict[str, float], list[Any]]:
    return found(kind, read, Frame())


@with_each_pair("units", UNITS)
def test_units_and_origins_do_not_matter(kind: str, read: str, units: str) -> None:
    """The same error, misfit and decisions."""
    numbers, decisions = found(kind, read, UNITS[units])
    expected, same = as_it_is(kind, read)
    assert decisions == same
    assert numbers == pytest.approx(expected, rel=TO_ROUNDING)


@with_each_pair("way", WAYS)
def test_a_mirrored_or_turned_domain_gives_the_same(kind: str, read: str, way: str) -> None:
    """The same error."""
    numbers, _ = found(kind, read, WAYS[way])
    assert numbers["error"] == pytest.approx(as_it_is(kind, read)[0]["error"], rel=TO_THE_MESH)


@with_each_pair("order", ["backwards"])
def test_the_order_of_readings_does_not_matter(kind: str, read: str, order: str) -> None:
    """The same error, misfit and decisions."""
    numbers, decisions = found(kind, read, Frame(), range(POINTS)[::-1])
    assert decisions == as_it_is(kind, read)[1]
    assert numbers == pytest.approx(as_it_is(kind, read)[0], rel=TO_ROUNDING)
