"""What pictures and fields call things, and in which formats pictures are written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from app.schema.section import Section

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""A line that is written into pictures as it stands."""


class NamedQuantity(Section):
    """A quantity as its user calls it."""

    label: Text | None = None
    """Its name in pictures."""
    unit: Text | None = None
    """Its unit in pictures, such as m²/s."""


class OutputSpec(Section):
    """What pictures say and in which formats they are written; changes nothing in the run."""

    figures: tuple[Literal["pdf", "svg"], ...] = ()
    """Formats in which each picture is written beside PNG, as vector graphics; fields on a mesh are pixels in
    them."""
    length_unit: Text | None = None
    """The unit of the mesh's coordinates, which axes show; m in electrical tomography."""
    time_unit: Text | None = None
    """The unit of time."""
    state: NamedQuantity = NamedQuantity()
    """What pictures call the state of the equation."""
