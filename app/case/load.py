"""From a YAML file to a case, and back to YAML with every default written out."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from app.case import diagnosis
from app.case.approximation import RegressionCase
from app.case.base import BaseCase
from app.case.case import Case
from app.case.examples import with_examples
from app.case.experiments import Within, experiment_data
from app.case.origin import Origin, read_case_file
from app.case.reduction import ReductionCase, parameter_names
from app.case.ritz import RitzCase
from app.schema.problems import CaseError, nearest, shown
from app.schema.section import Plain
from app.types import Summary

DIMENSIONS = {"interval": 1, "rectangle": 2, "box": 3}
"""Dimension of the meshes whose kind settles it."""


CONVEX: dict[str, type[BaseCase]] = {
    "regression": RegressionCase,
    "ritz": RitzCase,
    "reduction": ReductionCase,
}
"""Cases of the energies that are not the misfit of observations, by the energy's kind."""


SCHEMA_FILE = Path(__file__).with_name("schema.json")
"""The JSON Schema of a case, for editors; `python -m app schema` writes the same."""


def schema() -> dict[str, Plain]:
    """The JSON Schema of a case file, of whatever energy."""
    told = TypeAdapter(Case | RegressionCase | RitzCase | ReductionCase).json_schema()
    return with_examples({"title": "A case of enngf", **told})


@cache
def _schema_of(model: type[BaseCase]) -> Summary:
    """The JSON Schema of a kind of case, which takes longer to make than a case to read."""
    return model.model_json_schema()


def load_case(path: Path, overrides: Sequence[str] = ()) -> BaseCase:
    """Read and validate a case file with `dotted.key=value` overrides.

    Serial: rank 0 calls it and broadcasts the case or the error, both of which pickle.
    Raises CaseError with all that is wrong, each with its file:line or `--set`.
    """
    path = Path(path)
    data, origin = read_case_file(path, overrides)
    # the stem may hold spaces and accents that the results' folder should not
    data.setdefault("name", re.sub(r"[^A-Za-z0-9._-]", "-", path.stem))
    model = _model(data, origin)
    # every expression can then check its own coordinates, whatever else is wrong
    dimension = _dimension(data)
    context = {"dimension": dimension, "folder": origin.folder, "parameters": parameter_names(data)}
    try:
        case = model.model_validate(data, context=context)
    except ValidationError as error:
        raise CaseError(diagnosis.problems(error, _schema_of(model), data, origin)) from None
    case._origin = origin
    if not isinstance(case, Case):
        return case
    for name in case.experiments:
        part = experiment_data(data, name)
        within = Within(origin, name)
        try:
            own = Case.model_validate(part, context={"dimension": dimension, "folder": origin.folder})
        except ValidationError as error:
            raise CaseError(diagnosis.problems(error, _schema_of(Case), part, within)) from None
        own._origin = within
        case._parts[name] = own
    return case


def _dimension(data: Summary) -> int | None:
    """The mesh's dimension, where the data settle it: through electrodes it is that of the equation."""
    mesh, equation = data.get("mesh"), data.get("equation")
    kind = mesh.get("kind") if isinstance(mesh, dict) else None
    if kind != "electrodes":
        return DIMENSIONS.get(kind) if isinstance(kind, str) else None
    space = equation.get("dimension", 2.5) if isinstance(equation, dict) else None
    return int(space) if space in (2, 2.5, 3) else None


def _model(data: Summary, origin: Origin) -> type[BaseCase]:
    """What kind of case the data describe; raises CaseError for an energy that there is not."""
    energy = data.get("energy", {})
    kinds = ("inverse", *CONVEX)
    if not isinstance(energy, dict):
        expected = f"a mapping whose kind is one of {', '.join(kinds)}"
        raise CaseError([f"{origin.where(('energy',))}: found {shown(energy)}, expected {expected}"])
    kind = energy.get("kind", None if energy else "inverse")
    if kind not in kinds:
        where, near = origin.where(("energy", "kind")), nearest(kind, kinds)
        raise CaseError([f"{where}: found {shown(kind)}, expected one of {', '.join(kinds)}{near}"])
    measured = "observations" in data or "experiments" in data
    return Case if kind == "inverse" or (kind == "regression" and measured) else CONVEX[kind]


def effective_yaml(case: BaseCase, folder: Path) -> str:
    """The case as YAML with all defaults, to be written into this folder: its files are named from there.

    Loaded from there it is an equal case. The folder need not exist.
    """
    here = folder.resolve()
    yaml = YAML()
    yaml.default_flow_style = None  # innermost lists and mappings on one line
    yaml.width = 1_000_000
    text = io.StringIO()
    yaml.dump(case.effective(lambda file: os.path.relpath(file, here)), text)
    return text.getvalue()
