"""What is known after an outer iteration and at the end of a run."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

StopReason = Literal[
    "discrepancy",
    "minimum",
    "tolerance",
    "stalled",
    "no_accepted_step",
    "max_iterations",
    "interrupted",
    "error",
    "near",
]
"""`near` ends the first of two stages and never a run."""


@dataclass(frozen=True)
class Record:
    """One outer iteration, counted from 1; iteration 0 is the start. None stands for what is not known."""

    iteration: int
    coefficient: np.ndarray
    """m after the iteration, nodal values of the owned nodes."""
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


@dataclass(frozen=True)
class Outcome:
    """The end of a run: why it stopped, with which coefficient, and all records, the start's first."""

    stop_reason: StopReason
    coefficient: np.ndarray
    parameters: np.ndarray
    """θ of a network, the same on all ranks; the owned nodal values of a nodal unknown."""
    residual: np.ndarray
    """e at the coefficient."""
    records: list[Record] = field(default_factory=list)
