"""Examples of keys for editors, in the JSON Schema wherever no default, choice or section says enough."""

from __future__ import annotations

from typing import Any

from app.schema.section import Plain

BY_KEY: dict[str, list[Plain]] = {
    "ambient": ["12.5"],
    "anisotropy": [[["2", "0"], ["0", "1"]]],
    "array": ["u"],
    "at": [[[0.3, 0.4], [0.8, 0.7]]],
    "body_force": [["0", "-9.81*2000"]],
    "boundary": [{"rim": {"on": "all", "kind": "dirichlet", "value": "0"}}],
    "capacity": ["2.5e6"],
    "cells": [[64, 64]],
    "coefficients": [{"conductivity": {"value": "1 + a*x"}}],
    "column": ["rate"],
    "component": ["x"],
    "contacts": [{"width": 0.04, "impedance": 0.01}],
    "correlation_length": [0.3],
    "data": [{"rate": "4", "supply": "20*x"}],
    "delta": [8.0],
    "depth": [10.0],
    "diffusivity": ["1e-4 if y < 3 else 1e-5", {"regions": {"sand": "1e-4", "clay": "1e-7"}}],
    "direct_below": [100000],
    "edge_share": [0.1],
    "else": ["1e-5"],
    "end": [3600.0],
    "equation": [{"source": "10*exp(-((x-.3)**2+(y-.5)**2)/.01)"}],
    "experiment": ["north"],
    "experiments": [{"north": {"observations": {"heads": {"kind": "points", "file": "data/north.csv"}}}}],
    "figures": [["pdf"]],
    "file": ["data/heads.csv"],
    "floor": [0.01],
    "frequency": [8.0],
    "function": ["sin(2*pi*x)*exp(-y)"],
    "gamma": [1.0],
    "high": [2.0],
    "imaginary_source": ["0"],
    "impedance": [0.01],
    "initial": ["20 + exp(-((x-.3)**2+(y-.4)**2)/.02)"],
    "known": [{"on": "frame", "value": "log(2)"}],
    "label": ["transmissivity"],
    "length_scale": [0.3],
    "length_unit": ["m"],
    "low": [-2.0],
    "margin": [20.0],
    "mean": ["-9.2"],
    "noise": [{"kind": "relative", "share": 0.02}],
    "observations": [{"heads": {"kind": "points", "file": "data/heads.csv"}}],
    "on": ["top", ["left", "right"]],
    "parameters": [{"speed": {"low": 0.5, "high": 2.0}}],
    "predictions": [{"intake": {"kind": "points", "at": [[0.5, 0.5]]}}],
    "radius": [0.05],
    "rate": [-0.02],
    "reference": ["-9.2", {"results": "results/coarse"}],
    "regions": [{"sand": "1e-4", "clay": "1e-7"}],
    "regularisation": [{"m": {"kind": "matern", "correlation_length": 0.3, "std": 1.0}}],
    "relative_error": [0.03],
    "results": ["results/coarse"],
    "share": [0.02],
    "sigma": [0.05],
    "size": [0.5],
    "smoothness": [2],
    "source": [
        "10",
        "500*exp(-((x-.12)**2+(y-.5)**2)/.002)",
        {"file": "data/recharge.csv", "column": "rate"},
    ],
    "std": [0.5],
    "steps": [24],
    "time_unit": ["d"],
    "transfer": ["0.5"],
    "truth": ["exp(-((x-.3)**2+(y-.35)**2)/.02)"],
    "unit": ["m²/s"],
    "unknown": ["m"],
    "unknowns": [{"m": {"role": "log_diffusivity", "reference": "0"}}],
    "value": ["0", "1 + 0.5*x"],
    "values": [[0, "free", [-2, 0]]],
    "velocity": [["1e-5", "0"]],
    "weight": ["discrepancy", 0.01],
    "wells": [{"pump": {"at": [0.3, 0.4], "rate": -0.02}}],
    "width": [0.04],
    "youngs_modulus": ["30e9"],
}
"""By the key's name, whatever the section."""

BY_SECTION: dict[tuple[str, str], list[Plain]] = {
    ("BoxMesh", "cells"): [[24, 24, 24]],
    ("CustomSpec", "file"): ["cubic.py"],
    ("FieldObservations", "file"): ["data/heads.vtu"],
    ("FileMesh", "file"): ["plate.msh"],
    ("IdentitySpec", "boundary"): [{}],
    ("IntervalMesh", "cells"): [100],
    ("ReadingObservations", "file"): ["data/trunk.ohm"],
    ("RegularisationSpec", "anisotropy"): [{"angle": 30, "ratio": 3}],
    ("RegularisationSpec", "boundary"): ["robin"],
    ("Well", "at"): [[0.3, 0.4]],
}
"""Of keys that mean something else there."""

BY_FORMAT: dict[str, list[Plain]] = {
    "expression": ["1 + 0.5*x"],
    "given": ["1 + 0.5*x", {"regions": {"sand": "1", "clay": "2"}}],
    "pointwise": ["1 + 0.5*x", {"file": "data/initial.csv"}],
    "boundary": ["1 + 0.5*x", {"file": "data/stage.csv"}],
}
"""Of keys that are not named above."""


def with_examples(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with examples of the keys that need some; changed in place and returned."""
    for name, section in schema["$defs"].items():
        for key, told in section.get("properties", {}).items():
            if not speaks_for_itself(told):
                examples = BY_SECTION.get((name, key)) or BY_KEY.get(key) or _by_format(told)
                told |= {"examples": examples} if examples else {}
    return schema


def speaks_for_itself(told: dict[str, Any]) -> bool:
    """Whether a property is a section or a choice of some, or has a default or a list of values."""
    return (
        bool(told.get("default"))
        or told.get("default") in (0, False)
        or bool({"const", "enum", "$ref", "oneOf", "examples"} & told.keys())
    )


def _by_format(told: dict[str, Any]) -> list[Plain] | None:
    options = [told, *told.get("anyOf", [])]
    return next((BY_FORMAT[each["format"]] for each in options if each.get("format") in BY_FORMAT), None)
