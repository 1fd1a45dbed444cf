"""What is known after an outer iteration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

StopReason = Literal[
    "discrepancy",
    "minimum",
    "noise_not_met",
    "tolerance",
    "stalled",
    "no_accepted_step",
    "max_iterations",
    "interrupted",
    "time_limit",
    "error",
    "near",
]
"""`near` ends the first of two stages and never a run; `noise_not_met` is a minimum far above what the stated
noise accounts for."""

GrowthEnd = Literal["reached", "little_missing", "no_progress", "rounds", "no_room", "no_candidate"]
"""Why a network grew no further: capture (or alignment) reached its threshold, less is missing than matters,
the last round gained too little of what was missing, the rounds of an iteration are used up, the layer is as
wide as it may be, no candidate adds to the tangent space."""


@dataclass(frozen=True)
class Expansion:
    """A round of growth: why, what was considered, what was chosen, and what it brought."""

    round: int
    """From 1 in each iteration."""
    measure: Literal["capture", "alignment"]
    before: float
    """Capture (of a plain step the alignment) that fell below `threshold`."""
    threshold: float
    missing: float | None
    """The decrease that was missing, as a share of the stopping rule's scale; above `missing_threshold`. None
    while there is no scale."""
    missing_threshold: float
    candidates: int
    """Neurons that were considered."""
    widths: tuple[int, ...]
    """Neurons of each hidden layer before."""
    grown: tuple[int, ...]
    """The same after."""
    predicted: float
    """½sᵀH⁺s, by how much more the best tangent step lowers the model with the new neurons."""
    gained: float
    """By how much more the model fell with them, in the same unit (that of the energy)."""
    ended: GrowthEnd | None = None
    """Why there was no further round; None if there was."""

    @property
    def neurons(self) -> int:
        """How many joined."""
        return sum(self.grown) - sum(self.widths)

    @property
    def layers(self) -> tuple[int, ...]:
        """Which hidden layers they joined, counted from 1; empty if a layer was inserted."""
        if len(self.grown) != len(self.widths):
            return ()
        pairs = zip(self.widths, self.grown, strict=True)
        return tuple(i for i, (before, after) in enumerate(pairs, 1) if after > before)


@dataclass(frozen=True)
class Record:
    """One outer iteration, counted from 1; iteration 0 is the start. None stands for what is not known."""

    iteration: int
    energy: float | None
    """φ + ½w‖m − m_ref‖²_R with the iteration's R and w."""
    misfit: float
    """φ = ½‖e‖²."""
    regularisation: float | None
    """½w‖m − m_ref‖²_R."""
    parameters: int
    widths: tuple[int, ...]
    weight: float | None = None
    alignment: float | None = None
    capture: float | None = None
    vectors: int = 0
    """Krylov vectors of the iteration."""
    complement: float | None = None
    """λ of the safe complement with which the accepted step was taken."""
    trials: int = 0
    """Rejected trials of the iteration."""
    inner_iterations: int = 0
    """Levenberg–Marquardt steps of the iteration, rejected ones included."""
    expansions: int = 0
    """Times that the network grew in the iteration."""
    growth: tuple[Expansion, ...] = ()
    """Each of them."""
    pruned: int = 0
    """Neurons that were removed from the accepted step."""
    gain: float | None = None
    """Decrease of the energy, with the iteration's R and w, as a share of the stopping rule's scale."""
    gained: float | None = None
    """Decrease of the energy, with the iteration's R and w."""
    missing: float | None = None
    """What the model has still to fall after the step, ½rᵀK⁻¹r + q(δ)."""
    ratio: float | None = None
    """True over predicted decrease of the step."""
    damped: bool = False
    """Whether rejected trials held the step back."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """Work and seconds since the run's start, by the problem's meter."""
    relative_error: float | Mapping[str, float] | None = None
    """Against the truth; of several unknowns one for each name whose truth is known."""

    @property
    def grew(self) -> bool:
        """Whether more neurons joined than were removed."""
        joined = sum(expansion.neurons for expansion in self.growth)
        return self.expansions > 0 and not 0 < joined <= self.pruned
