"""Files that are read by libraries which corrupt bytes can crash: in a process of its own each.

`python -I foreign.py vtk|hdf5 FILE DATASET ARRAYS.npz` is that process.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, BYTES_PER_SECOND = 15.0, 5e6
"""A file that takes longer than this, and a second more for so many bytes, is refused."""

MEMORY = 4 << 30
"""Bytes that the process may take beside those for the file."""

PER_BYTE = 40
"""Bytes that it may take for each byte of the file, which may be compressed."""

SHOWN = 200
"""Characters of a library's own words that a message repeats."""


class Unreadable(ValueError):
    """A file that its library does not read, and why."""


def read_foreign(kind: str, path: Path, dataset: str = "") -> dict[str, np.ndarray]:
    """The arrays of a file by their names; raises Unreadable, also where the library crashes or hangs.

    `vtk`: the nodes' coordinates as an unnamed array, and the arrays of numbers at the nodes. `hdf5`: the
    dataset as an unnamed array.
    """
    if not os.path.isfile(path):  # also where the name is too long, as Path.is_file does not say
        raise Unreadable(f"no file {path}")
    launcher = ("PMI", "PMIX", "HYDRA", "MPI", "OMPI")  # the process is none of its ranks
    seconds = SECONDS + path.stat().st_size / BYTES_PER_SECOND
    environment = {key: value for key, value in os.environ.items() if not key.startswith(launcher)}
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        words = [kind, str(path.resolve()), dataset, str(arrays)]
        command = [sys.executable, "-I", __file__, *words]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(f"its reader was not done after {seconds:.0f} s") from None
        if done.returncode or not arrays.exists():
            said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            reason = said[-1].strip()[:SHOWN] if done.returncode == 1 and said else "its reader crashed"
            raise Unreadable(reason)
        with np.load(arrays, allow_pickle=False) as content:
            names = content["names"].tolist()
            return {name: content[f"array {number}"] for number, name in enumerate(names)}


def _vtk(path: Path, dataset: str) -> dict[str, np.ndarray]:
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkIOXML import vtkXMLPUnstructuredGridReader, vtkXMLUnstructuredGridReader

    to_numpy: Callable[..., np.ndarray] = numpy_support.vtk_to_numpy
    reader: Any = {".vtu": vtkXMLUnstructuredGridReader, ".pvtu": vtkXMLPUnstructuredGridReader}[
        path.suffix
    ]()
    reader.SetFileName(str(path))
    reader.Update()
    if reader.GetErrorCode():
        raise Unreadable("VTK cannot read it")
    grid = reader.GetOutput()
    if not grid.GetNumberOfPoints():
        raise Unreadable("it has no nodes")
    arrays = {"": to_numpy(grid.GetPoints().GetData())}
    values = grid.GetPointData()
    for index in range(values.GetNumberOfArrays()):
        array = values.GetArray(index)
        if array is not None and array.GetName():  # None where it holds no numbers
            arrays[array.GetName()] = to_numpy(array)
    return arrays


def _hdf5(path: Path, dataset: str) -> dict[str, np.ndarray]:
    """By PETSc, which reads what DOLFINx writes."""
    import app.wheel  # noqa: F401

    # isort: split
    from mpi4py import MPI
    from petsc4py import PETSc as _PETSc

    from app.types import Untyped

    PETSc: Untyped = _PETSc  # its stubs know communicators of its own only
    group, _, name = dataset.rpartition("/")
    try:
        viewer = PETSc.ViewerHDF5().create(str(path), "r", comm=MPI.COMM_SELF)
    except PETSc.Error:
        raise Unreadable("it is no HDF5 file, or a damaged one") from None
    try:
        vector = PETSc.Vec().create(MPI.COMM_SELF)
        vector.setName(name)
        viewer.pushGroup(group)
        vector.load(viewer)
    except PETSc.Error:
        raise Unreadable(f"it has no dataset {dataset} of real numbers that is whole") from None
    return {"": vector.array}


def _main(kind: str, path: Path, dataset: str, target: Path) -> None:
    import resource

    size = MEMORY + PER_BYTE * path.stat().st_size
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.insert(0, str(Path(__file__).parents[2]))
    arrays = {"vtk": _vtk, "hdf5": _hdf5}[kind](path, dataset)
    numbered: dict[str, Any] = {f"array {number}": array for number, array in enumerate(arrays.values())}
    np.savez(target, names=np.array(list(arrays), dtype=np.str_), **numbered)


if __name__ == "__main__":
    try:
        _main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    except Exception as error:
        print(" ".join(str(error).split()) or type(error).__name__, file=sys.stderr, flush=True)
        os._exit(1)  # before libraries close what is damaged, and complain of that or crash
    os._exit(0)
