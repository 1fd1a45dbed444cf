"""The sections of a gmsh file and the numbers in them, as text or as bytes.

Read by what the format says alone: gmsh's own reader executes scripts, whatever the file is called.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NEEDED = ("PhysicalNames", "Entities", "PartitionedEntities", "Nodes", "Elements")
"""Sections that are read; all others are passed over."""

MOST_BYTES = 1 << 34
"""Larger files are refused."""

SHOWN = 40
"""Characters of a bad word that a message shows."""


class MshError(ValueError):
    """A file that is no mesh in gmsh's format; the message has the line or the section."""


@dataclass(frozen=True)
class Sections:
    """A file that begins with $MeshFormat, cut into its sections."""

    path: Path
    data: bytes
    version: float
    binary: bool
    order: str
    """Of the bytes, `<` or `>`."""
    places: dict[str, tuple[int, int]]
    """Begin and end of what stands between a section's markers."""

    def refused(self, found: str, at: int) -> MshError:
        """The error about what stands at a byte of the file."""
        line = f":{self.data.count(b'\n', 0, at) + 1}" if not self.binary else ""
        return MshError(f"{self.path}{line}: {found}")


class Numbers:
    """The numbers of a section, one after the other; every announced count is held against what is left."""

    def __init__(self, file: Sections, name: str) -> None:
        """Raises MshError for a section that is missing or, as text, holds anything but numbers."""
        if name not in file.places:
            raise MshError(f"{file.path}: found no section ${name}, expected one")
        self._file, self._name, self._binary = file, name, file.binary
        self._begin, self._end = file.places[name]
        self._at = self._begin
        self._values = np.empty(0)
        if not file.binary:
            self._values, self._at = self._words(), 0

    @property
    def left(self) -> int:
        """Bytes or, as text, numbers."""
        return self._end - self._at if self._binary else len(self._values) - self._at

    def line(self) -> int:
        """A count that stands on a line of its own also where the rest are bytes."""
        if not self._binary:
            return self.count()
        end = self._file.data.find(b"\n", self._at, self._end)
        text = self._file.data[self._at : end]
        if end < 0 or not re.fullmatch(rb"\s*\d{1,18}\s*", text):
            raise self.refused("found no count of what follows, expected one")
        self._at = end + 1
        return int(text)

    def integers(self, count: int = 1, kind: str = "i4") -> np.ndarray:
        """The next integers, in the kind that a binary file has them in; shape (count,), int64."""
        values = self._next(count, kind)
        if self._binary:
            return values.astype(np.int64)
        if not (np.abs(values) < 2.0**53).all() or (values != np.round(values)).any():
            raise self.refused("found a number that is no integer, expected integers")
        return values.astype(np.int64)

    def integer(self) -> int:
        """The next of 4 bytes."""
        return int(self.integers()[0])

    def sizes(self, count: int) -> np.ndarray:
        """The next unsigned integers of 8 bytes."""
        return self.integers(count, "u8")

    def count(self) -> int:
        """The next number, of what follows."""
        value = int(self.sizes(1)[0])
        if value < 0:
            raise self.refused(f"found a count of {value}, expected 0 or more")
        return value

    def reals(self, count: int) -> np.ndarray:
        """The next floating-point numbers, shape (count,)."""
        return self._next(count, "f8").astype(float)

    def nodes(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Of a binary file the next records of an integer of 4 bytes and three floating-point numbers."""
        order = self._file.order
        kind = np.dtype([("number", order + "i4"), ("place", order + "f8", (3,))])
        self._require(count, kind.itemsize)
        rows = np.frombuffer(self._file.data, kind, count, self._at)
        self._at += count * kind.itemsize
        return rows["number"].astype(np.int64), rows["place"].astype(float)

    def close(self) -> None:
        """Raise MshError where more is left than a line's end."""
        rest = self._file.data[self._at : self._end].strip() if self._binary else self._values[self._at :]
        if len(rest):
            raise self.refused("found more than its counts say, expected as much")

    def refused(self, found: str) -> MshError:
        """The error about this section."""
        line = "" if self._binary else f":{self._file.data.count(b'\n', 0, self._begin)}"
        return MshError(f"{self._file.path}{line}: ${self._name}: {found}")

    def _next(self, count: int, kind: str) -> np.ndarray:
        size = int(kind[-1]) if self._binary else 1
        self._require(count, size)
        if not self._binary:
            values = self._values[self._at : self._at + count]
            self._at += count
            return values
        whole = np.frombuffer(self._file.data, self._file.order + kind, count, self._at)
        self._at += count * size
        return whole

    def _require(self, count: int, size: int) -> None:
        if count < 0 or count * size > self.left:
            has = self.left // size
            raise self.refused(f"found {has} of the {count} entries that its counts announce, expected all")

    def _words(self) -> np.ndarray:
        text = self._file.data[self._begin : self._end]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                return np.fromstring(text, sep=" ")
            except (DeprecationWarning, ValueError):
                pass
        for word in re.finditer(rb"\S+", text):
            try:
                float(word.group())
            except ValueError:
                shown = word.group()[:SHOWN].decode("ascii", "replace")
                found = f"${self._name}: found {shown!r}, expected a number"
                raise self._file.refused(found, self._begin + word.start()) from None
        return np.array([float(word) for word in text.split()])


def read_sections(path: Path) -> Sections:
    """Cut a file into sections. Raises MshError for one that is none of gmsh's meshes, and OSError."""
    size = path.stat().st_size
    if not path.is_file():
        raise MshError(f"{path}: found no regular file, expected a mesh file")
    if size > MOST_BYTES:
        raise MshError(f"{path}: found {size / 2**30:.0f} GiB, expected a mesh file of 16 GiB at most")
    data = path.read_bytes()
    head = re.match(rb"\s*\$MeshFormat\r?\n\s*(\d+(?:\.\d+)?)[ \t]+(\d+)[ \t]+(\d+)[ \t]*\r?\n", data)
    if head is None:
        raise MshError(
            f"{path}:1: found no line $MeshFormat with a version, a file type and a size below it, "
            "expected a mesh file of gmsh (.msh) in the format 4.1 or 2.2"
        )
    version, kind, width = float(head[1]), int(head[2]), int(head[3])
    if not (2 <= version < 3 or version == 4.1):
        raise MshError(
            f"{path}:2: found the format {version:g} of gmsh, expected 4.1 or 2.2: "
            "gmsh -save -format msh41 writes the mesh anew"
        )
    if kind not in (0, 1) or width != 8:
        raise MshError(f"{path}:2: found file type {kind} and size {width}, expected 0 or 1, and 8")
    order = "<"
    if kind:
        one = data[head.end() : head.end() + 4]
        if one not in (b"\x01\0\0\0", b"\0\0\0\x01"):
            raise MshError(f"{path}: $MeshFormat: found no integer 1 as bytes, expected it in a binary file")
        order = "<" if one[0] else ">"
    return Sections(path, data, version, bool(kind), order, _places(path, data, head.end()))


def _places(path: Path, data: bytes, at: int) -> dict[str, tuple[int, int]]:
    """Begin and end of the sections that are needed."""
    end = re.compile(rb"\$EndMeshFormat[ \t]*\r?\n?").search(data, at, at + 64)
    if end is None:
        raise MshError(f"{path}: found no $EndMeshFormat, expected it below the format")
    opening = re.compile(rb"\$([A-Za-z]\w{0,63})[ \t]*\r?(?:\n|$)")
    places: dict[str, tuple[int, int]] = {}
    at = end.end()
    while found := opening.search(data, at):
        name = found[1].decode()
        if name.startswith("End"):
            raise MshError(f"{path}: found ${name} without a beginning, expected ${name[3:]} before it")
        close = data.find(b"$End" + found[1], found.end())
        if close < 0:
            raise MshError(f"{path}: found ${name} without an end, expected $End{name}: the file is cut off")
        if name in places:
            raise MshError(f"{path}: found a second section ${name}, expected one")
        if name in NEEDED:
            places[name] = found.end(), close
        at = close + len(name) + 4
    return places
