"""Arrays of NPY files, whose headers are believed only as far as the file goes."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from app.schema.files import LARGEST_FILE, read_bytes
from app.schema.problems import DataError
from app.types import Untyped

LONGEST_HEADER = 10_000
"""Bytes of a header; one of a hundred columns has some 2000."""


def read_array(path: Path, expected: str) -> np.ndarray:
    """The array of an NPY file; pickled objects are never loaded. Raises DataError."""
    content = read_bytes(path, f"an NPY file with {expected}", DataError)
    if content.startswith(b"PK\x03\x04"):
        raise DataError([f"{path}: found several arrays, expected one with {expected}"])
    return _array(path, content, expected)


def read_arrays(path: Path, expected: str) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by their names, as read_array reads one. Raises DataError."""
    content = read_bytes(path, f"an NPZ file with {expected}", DataError)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as whole:
            held = sum(part.file_size for part in whole.infolist())
            if held > LARGEST_FILE:
                found = f"{held / 1e6:.0f} MB of arrays (at most {LARGEST_FILE / 1e6:g} MB are read)"
                raise DataError([f"{path}: found {found}, expected an NPZ file with {expected}"])
            parts = {name.removesuffix(".npy"): whole.read(name) for name in whole.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error):
        raise DataError([f"{path}: found no NPZ file, expected one with {expected}"]) from None
    return {name: _array(path, part, expected) for name, part in parts.items()}


def _array(path: Path, content: bytes, expected: str) -> np.ndarray:
    """The array of an NPY file's bytes; raises DataError."""
    try:
        found = _described(content)
        if found is None:
            return npy.read_array(io.BytesIO(content), allow_pickle=False, max_header_size=LONGEST_HEADER)
    except Exception:  # its parser lets faults of the header's text through as they come
        found = "no NPY file (its header cannot be read)"
    raise DataError([f"{path}: found {found}, expected an NPY file with {expected}"])


def _described(content: bytes) -> str | None:
    """What is wrong with the array that the header describes, in words; None where it can be read.

    Raises what numpy does for a header that cannot be read.
    """
    file = io.BytesIO(content)
    versions: Untyped = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    # the third differs from the second in the alphabet of its names only
    shape, _, dtype = versions[min(version, (2, 0))](file, max_header_size=LONGEST_HEADER)
    if dtype.hasobject:
        return "no NPY file of numbers (it holds pickled objects)"
    if any(size < 0 for size in shape) or not dtype.itemsize:
        return f"an array of {dtype} of shape {shape}"
    held, said = len(content) - file.tell(), math.prod(shape) * dtype.itemsize
    if held < said:
        return f"{held} bytes of numbers where the header says {said}"
    return None
