"""What is worked out of a result's uncertainty."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schema.section import NO_TRUTH_VALUE, Section


class PosteriorSpec(Section):
    """How sure the result is, worked out when the run is over."""

    kind: Literal["laplace", "none"] = "laplace"
    """laplace: the Gaussian posterior of the problem linearised at the result; none: nothing of it."""
    samples: Annotated[int, Field(ge=0, le=1000), NO_TRUTH_VALUE] = 0
    """Draws of the posterior that are written as fields."""
