"""Files that a case names: looked at before they are opened, and read whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.schema.problems import InputError

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is no file that can be read twice, by the format bits of its mode."""

NO_FILE = "no such file"

LARGEST_FILE = 2_000_000_000
"""Bytes of the largest file that is read whole; it takes several times its size in memory."""


def fault(path: Path, largest: int = LARGEST_FILE) -> str | None:
    """Why a path is not that of a regular file of a size that can be read, in words; None where it is.

    Nothing is opened, so that a named pipe is not waited for and a device not touched.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return NO_FILE
    except (OSError, ValueError) as cause:  # too long a name, no permission, a circle of links, a null byte
        return f"an unreadable file ({getattr(cause, 'strerror', None) or cause})"
    if not stat.S_ISREG(found.st_mode):
        return KINDS.get(stat.S_IFMT(found.st_mode), "something that is no file")
    if found.st_size > largest:
        return f"a file of {found.st_size / 1e6:.0f} MB (at most {largest / 1e6:g} MB are read)"
    return None


def read_bytes(path: Path, expected: str, error: type[InputError], largest: int = LARGEST_FILE) -> bytes:
    """What is in a regular file; raises `error` with one sentence when there is none to read."""
    found = fault(path, largest)
    if found is None:
        try:
            # what has become a pipe since it was looked at is not waited for
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
                return opened.read()
        except (OSError, MemoryError) as cause:
            found = (
                f"an unreadable file ({getattr(cause, 'strerror', None) or 'it does not fit into memory'})"
            )
    raise error([f"{path}: found {found}, expected {expected}"])


def read_text(path: Path, expected: str, error: type[InputError], largest: int = LARGEST_FILE) -> str:
    """The text of a UTF-8 file; raises `error` with one sentence when there is none to read."""
    content = read_bytes(path, expected, error, largest)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        byte = f"0x{content[cause.start]:02x}"
        raise error([f"{path}:{line}: found the byte {byte}, expected UTF-8 text"]) from None
    if not text.strip():
        raise error([f"{path}: found an empty file, expected {expected}"])
    return text
