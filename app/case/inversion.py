"""What counts as smooth, how the flow goes and the network grows: the inverse side of a case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from app.prior import REGULARISATIONS, Parameter, parameter_names
from app.schema.section import NO_TRUTH_VALUE, Count, Natural, Positive, Section, refuse

LengthScale = Annotated[
    float,
    Field(gt=0, allow_inf_nan=True, json_schema_extra={"format": "length_or_inf"}),
    NO_TRUTH_VALUE,
]


class _RegularisationSpec(Section):
    """The inner product R of an unknown, and its weight.

    Nothing said, both are chosen from the data. A kind alone goes with the weight by discrepancy; a weight or
    a length alone with h1.
    """

    kind: str
    """What smooth means; auto: whichever of the others, at several lengths, predicts left-out readings best
    (0.81 of the error of h1 with the weight by discrepancy, median over the ten cases)."""
    weight: Literal["cross_validation", "discrepancy"] | Positive
    """What predicts left-out readings best, what meets the noise level (the discrepancy principle), or a
    number that multiplies R."""
    length_scale: LengthScale | None = None
    scale: Positive = 1.0
    """By how much the unknown varies, in its unit: R is divided by its square. With several unknowns it says
    how far each may move for the other's sake."""

    @property
    def parameters(self) -> dict[str, float]:
        """Those of the kind's own that are given."""
        given = {name: getattr(self, name) for name in parameter_names()}
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        chosen = value.get("weight", "cross_validation") == "cross_validation"
        own = [name for name in parameter_names() if value.get(name) is not None]
        described = value.get("length_scale") is not None or own
        usual = _kinds_with(own[0])[0] if own else "h1"
        kind = value.get("kind", "auto" if chosen and not described else usual)
        weight = value.get("weight", "cross_validation" if kind == "auto" else "discrepancy")
        return {**value, "kind": kind, "weight": weight}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.kind == "auto" and self.weight != "cross_validation":
            raise refuse(f"auto with the weight {self.weight}", "the weight cross_validation", key="weight")
        if self.kind == "auto" and self.length_scale is not None:
            raise refuse("auto with a length_scale", "none: auto chooses it", key="length_scale")
        for name in self.parameters:
            if self.kind not in (kinds := _kinds_with(name)):
                found = f"{self.kind} with {'an' if name[0] in 'aeiou' else 'a'} {name}"
                raise refuse(found, f"one with {' or '.join(kinds)} only", key=name)
        if self.kind != "auto" and REGULARISATIONS[self.kind].finite and self.length_scale == math.inf:
            raise refuse(f"{self.kind} with length inf", "a finite length", key="length_scale")
        return self


def _kinds_with(parameter: str) -> list[str]:
    """The kinds that have a parameter of this name."""
    own = {kind: [one.name for one in made.parameters] for kind, made in REGULARISATIONS.items()}
    return [kind for kind, names in own.items() if parameter in names]


def _kind() -> Any:
    """The field `kind`, with the kinds that there are."""
    return Literal["auto", *REGULARISATIONS], Field(
        description=_RegularisationSpec.model_fields["kind"].description
    )


def _length() -> Any:
    """The field `length_scale`, with what each kind has without it."""
    usual = ", ".join(f"{kind} {made.share:g}" for kind, made in REGULARISATIONS.items())
    told = f"so many diagonals of the mesh's bounding box: {usual}."
    said = f"The length in R, in the mesh's unit; without it {told}"
    return LengthScale | None, Field(default=None, description=said)


def _parameter(kind: str, one: Parameter) -> Any:
    """The field of a parameter, none where its default is meant."""
    ends = {"gt": one.above} if math.isinf(one.below) else {"gt": one.above, "lt": one.below}
    number = Annotated[float, Field(**ends), NO_TRUTH_VALUE]
    told = f"Of {kind}: {one.sentence}, {one.default:g} unless given."
    return number | None, Field(default=None, description=told)


if TYPE_CHECKING:
    RegularisationSpec = _RegularisationSpec
else:
    RegularisationSpec = create_model(
        "RegularisationSpec",
        __base__=_RegularisationSpec,
        __doc__=_RegularisationSpec.__doc__,
        __module__=__name__,
        kind=_kind(),
        length_scale=_length(),
        **{
            one.name: _parameter(kind, one)
            for kind, made in REGULARISATIONS.items()
            for one in made.parameters
        },
    )


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
