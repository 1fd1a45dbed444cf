"""Fields for ParaView: a .pvd file with one .vtu piece a rank."""

import errno
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from dolfinx import fem
from dolfinx.io import VTKFile

from app.mesh.spaces import Function
from app.parallel import agreed
from app.types import Described, Space, Untyped

END = b"</VTKFile>"
"""The last line of a file that is whole."""


def write_fields(
    path: Path,
    space: Space,
    fields: Described,
    moving: Collection[str] = (),
    moments: Iterable[float] = (0.0,),
) -> None:
    """Write DOLFINx functions or expressions of one mesh, interpolated into one Lagrange space; collective.

    One VTK file holds one element only: `space` is that of the highest degree, so that nothing is lost. What
    has several components gets as many of it. All are written at each of the times `moments`, at which those
    that are `moving` are looked at anew. Raises OSError on all ranks where a file is not whole, and leaves
    none then.
    """
    shown: dict[str, Function] = {}
    degree = space.element.basix_element.degree
    for name, field in fields.items():
        shape = tuple(field.ufl_shape)
        if shape != tuple(space.value_shape):
            space = fem.functionspace(space.mesh, ("Lagrange", degree, shape))
        shown[name] = fem.Function(space, name=name)
        _interpolate(shown[name], field)
    comm, count = space.mesh.comm, 0
    with agreed(comm):
        if comm.rank == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(path)
    file = VTKFile(comm, str(path), "w")
    for time in moments:  # what moves does so while they are gone through
        for name in moving:
            _interpolate(shown[name], fields[name])
        with suppress(RuntimeError):  # perhaps this rank's only: see below
            file.write_function(list(shown.values()), time)
        count += 1
    with suppress(RuntimeError):
        file.close()
    del file  # which writes a last time
    try:
        with agreed(comm):
            _check_whole(path, comm.rank, count)
    except OSError:
        with agreed(comm):
            if comm.rank == 0:
                _remove(path)
        raise


def written_beside(name: str) -> tuple[str, ...]:
    """Patterns of the files that NAME.pvd consists of."""
    return f"{name}.pvd", f"{name}*.pvtu", f"{name}_p*_*.vtu"


def _remove(path: Path) -> None:
    """What is there of an earlier call, or of links of such a name."""
    for pattern in written_beside(path.stem):
        for old in path.parent.glob(pattern):
            old.unlink()


WRITES = written_beside("fields")
"""Names of the files, for whoever replaces them."""


def _check_whole(path: Path, rank: int, times: int) -> None:
    """Raise OSError unless this rank's files are: the library that writes them does not say."""
    files = [path.with_name(f"{path.stem}_p{rank}_{time:06d}.vtu") for time in range(times)]
    for file in [*files, path] if rank == 0 else files:
        with file.open("rb") as opened:
            opened.seek(max(file.stat().st_size - len(END) - 1, 0))
            if END not in opened.read():
                raise OSError(errno.EIO, "the file was not written to its end", str(file))


def _interpolate(function: Function, field: Untyped) -> None:
    if isinstance(field, fem.Function):
        function.interpolate(field)
    else:
        points = function.function_space.element.interpolation_points
        function.interpolate(fem.Expression(field, points))
    function.x.scatter_forward()
