"""How the flow goes and the network grows: the inverse side of a case."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.schema.section import NO_TRUTH_VALUE, Count, Natural, Positive, Section, refuse


class Flow(Section):
    """The iteration."""

    inner_product: Literal["gauss_newton", "l2", "h1", "prior"] = "gauss_newton"
    """K, in which the direction is the steepest descent."""
    step: Literal["retracted", "plain"] = "retracted"
    """Minimise the model over the parameters, or step along the direction."""
    discrepancy: Positive = 1.0
    """tau: the target of the misfit is half its square times the number of readings."""
    max_iterations: Count = 60
    """Outer iterations after which the run stops unconverged."""


class ExpansionSpec(Section):
    """How the network grows."""

    strategy: Literal["gain", "random", "none"] = "gain"
    """The neurons that lower the model most, any neurons (to compare with), or no growth."""
    capture: Annotated[float, Field(gt=0, le=1), NO_TRUTH_VALUE] = 0.8
    """Share of the model's ideal decrease below which the network grows."""
    missing: Annotated[float, Field(ge=0), NO_TRUTH_VALUE] = 0.01
    """Share of the energy that the missing decrease must exceed for the network to grow."""
    rounds: Natural = 8
    """Largest number of expansions in an outer iteration."""
    progress: Annotated[float, Field(ge=0, le=1), NO_TRUTH_VALUE] = 0.3
    """A round that gains less than this share of the missing decrease is the iteration's last."""
    neurons: Count = 24
    """Largest number of neurons that join at once."""
    candidates: Count = 400
    """Random neurons to choose from."""
    depth: bool = False
    """Whether neurons may join every hidden layer, and new ones (residual blocks), or the last one only;
    gain per parameter decides."""
    polish: Natural = 0
    """Steps by which the best candidates of a round are improved (gradient ascent of their gain) before they
    compete; 0: none."""
    scales: tuple[Positive, Positive] = (1.0, 60.0)
    """Smallest and largest slope of the candidates on the domain scaled to [-1, 1]."""
    prune: Annotated[float, Field(ge=0, lt=1), NO_TRUTH_VALUE] = 0.0
    """Where the model is exact, neurons are removed while the unknown changes by less than this share of its
    distance from the reference, in the norm of K, and the energy by a hundredth of what noise accounts for;
    0 for never."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.scales[0] > self.scales[1]:
            found = f"scales from {self.scales[0]} to {self.scales[1]}"
            raise refuse(found, "the smaller first", key="scales")
        return self
