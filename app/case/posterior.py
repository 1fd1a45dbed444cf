"""What is worked out of a result's uncertainty."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.schema.section import NO_TRUTH_VALUE, Count, Natural, Section


class PosteriorSpec(Section):
    """How sure the result is, worked out when the run is over."""

    kind: Literal["laplace", "none", "mcmc"] = "laplace"
    """laplace: the Gaussian posterior of the problem linearised at the result, of phases that of their
    interfaces; none: nothing of it; mcmc: Markov chains that draw from the posterior itself beside it."""
    samples: Annotated[int, Field(ge=0, le=1000), NO_TRUTH_VALUE] = 0
    """Draws of the posterior that are written as fields, and pushed through the equation for the quantiles of
    predictions."""
    proposals: Count = 20_000
    """Of all Markov chains together, after their burn-in."""
    chains: Annotated[int, Field(ge=1, le=1000), NO_TRUTH_VALUE] = 4
    """How many, each with a start and a random stream of its own; of a small mesh ranks share them."""
    burn_in: Natural = 2000
    """Proposals of all chains together before those that count, in which the step is adapted."""
    kernel: Literal["delayed_rejection", "mala", "pcn"] = "delayed_rejection"
    """How chains move, guided by the Gaussian posterior: pcn by its draws (h-pCN), mala by the gradient as
    well (h-MALA), delayed_rejection by a draw far away and, where that is rejected, by the gradient."""
    coarse_steps: Annotated[int, Field(ge=0, le=1000), NO_TRUTH_VALUE] = 5
    """Proposals that a mesh of twice the cell size decides on before one is made to the case's own (delayed
    acceptance): so many fewer states there, and the posterior is still that of the case's mesh. 0: none."""
