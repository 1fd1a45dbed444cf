"""An equation of the user's own, from a Python file that defines its residual in UFL."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic

from app.equations.specs import Stationary
from app.equations.terms import BoundaryCondition, Roles, Starts, inflow
from app.schema.given import GivenField
from app.schema.section import DataFile, Identifier
from app.types import BoundaryMeasure, Form, Measure, Symbol

if TYPE_CHECKING:
    from mpi4py import MPI

    from app.mesh.fields import Field


class CustomSpec(Stationary):
    """An equation of your own, in a Python file; needs --allow-code."""

    kind: Literal["custom"]
    """An equation of your own; its file runs as you, so the command line must say --allow-code."""
    file: DataFile
    """A Python file that defines residual(u, v, coefficients, data) in UFL and perhaps dirichlet(x, data),
    the values of dirichlet conditions by their names."""
    linear: bool = False
    """Whether the residual is linear in u (up to a constant); Newton's method otherwise."""
    symmetric: bool = False
    """Whether its derivative by u is symmetric and positive definite."""
    data: dict[Identifier, GivenField] = pydantic.Field(default_factory=dict)
    """Expressions for the residual by a name of your choice, in units of yours."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


class CustomError(ValueError):
    """What is wrong with the user's file, with its line where there is one; raised on all ranks alike."""


class Data(Mapping[str, Symbol]):
    """What the user's functions are given: the case's expressions by name, in UFL, and the geometry."""

    def __init__(self, fields: Mapping[str, Field], x: Symbol, parts: Mapping[str, Symbol]) -> None:
        import ufl
        from ufl.domain import extract_unique_domain

        from app.mesh.fields import in_ufl

        self._fields = {name: in_ufl(field, x) for name, field in fields.items()}
        self._parts = parts
        self.x = x
        """Coordinates, ufl.SpatialCoordinate."""
        self.dx = ufl.dx(extract_unique_domain(x))
        """The measure of the cells, also for integrands that know no mesh."""
        self.n = ufl.FacetNormal(extract_unique_domain(x))
        """Outer normal of the boundary."""

    def ds(self, name: str) -> Measure:
        """The measure of the part of the boundary where the case's condition of this name holds."""
        return self._parts[name]

    def __getitem__(self, name: str) -> Symbol:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class Functions:
    """What the file defines."""

    path: Path
    residual: Callable[..., Form]
    dirichlet: Callable[..., Any] | None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Its value; raises CustomError with the line where it failed."""
        try:
            return function(*arguments)
        except (Exception, SystemExit) as error:
            raise CustomError(_told(self.path, error)) from error


def load_functions(comm: MPI.Comm, path: Path) -> Functions:
    """Run the file on every rank, as rank 0 reads it; collective. Raises CustomError on all ranks alike."""
    from app.parallel import agreed, on_root

    def read() -> str:
        try:
            return path.read_text()
        except (OSError, ValueError) as error:
            raise CustomError(f"{path}: found a file that cannot be read: {error}") from None

    text = on_root(comm, read)
    with agreed(comm):
        names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        try:
            exec(compile(text, str(path), "exec"), names)
        except (Exception, SystemExit) as error:
            raise CustomError(_told(path, error)) from None
        if not callable(names.get("residual")):
            raise CustomError(
                f"{path}: found no residual, expected a function residual(u, v, coefficients, data)"
            )
    return Functions(path, names["residual"], names.get("dirichlet"))


@dataclass(frozen=True)
class _Value:
    """A boundary value in UFL."""

    expression: Symbol

    def ufl(self, x: Symbol) -> Symbol:
        import ufl

        return ufl.as_ufl(self.expression)


class Custom:
    """residual(u, v, unknowns by name, data) = 0, less the fluxes that the case's boundary conditions say.

    `dirichlet(x, data)`, where the file has it, gives values in UFL to Dirichlet conditions by name.
    """

    spec = CustomSpec
    roles: ClassVar[Starts] = {"coefficient": 0.0}

    def __init__(
        self,
        functions: Functions,
        unknowns: Roles,
        boundary: Mapping[str, BoundaryCondition],
        data: Mapping[str, Field],
        x: Symbol,
        *,
        linear: bool,
        symmetric: bool,
    ) -> None:
        self.linear, self.symmetric = linear, symmetric
        self.role = unknowns
        """The names of the unknowns: here they stand for what the file makes of them."""
        self._functions, self._data = functions, data
        self.boundary = {**boundary, **self._valued(boundary, x)}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl
        from ufl.algorithms import compute_form_data, expand_derivatives

        parts = {name: ds(index) for index, name in enumerate(self.boundary)}
        data = Data(self._data, x, parts)
        call = self._functions.call
        form = call(self._functions.residual, u, v, dict(m), data)
        if not isinstance(form, ufl.Form) or form.arguments() != (v,):
            found = f"a {type(form).__name__}" if not isinstance(form, ufl.Form) else "a form without v"
            raise self._refused("residual", found, "a UFL form that is linear in v")
        for name, function in {"u": u, **m}.items():
            if function not in form.coefficients():
                raise self._refused(
                    "residual", f"a form without {name}", f"one with {' and '.join(['u', *m])}"
                )
        call(compute_form_data, form)
        if self.linear and u in expand_derivatives(ufl.derivative(form, u)).coefficients():
            raise self._refused("residual", "a form that is not linear in u", "linear: false in the case")
        return form - inflow(self, u, m, v, x, ds)

    def _valued(self, boundary: Mapping[str, BoundaryCondition], x: Symbol) -> dict[str, BoundaryCondition]:
        function = self._functions.dirichlet
        if function is None:
            return {}
        values = self._functions.call(function, x, Data(self._data, x, {}))
        known = [name for name, condition in boundary.items() if condition.kind == "dirichlet"]
        if not isinstance(values, Mapping) or not set(values) <= set(known):
            found = ", ".join(map(str, values)) if isinstance(values, Mapping) else type(values).__name__
            expected = f"values by the names of dirichlet conditions of the case: {', '.join(known)}"
            raise self._refused("dirichlet", found, expected)
        return {name: replace(boundary[name], value=_Value(value)) for name, value in values.items()}  # type: ignore[arg-type]

    def _refused(self, function: str, found: str, expected: str) -> CustomError:
        return CustomError(f"{self._functions.path}: {function} returned {found}, expected {expected}")


def _told(path: Path, error: BaseException) -> str:
    """`file:line: error` of the innermost line of the user's file."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    where = path if line is None else f"{path}:{line}"
    reason = str(getattr(error, "msg", error)).partition("\n")[0]
    return f"{where}: {type(error).__name__}: {reason}"
