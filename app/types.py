"""Names for what the libraries' own annotations do not tell type checkers; importable by every room.

UFL, PETSc and Matplotlib build their objects in ways that type checkers cannot follow, or ship stubs that
contradict what their code accepts. A signature says by these names what is meant, though nobody checks it.
Nothing is imported here at run time, so that a case is read without meshes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

type Symbol = Any
"""A UFL expression, or a number where one stands for it."""

type Form = Any
"""A ufl.Form, or 0 for a sum of none."""

type CompiledForm = Any
"""A dolfinx.fem.Form, as fem.form makes it."""

type Measure = Any
"""A ufl.Measure."""

type BoundaryMeasure = Callable[[int], Measure]
"""From the number of a boundary condition to the measure of its part of the boundary."""

type Space = Any
"""A dolfinx.fem.FunctionSpace, or a subspace of one."""

type Mesh = Any
"""A dolfinx.mesh.Mesh."""

type Matrix = Any
"""A petsc4py.PETSc.Mat."""

type Untyped = Any
"""What type checkers cannot follow: a library whose stubs contradict its code, an object of a class that is
looked up by name, a value told apart by its attributes."""

type Canvas = Any
"""A matplotlib.figure.Figure, or a part of one."""

type Axes = Any
"""A matplotlib.axes.Axes."""

type Json = Any
"""What JSON or YAML hold: a mapping, a list, a string, a number, a truth value or None."""

type Summary = dict[str, Json]
"""Named results, as summary.json has them, or a cell of a table each."""

type Described = Mapping[str, Json]
"""The same to be read only: what was written once, from which something is made again."""


class Done(Protocol):
    """How a process that is watched over says that it is done, with which exit code; returns that.

    See app.supervisor.
    """

    def __call__(self, code: int, *, everywhere: bool = False) -> int:
        """`everywhere`: all ranks are to end with it, here and now, if the launcher can be told so."""
