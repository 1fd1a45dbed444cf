"""Whether nodal values would reach a lower energy than the network at which a run has ended."""

from dataclasses import dataclass

from app.flow import FlowState
from app.parallel import gram
from app.posterior import LinearisedPosterior
from app.types import Summary

TOLERATED = 0.5
"""Share of ½·(degrees of freedom)·(variance of the noise), by which a draw of the posterior is above the
minimum in what the data determine, that a network may miss: it is then nearer to it than such draws are."""


@dataclass(frozen=True)
class NodalStep:
    """What one Gauss–Newton step of all nodal values promises at the end of a run."""

    energy: float
    """Of the network."""
    promised: float
    """By how much lower the step would be, by the model."""
    tolerated: float
    """What may be missing."""

    @property
    def matters(self) -> bool:
        """Whether more is missing than may be."""
        return self.promised > self.tolerated

    @property
    def summary(self) -> Summary:
        """As the summary has it."""
        return {"energy": self.energy, "promised": self.promised, "tolerated": self.tolerated}

    def __str__(self) -> str:
        return (
            f"the network ends at the energy {self.energy:.4g}, of which one Gauss–Newton step of nodal "
            f"values promises to take {self.promised:.3g} (less than {self.tolerated:.3g} would be "
            "negligible beside the noise): method.stopping.negligible: 0.01, a larger max_width, another "
            "seed or the representation nodal would come closer"
        )


def nodal_step(state: FlowState, posterior: LinearisedPosterior) -> NodalStep:
    """½rᵀK⁻¹r with the energy's derivative r and K = wR + JᵀJ of the end, where R and J are; collective, one
    adjoint right-hand side that the run's pictures need too."""
    at, w = state.evaluation, posterior.weight
    assert at is not None
    departure = posterior.mean - posterior.reference
    pull = w * posterior.R.apply(departure)
    derivative = at.derivative() + pull
    promised = 0.5 * float(gram(posterior.R.comm, derivative, posterior.covariance(derivative)))
    energy = at.value + 0.5 * float(gram(posterior.R.comm, departure, pull))
    tolerated = TOLERATED * 0.5 * posterior.freedom * posterior.noise
    return NodalStep(energy, promised / posterior.noise, tolerated)
