"""What every section of a case has in common: its strictness, its numbers, names and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from app.schema.files import NO_FILE, fault
from app.schema.problems import shown

type Plain = bool | int | float | str | list[Plain] | dict[str, Plain] | None
"""What YAML and JSON know."""


class Section(BaseModel):
    """A frozen part of a case in which unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def refuse(found: str, expected: str, key: str | None = None) -> PydanticCustomError:
    """The refusal that a validator raises in the project's own words.

    `key` is the entry below the validated value at which the message points.
    """
    context = {"found": found, "expected": expected, "key": key}
    return PydanticCustomError("refused", "found {found}, expected {expected}", context)


def _no_truth_value(value: object) -> object:
    """Python counts True as 1; a case does not."""
    if isinstance(value, bool):
        raise ValueError("a number is expected")
    return value


def _existing(path: Path, info: ValidationInfo) -> Path:
    """A file named by a case exists; its folder is the validation's context."""
    folder = (info.context or {}).get("folder")
    if folder is not None and (found := fault(folder / path)):
        reason = f"no file at {folder / path}" if found == NO_FILE else found
        raise refuse(f"{shown(str(path))} ({reason})", "an existing file")
    return path


def written_path(path: Path, info: SerializationInfo) -> str:
    """As the case has it, or as the context's function names it."""
    name: Callable[[Path], str] = (info.context or {}).get("file", str)
    return name(path)


def _named(part: object) -> object:
    """A group without a name goes by its number, which YAML reads as one."""
    return str(part) if isinstance(part, int) and not isinstance(part, bool) else part


def default_kind(kind: str) -> BeforeValidator:
    """Let a mapping without `kind` be of the default kind, so that `--set` can reach its keys."""

    def fill(value: Any) -> Any:
        return {"kind": kind, **value} if isinstance(value, dict) else value

    return BeforeValidator(fill)


NO_TRUTH_VALUE = BeforeValidator(_no_truth_value)
Number = Annotated[float, NO_TRUTH_VALUE]
Positive = Annotated[float, Field(gt=0), NO_TRUTH_VALUE]
Length = Annotated[float, Field(gt=1e-100, lt=1e100), NO_TRUTH_VALUE]
"""Its square neither vanishes nor overflows."""
MOST = 1_000_000_000
"""No count of a case is beyond it; whether so many fit into memory is seen when the rest is known."""
Count = Annotated[int, Field(ge=1, le=MOST), NO_TRUTH_VALUE]
Natural = Annotated[int, Field(ge=0, le=MOST), NO_TRUTH_VALUE]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
COORDINATES = ("x", "y", "z")
Component = Literal["x", "y", "z", "real", "imaginary"]
"""A component of the state: of a displacement, or of a complex number."""
Part = Annotated[str, BeforeValidator(_named, json_schema_input_type=str | int)]
"""A part of the mesh by its name, or by its number where it has none."""
Parts = Part | Annotated[tuple[Part, ...], Field(min_length=1)]
"""Parts of the mesh: the name of one, a list of names, or all for the whole boundary."""


def part_names(on: Parts) -> tuple[str, ...] | None:
    """The names of parts, None for the whole boundary."""
    if on == "all":
        return None
    return (on,) if isinstance(on, str) else on


DataFile = Annotated[
    Path,
    AfterValidator(_existing),
    PlainSerializer(written_path),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""A file by its path relative to the case file, or absolute."""


class Written(Protocol):
    """A case as the one who reads a section of it sees it: where its keys and files are."""

    def where(self, *path: str | int) -> str:
        """`file:line: dotted.key` of a key, for messages."""

    def resolve(self, path: Path) -> Path:
        """The absolute path of a file that the case names relative to itself."""
