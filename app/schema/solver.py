"""How linear systems are solved, as a case says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schema.section import NO_TRUTH_VALUE, Natural, Section


class LinearSolverSpec(Section):
    """How the linear systems of the state operator are solved."""

    kind: Literal["auto", "direct", "iterative"] = "auto"
    """A factorisation, CG (GMRES if unsymmetric) with a multigrid preconditioner, or auto for the one that is
    predicted to be cheaper."""
    tolerance: Annotated[float, Field(gt=0, lt=1), NO_TRUTH_VALUE] = 1e-12
    """Relative residual at which the iterative solver stops."""
    direct_below: Natural | None = None
    """Number of unknowns below which auto is direct, in place of a prediction."""
