"""Fields for ParaView: a .pvd file with one .vtu piece a rank."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dolfinx import fem
from dolfinx.io import VTKFile


def write_fields(path: Path, space: Any, fields: Mapping[str, Any]) -> None:
    """Write DOLFINx functions or expressions of one mesh, interpolated into one Lagrange space; collective.

    One VTK file holds one element only: `space` is that of the highest degree, so that nothing is lost. What
    has several components gets as many of it.
    """
    functions, degree = [], space.element.basix_element.degree
    for name, field in fields.items():
        shape = tuple(field.ufl_shape)
        if shape != tuple(space.value_shape):
            space = fem.functionspace(space.mesh, ("Lagrange", degree, shape))
        function = fem.Function(space, name=name)
        if isinstance(field, fem.Function):
            function.interpolate(field)
        else:
            points = space.element.interpolation_points
            function.interpolate(fem.Expression(field, points))
        function.x.scatter_forward()
        functions.append(function)
    with VTKFile(space.mesh.comm, str(path), "w") as file:
        file.write_function(functions)
