"""What every case has, whatever its energy: a name, a seed, a mesh, and where its keys were written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PrivateAttr

from app.case.document import Key
from app.case.experiments import Within
from app.case.mesh import Mesh
from app.case.method import MethodSpec
from app.case.origin import Origin
from app.case.output import OutputSpec
from app.schema.section import NO_TRUTH_VALUE, Plain, Section


class BaseCase(Section):
    """Frozen and picklable; equal to another of its kind when both say the same."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$")] = "case"
    """Name of the results' folder; by default the name of the case file without its ending."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), NO_TRUTH_VALUE] = 0
    """Every random stream derives from it."""
    mesh: Mesh
    """The mesh."""
    method: MethodSpec = MethodSpec()
    """Constants of the flow, for the few cases that the default ones do not serve."""
    output: OutputSpec = OutputSpec()
    """Names, units and formats of pictures."""

    _origin: Origin | Within = PrivateAttr(default=Origin())
    _parts: dict[str, Self] = PrivateAttr(default_factory=dict)

    @property
    def parts(self) -> dict[str, Self]:
        """The case of each experiment by its name; without experiments the case itself, with no name."""
        return self._parts or {"": self}

    @property
    def folder(self) -> Path:
        """The case file's folder, absolute."""
        return self._origin.folder

    def on_mesh(self, mesh: Mesh) -> Self:
        """The same case with another mesh, and so that of each experiment."""
        other = self.model_copy(update={"mesh": mesh})
        other._parts = {name: part.on_mesh(mesh) for name, part in self._parts.items()}
        return other

    def resolve(self, path: Path) -> Path:
        """The absolute path of a file that the case names relative to itself."""
        return (self.folder / path).resolve()

    def where(self, *path: Key) -> str:
        """`file:line: dotted.key` of a key, for messages about what only later rooms can see."""
        return self._origin.where(path)

    def effective(self, file: Callable[[Path], str] = str) -> dict[str, Plain]:
        """Plain data with all defaults written out, but for those of `method`; `file` says what a file is
        called, of its absolute path.

        The order of the keys is that of the sections and, of names that are the user's, that of the case.
        """

        def called(path: Path) -> str:
            return file(self.resolve(path))

        told = {key: _plain(value) for key, value in self.model_dump(context={"file": called}).items()}
        return {key: value for key, value in told.items() if key != "method" or value}

    def files(self) -> list[Path]:
        """All files that it names, by their absolute paths."""
        found: dict[Path, str] = {}
        self.effective(lambda file: found.setdefault(file, ""))
        return list(found)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.effective() == other.effective()


def _plain(value: object) -> Plain:
    """Tuples as lists, which are all that YAML and JSON have."""
    match value:
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case bool() | int() | float() | str() | None:
            return value
        case _:
            raise TypeError(f"found a {type(value).__name__} in a case, expected plain data")
