"""How the correlation length depends on the direction."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from app.schema.problems import shown
from app.schema.section import NO_TRUTH_VALUE, Number, Section, refuse

SYMMETRY = 1e-9
"""Share of the largest entry by which a matrix may differ from its transpose."""


class AnisotropySpec(Section):
    """In two dimensions: the longest correlation length over the shortest, and its direction."""

    ratio: Annotated[float, Field(ge=1), NO_TRUTH_VALUE]
    """The longest correlation length over the shortest; their geometric mean is as stated."""
    angle: Number = 0.0
    """The direction of the longest, in degrees from the x axis, counterclockwise."""

    @property
    def rows(self) -> tuple[tuple[float, ...], ...]:
        """The matrix, of determinant 1."""
        angle = np.deg2rad(self.angle)
        along, across = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
        matrix = self.ratio * np.outer(along, along) + np.outer(across, across) / self.ratio
        return tuple(tuple(map(float, row)) for row in matrix)


type Rows = tuple[tuple[float, ...], ...]


def _read(value: Any) -> AnisotropySpec | Rows:
    """Refuses what is neither {ratio, angle} nor a matrix."""
    if isinstance(value, AnisotropySpec):
        return value
    if isinstance(value, dict):
        try:
            return AnisotropySpec.model_validate(value)
        except ValidationError:
            raise refuse(shown(value), "a ratio >= 1 and an angle in degrees") from None
    try:
        rows = tuple(tuple(float(entry) for entry in row) for row in value)
    except (TypeError, ValueError):
        raise refuse(shown(value), f"{FORM}") from None
    return _definite(rows)


def _definite(rows: Rows) -> Rows:
    if len({len(rows), *map(len, rows)}) != 1:
        raise refuse("rows that are not as long as they are many", "a square matrix")
    matrix = np.array(rows)
    if not np.isfinite(matrix).all() or np.abs(matrix - matrix.T).max() > SYMMETRY * np.abs(matrix).max():
        raise refuse("a matrix that is not its transpose", "a symmetric one of finite numbers")
    if np.linalg.eigvalsh(matrix)[0] <= 0.0:
        raise refuse("a matrix with an eigenvalue that is not positive", "a positive definite one")
    return rows


FORM = "{ratio, angle} or a symmetric matrix by its rows"

Anisotropy = Annotated[
    AnisotropySpec | Rows,
    BeforeValidator(_read),
    WithJsonSchema({"type": ["object", "array"], "format": "anisotropy"}),
]
"""{ratio, angle}, or a symmetric positive definite matrix by its rows."""
