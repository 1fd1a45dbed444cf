"""A measured field from a VTU or XDMF file: readings at the nodes of its own mesh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from app.data.foreign import Unreadable, read_foreign
from app.data.points import PointData
from app.schema.files import read_text
from app.schema.problems import DataError, nearest, shown

SIGMA = "sigma"
"""The array with the standard deviations, where the file has one."""

MOST_DIGITS = 19
"""A size in a file with so many digits is none."""

FLAT = 1e-6
"""Nodes may leave the mesh's plane by this share of their extent, as single precision does."""


def read_field(path: Path, dimension: int, array: str | None) -> PointData:
    """Nodes and values of an array of numbers at the nodes, by its name where the file has several.

    Serial. Raises DataError.
    """
    path = Path(path)
    nodes, arrays = _read_xdmf(path) if path.suffix == ".xdmf" else _read_vtk(path)
    arrays = {name: values for name, values in arrays.items() if values.ndim == 1}
    fields = [name for name in arrays if name != SIGMA]
    if array is None and len(fields) != 1:
        found = f"the arrays {', '.join(fields)}" if fields else "no array of numbers at the nodes"
        expected = "the key array to name one" if fields else "one"
        raise DataError([f"{path}: found {found}, expected {expected}"])
    name = fields[0] if array is None else array
    if name not in arrays:
        expected = f"one of {', '.join(fields)}{nearest(name, fields)}"
        raise DataError([f"{path}: found no array {name!r} at the nodes, expected {expected}"])
    values, sigma = arrays[name], arrays.get(SIGMA)
    if not len(nodes) or not np.isfinite(nodes).all():
        raise DataError([f"{path}: found no nodes, or some at no finite place, expected finite coordinates"])
    extent = np.ptp(nodes, axis=0)
    if nodes.shape[1] < dimension or extent[dimension:].max(initial=0.0) > FLAT * np.linalg.norm(extent):
        found = f"nodes in {nodes.shape[1]} dimensions"
        raise DataError([f"{path}: found {found}, expected {dimension}, and nothing beyond"])
    if not np.isfinite(values).all():
        raise DataError([f"{path}: {name}: found values that are not finite, expected finite numbers"])
    if sigma is not None and not (np.isfinite(sigma) & (sigma > 0)).all():
        raise DataError([f"{path}: {SIGMA}: found values that are not > 0, expected numbers > 0"])
    return PointData(
        points=np.array(nodes[:, :dimension]),
        values=np.array(values),
        sigma=None if sigma is None else np.array(sigma),
        lines=np.arange(1, len(values) + 1),
    )


def _read_vtk(path: Path) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    if path.suffix not in (".vtu", ".pvtu"):
        raise DataError([f"{path}: found no mesh file ({path.suffix}), expected VTU or XDMF"])
    try:
        arrays = read_foreign("vtk", path)
    except Unreadable as cause:
        raise DataError([f"{path}: found no mesh file ({cause}), expected VTU or XDMF"]) from None
    nodes = arrays.pop("").astype(float)
    return nodes, {name: values.astype(float) for name, values in arrays.items() if len(values) == len(nodes)}


def _read_xdmf(path: Path) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """The first geometry, and the last of each attribute at nodes.

    By hand, since VTK's reader (9.7) ends the process on files that DOLFINx writes, and meshio (5.3) takes
    one collection of them, sigma without its field.
    """
    text = read_text(path, "an XDMF file", DataError)
    try:
        tree = ElementTree.fromstring(text)
    except ElementTree.ParseError as cause:
        reason = str(cause).partition(": line ")[0]
        found = f"found text that is not XML ({reason})"
        raise DataError([f"{path}:{cause.position[0]}: {found}, expected XDMF"]) from None
    geometry = tree.find(".//Geometry/DataItem")
    if geometry is None:
        raise DataError([f"{path}: found no geometry, expected an XDMF file with a mesh and a field"])
    nodes = _data_item(f"{path}: the geometry", path, geometry)
    arrays: dict[str, np.ndarray] = {}
    for attribute in tree.iter("Attribute"):
        item = attribute.find("DataItem")
        if item is not None and attribute.get("Center") == "Node":
            name = attribute.get("Name", "")
            values = _data_item(f"{path}: the attribute {shown(name)}", path, item)
            arrays[name] = values[:, 0] if values.shape[1] == 1 else values
    return nodes, {name: values for name, values in arrays.items() if len(values) == len(nodes)}


def _data_item(where: str, path: Path, item: ElementTree.Element) -> np.ndarray:
    """The numbers of an item, two-dimensional: written in the file, or in an HDF5 file beside it."""
    said, text = item.get("Dimensions", ""), (item.text or "").strip()
    sizes = [int(size) if size.isdecimal() and len(size) < MOST_DIGITS else 0 for size in said.split()]
    if not sizes or not all(sizes):
        raise DataError([f"{where}: found the Dimensions {shown(said)}, expected whole numbers > 0"])
    values = _dataset(where, path, text) if item.get("Format") == "HDF" else _numbers(where, text)
    if values.size != math.prod(sizes):
        found = f"found {values.size} numbers"
        raise DataError([f"{where}: {found}, expected {math.prod(sizes)}, as many as its Dimensions say"])
    return values.reshape(sizes[0], -1)


def _numbers(where: str, text: str) -> np.ndarray:
    """Those that are written there."""
    pieces = text.split()
    try:
        return np.array(pieces, dtype=float)
    except ValueError:
        bad = next(piece for piece in pieces if not _is_number(piece))
        raise DataError([f"{where}: found {shown(bad)}, expected a number"]) from None


def _is_number(text: str) -> bool:
    try:
        np.array([text], dtype=float)
    except ValueError:
        return False
    return True


def _dataset(where: str, path: Path, reference: str) -> np.ndarray:
    """What an XDMF file refers to as `name:/dataset` of an HDF5 file beside it."""
    file, _, dataset = reference.partition(":")
    if not file or not dataset.strip("/"):
        found = f"found {shown(reference)} for numbers in an HDF5 file"
        raise DataError([f"{where}: {found}, expected its name, a colon and a dataset"])
    try:
        return read_foreign("hdf5", path.parent / file, dataset)[""]
    except Unreadable as cause:
        found = f"found {shown(file)}, which cannot be read ({cause})"
        raise DataError([f"{where}: {found}, expected an HDF5 file with {shown(dataset)}"]) from None
