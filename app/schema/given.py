"""Given fields: an expression of the coordinates, values of a file or of an earlier result, or a value for
each region of the mesh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    model_validator,
)

from app.schema.expression import Expression
from app.schema.problems import nearest, shown
from app.schema.section import COORDINATES, DataFile, Identifier, Part, Section, refuse, written_path

RESULT_FILES = ("network.json", "coefficient.safetensors")
"""What of the results of a run tells the finite-element functions that it has found."""

ENDINGS = (".csv", ".npy", ".npz", ".vtu", ".pvtu", ".xdmf")
"""Endings of files with values at points."""


def _results(path: Path, info: ValidationInfo) -> Path:
    """The folder holds the results of a run; it is relative to the folder of the validation's context."""
    folder: Path | None = (info.context or {}).get("folder")
    if folder is None:
        return path
    missing = [name for name in RESULT_FILES if not (folder / path / name).is_file()]
    if missing:
        found = f"{shown(str(path))} (no {missing[0]} in {folder / path})"
        raise refuse(found, "the folder of the results of a run")
    return path


ResultsFolder = Annotated[
    Path,
    AfterValidator(_results),
    PlainSerializer(written_path),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""The results of a run by their folder's path relative to the case file, or absolute."""


class _NotAnExpression(Section):
    """A field that is more than text; what every given field is asked it answers as an expression does."""

    @property
    def constant(self) -> float | None:
        """The value of an expression without coordinates: there is none."""
        return None

    @property
    def variables(self) -> frozenset[str]:
        """The coordinates that an expression would name."""
        return frozenset()

    @property
    def text(self) -> str:
        """What the case says, in one line."""
        said = ", ".join(f"{key}: {value}" for key, value in dict(self).items() if value is not None)
        return f"{{{said}}}"


class FileField(_NotAnExpression):
    """Values of a file at points, linear between them."""

    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has) and the values'; an NPZ file with
    arrays x, y, z of the points or, for values on a grid, of its axes; or a VTU or XDMF file with an array at
    its nodes."""
    column: str | None = None
    """Name of the column or array of the values; `value` unless given, of a VTU or XDMF file its only one."""

    @model_validator(mode="after")
    def _is_served(self) -> Self:
        if self.file.suffix not in ENDINGS:
            raise refuse(f"a file {shown(self.file.name)}", f"one of {', '.join(ENDINGS)}", key="file")
        if self.column in COORDINATES:
            raise refuse(f"the coordinate {self.column}", "the column of the values", key="column")
        return self


class ResultsField(_NotAnExpression):
    """What an earlier run has found."""

    results: ResultsFolder
    """The folder of its results."""
    unknown: Identifier | None = None
    """The name of one of its unknowns, or that of its exponential as `exp_m`; of one unknown itself unless
    given."""


class _RegionsField(_NotAnExpression):
    """A value for each named region of the mesh.

    A node on the border of several regions, and a cell in several, has the value of the first.
    """

    regions: Annotated[dict[Part, Expression], Field(min_length=1)]
    """The value on each region, by its name."""

    @property
    def otherwise(self) -> Expression | None:
        """The value where none of the regions is."""
        return getattr(self, "else")  # type: ignore[no-any-return]


if TYPE_CHECKING:
    RegionsField = _RegionsField
else:
    RegionsField = create_model(
        "RegionsField",
        __base__=_RegionsField,
        __doc__=_RegionsField.__doc__,
        __module__=__name__,
        **{"else": (Expression | None, Field(default=None, description="The value in all other cells."))},
    )

FIELDS: dict[str, type[Section]] = {"file": FileField, "results": ResultsField, "regions": RegionsField}
"""By the key that each has to have."""


def _kind(value: Any) -> str:
    """What a value is meant to be, by its key where it is a mapping."""
    if isinstance(value, Section):
        return type(value).__name__
    if isinstance(value, dict):
        return next(made.__name__ for key, made in FIELDS.items() if key in value)
    return "expression"


def _kind_or_list(value: Any) -> str:
    return "array" if isinstance(value, list | tuple) else _kind(value)


def _keyed(*keys: str) -> BeforeValidator:
    """Refuse a mapping that has none of the keys by which a field is known."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and not any(key in value for key in keys):
            near = next((near for key in value if (near := nearest(key, keys))), "")
            raise refuse(
                shown(value), f"an expression, or a mapping with one of the keys {', '.join(keys)}{near}"
            )
        return value

    return BeforeValidator(check)


_Text = Annotated[Expression, Tag("expression")]
_File = Annotated[FileField, Tag("FileField")]
_Results = Annotated[ResultsField, Tag("ResultsField")]
_Regions = Annotated[RegionsField, Tag("RegionsField")]
_List = Annotated[tuple[Expression, ...], Tag("array")]

GivenField = Annotated[
    _Text | _File | _Results | _Regions,
    Discriminator(_kind),
    _keyed("file", "results", "regions"),
    Field(json_schema_extra={"format": "given"}),
]
"""A field in the domain."""

PointwiseField = Annotated[
    _Text | _File | _Results,
    Discriminator(_kind),
    _keyed("file", "results"),
    Field(json_schema_extra={"format": "pointwise"}),
]
"""A field with a value at every point, as on the boundary, where regions have none."""

BoundaryField = Annotated[
    _Text | _File | _Results | _List,
    Discriminator(_kind_or_list),
    _keyed("file", "results"),
    Field(json_schema_extra={"format": "boundary"}),
]
"""The same, or a list of expressions, one for each component."""
