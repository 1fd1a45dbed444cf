"""No differential equation at all: the state is the coefficient, and so observations are of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.mesh.fields import Field
from app.pde.equations.terms import BoundaryCondition, cells, term


@dataclass(frozen=True)
class Identity:
    """u = value in L2, which is exact where the state's degree is that of the coefficient or more."""

    boundary: Mapping[str, BoundaryCondition]
    value: Field | None = None
    role: str = "value"
    linear, symmetric = True, True
    roles = ("value",)

    def residual(self, u: Any, m: Any, v: Any, x: Any, ds: Callable[[int], Any]) -> Any:
        """∫(u − value) v."""
        return (u - term(self, "value", m, x)) * v * cells(x)
