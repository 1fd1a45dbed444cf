"""What a starter case says of each equation: terms of sensible size, a role, and conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.case.starter.body import Body
from app.equations import EQUATIONS, TRANSIENT


@dataclass(frozen=True)
class Level:
    """The size of the readings, so that the state of the first guess is about as large."""

    middle: float = 0.0
    spread: float = 1.0
    end: float = 1.0
    """The last time."""


@dataclass(frozen=True)
class Start:
    """The sections `equation` and `unknowns` of a starter case."""

    role: str
    terms: Mapping[str, str]
    """Further keys of the equation, in YAML."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What is said of a key."""
    conditions: tuple[str, ...] = ()
    """Boundary conditions in YAML, one a line."""
    reference: float | None = 0.0
    """None where the data tell it."""
    scale: float = 1.0
    """Size of the made-up unknown's bumps."""
    components: tuple[str, ...] = ()
    """Of the state, of which each has readings of its own."""
    code: str | None = None
    """A Python file beside the case."""


def start_of(kind: str, body: Body, level: Level) -> Start:
    """What a starter case says of an equation on a body."""
    start = START_OF[kind](body, level) if kind in START_OF else _with_source(kind, body, level)
    degree = {"degree": "1"} if body.dimension == 3 else {}
    return Start(**{**vars(start), "terms": {**start.terms, **degree}})


def _held(level: Level, note: str = "") -> tuple[str, ...]:
    """A state that is given all around."""
    return (f'rim: {{on: all, kind: dirichlet, value: "{level.middle:.6g}"}}{note}',)


def _supplied(body: Body, level: Level, amount: float = 10.0) -> dict[str, str]:
    """A source that raises the state by about its spread where the diffusivity is 1."""
    return {"source": f'"{amount * level.spread / body.size**2:.3g}"'}


SUPPLY = "what is supplied to a unit of volume (in two dimensions of area)"


def _with_source(kind: str, body: Body, level: Level) -> Start:
    """An equation that has a source; the unknown is of its first role."""
    role = next(iter((EQUATIONS | TRANSIENT)[kind].roles))
    return Start(role, _supplied(body, level), {"source": SUPPLY}, _held(level))


def _reaction(body: Body, level: Level) -> Start:
    terms = {
        "source": f'"{10 * level.spread + level.middle:.3g}"',
        "diffusivity": f'"{0.05 * body.size**2:.3g}"',
    }
    return Start("log_reaction", terms, {"source": SUPPLY}, _held(level))


def _advection(body: Body, level: Level) -> Start:
    carried = [f'"{10 / body.size:.3g}"', *['"0"'] * (body.dimension - 1)]
    terms = {**_supplied(body, level), "velocity": f"[{', '.join(carried)}]"}
    notes = {"source": SUPPLY, "velocity": "one expression a coordinate"}
    return Start("log_diffusivity", terms, notes, _held(level))


def _p_laplacian(body: Body, level: Level) -> Start:
    steep = level.spread / body.size
    terms = {"source": f'"{4 * steep**2 / body.size:.3g}"', "exponent": "3", "epsilon": f"{0.01 * steep:.3g}"}
    return Start("log_diffusivity", terms, {"source": SUPPLY}, _held(level))


def _elasticity(body: Body, level: Level) -> Start:
    weight = ['"0"'] * (body.dimension - 1) + [f'"{-level.spread / body.size**2:.3g}"']
    terms = {"body_force": f"[{', '.join(weight)}]", "poissons_ratio": "0.3"}
    notes = {"body_force": "one expression a coordinate; here its own weight"}
    foot = f'foot: {{on: {body.foot}, kind: dirichlet, value: "0"}}'
    components = ("x", "y", "z")[: body.dimension]
    return Start("log_youngs_modulus", terms, notes, (foot,), components=components)


def _helmholtz(body: Body, level: Level) -> Start:
    pulse = f'"{500 * level.spread / body.size**2:.3g}*{body.bump(0, 0.005)}"'
    terms = {"frequency": f"{8 / body.size:.3g}", "source": pulse}
    notes = {"frequency": "2 pi times that in hertz"}
    open_all_around = ("outside: {on: all, kind: absorbing} # waves leave",)
    components = ("real", "imaginary")
    return Start("log_squared_slowness", terms, notes, open_all_around, scale=0.3, components=components)


def _heat(body: Body, level: Level) -> Start:
    pace = 0.05 * body.size**2 / level.end
    terms = {
        "source": f'"{2 * level.spread / level.end:.3g}"',
        "initial": f'"{level.middle:.6g}"',
        "time": f"{{end: {level.end:.6g}, steps: 12}}",
    }
    notes = {"source": "what is supplied to a unit of volume in a unit of time", "initial": "u at time 0"}
    return Start("log_diffusivity", terms, notes, _held(level), reference=round(math.log(pace), 2))


def _identity(body: Body, level: Level) -> Start:
    return Start("value", {}, {}, reference=level.middle, scale=level.spread)


def _electrical(body: Body, level: Level) -> Start:
    terms = {"dimension": "3" if body.dimension == 3 else "2.5"}
    notes = {"dimension": "2.5: currents spread in space, the body goes on across the plane as it is here"}
    return Start("log_resistivity", terms, notes if body.dimension == 2 else {}, reference=None)


CODE = '''"""-div(exp(m) grad u) + rate u^3 = source: change it into your equation, written in UFL."""

from typing import Any

import ufl


def residual(u: Any, v: Any, coefficients: Any, data: Any) -> Any:
    flux = ufl.exp(coefficients["m"]) * ufl.grad(u)
    return (ufl.inner(flux, ufl.grad(v)) + data["rate"] * u**3 * v - data["source"] * v) * ufl.dx
'''


def _custom(body: Body, level: Level) -> Start:
    source = f"{10 * level.spread / body.size**2:.3g}"
    terms = {"file": "{name}.py", "data": f'{{rate: "0", source: "{source}"}}'}
    notes = {
        "file": "the residual, in UFL; it runs as you: --allow-code",
        "data": "for the residual, by name",
    }
    return Start("coefficient", terms, notes, _held(level), code=CODE)


START_OF: dict[str, Callable[[Body, Level], Start]] = {
    "reaction_diffusion": _reaction,
    "advection_diffusion": _advection,
    "p_laplacian": _p_laplacian,
    "elasticity": _elasticity,
    "helmholtz": _helmholtz,
    "identity": _identity,
    "heat": _heat,
    "electrical_tomography": _electrical,
    "custom": _custom,
}
"""By the equation's kind; others have a source and are held all around."""
