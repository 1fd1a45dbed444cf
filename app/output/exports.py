"""The coefficient for other programs."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from app.output.coefficient import Coefficient
from app.types import Untyped

WRITES = ("coefficient.npz", "coefficient.csv", "coefficient.vtu", "coefficient*.pt2")
"""Names of the files, for whoever replaces them."""


class NotExportable(ValueError):
    """A coefficient that a format cannot hold; says why."""


def export(coefficient: Coefficient, kind: str, path: Path) -> list[Path]:
    """Write it as `npz`, `csv`, `vtu` or `torch`; serial. Returns the files. Raises NotExportable."""
    if kind == "torch":
        return _write_modules(coefficient, path)
    if any(part.nodal is None for part in coefficient.parts):
        raise NotExportable("found a parametric family, which has no nodal values, expected --format torch")
    nodes, cells, kinds = coefficient.lattice()
    values = coefficient.evaluate(nodes)
    if kind == "npz":
        arrays: Untyped = {"nodes": nodes, "cells": cells, **values}
        np.savez_compressed(path, **arrays)
    elif kind == "csv":
        with path.open("w", newline="") as file:
            names = ("x", "y", "z")[: nodes.shape[1]]
            write_columns(file, {name: nodes[:, i] for i, name in enumerate(names)} | values)
    else:
        import pyvista

        points = np.zeros((len(nodes), 3))
        points[:, : nodes.shape[1]] = nodes
        padded = np.hstack([np.full((len(cells), 1), cells.shape[1]), cells]).ravel()
        grid = pyvista.UnstructuredGrid(padded, kinds, points)
        for name, own in values.items():
            grid.point_data[name] = own
        grid.save(path)
    return [path]


def write_columns(file: TextIO, columns: Mapping[str, np.ndarray]) -> None:
    """CSV with a header; numbers in as many digits as bring them back to the last bit."""
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([repr(float(number)) for number in row])


def _write_modules(coefficient: Coefficient, path: Path) -> list[Path]:
    """Networks as programs of torch.export, one file each."""
    import torch

    modules = coefficient.modules()
    if not modules:
        raise NotExportable("found no network that is a coefficient by itself, expected another format")
    paths = []
    for name, module in modules.items():
        own = path if len(modules) == 1 else path.with_stem(f"{path.stem}_{name}")
        with torch.no_grad():
            example = torch.zeros((2, len(coefficient.inputs)), dtype=torch.float64)
            count = torch.export.Dim("points", min=1)
            program = torch.export.export(module, (example,), dynamic_shapes={"points": {0: count}})
            torch.export.save(program, str(own))
        paths.append(own)
    return paths
