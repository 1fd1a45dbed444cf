"""Fields for ParaView: a .pvd file with one .vtu piece a rank."""

from collections.abc import Collection, Iterable
from pathlib import Path

from dolfinx import fem
from dolfinx.io import VTKFile

from app.types import Described, Space, Untyped

WRITES = ("fields.pvd", "fields*.pvtu", "fields_p*_*.vtu")
"""Names of the files, for whoever replaces them."""


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
    that are `moving` are looked at anew.
    """
    shown, degree = {}, space.element.basix_element.degree
    for name, field in fields.items():
        shape = tuple(field.ufl_shape)
        if shape != tuple(space.value_shape):
            space = fem.functionspace(space.mesh, ("Lagrange", degree, shape))
        shown[name] = fem.Function(space, name=name)
        _interpolate(shown[name], field)
    with VTKFile(space.mesh.comm, str(path), "w") as file:
        for time in moments:
            for name in moving:
                _interpolate(shown[name], fields[name])
            file.write_function(list(shown.values()), time)


def _interpolate(function: fem.Function, field: Untyped) -> None:
    if isinstance(field, fem.Function):
        function.interpolate(field)
    else:
        points = function.function_space.element.interpolation_points
        function.interpolate(fem.Expression(field, points))
    function.x.scatter_forward()
