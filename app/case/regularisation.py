"""What counts as smooth: the regularisation of an unknown, or its prior in the terms of Matérn's fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from app.case.anisotropy import Anisotropy, AnisotropySpec
from app.prior import REGULARISATIONS, AnyParameter, Option, Parameter, Value, parameter_names
from app.prior.matern import stated_by
from app.schema.given import GivenField
from app.schema.section import NO_TRUTH_VALUE, Positive, Section, refuse

LengthScale = Annotated[
    float,
    Field(gt=0, allow_inf_nan=True, json_schema_extra={"format": "length_or_inf"}),
    NO_TRUTH_VALUE,
]

STATED = ("correlation_length", "std", "gamma", "delta")
"""Keys of a Matérn field that say more than what counts as smooth."""

OWN = ("scale", "std", "mean")
"""Keys in which the unknowns of a case may differ."""


class _RegularisationSpec(Section):
    """The inner product R of an unknown, and its weight; or, of the kind matern, its prior.

    Nothing said, both are chosen from the data. A kind alone goes with the weight by discrepancy; a weight or
    a length alone with h1. Of the kind matern correlation_length and std may be stated or, each, left to the
    data.
    """

    kind: str
    """What smooth means; auto: whichever of the others, at several lengths, predicts left-out readings best
    (0.81 of the error of h1 with the weight by discrepancy, median over the ten cases); matern: a Gaussian
    field of Matern's covariance, stated in its own terms; perimeter: the size of the interfaces of an unknown
    of few values, whose representation is phases; its weight is the largest that leaves no more of the
    readings than their noise does, stated or as it is found."""
    weight: Literal["cross_validation", "evidence", "discrepancy", "prior"] | Positive
    """What predicts left-out readings best, what makes the readings most probable (the evidence of the
    linearised problem), what meets the noise level (the discrepancy principle), what the std of the prior and
    the sigma of the readings say (1), or a number that multiplies R."""
    length_scale: LengthScale | None = None
    scale: Positive = 1.0
    """By how much the unknown varies, in its unit: R is divided by its square. With several unknowns it says
    how far each may move for the other's sake."""
    correlation_length: Positive | None = None
    """Of matern: the distance, in the mesh's unit, at which the correlation is 0.14; without it the data
    choose one of several."""
    std: Positive | None = None
    """Of matern: the standard deviation of the unknown before any reading, in its unit; without it the data
    tell it."""
    gamma: Positive | None = None
    """Of matern, in place of correlation_length and std: the operator is delta - gamma div(T grad), to the
    power smoothness + 1, as of hIPPYlib's priors."""
    delta: Positive | None = None
    """Of matern, see gamma."""
    mean: GivenField | None = None
    """The mean of the prior, another word for the unknown's reference."""

    @property
    def parameters(self) -> dict[str, Value]:
        """Those of the kind's own that are given."""
        given = {name: getattr(self, name) for name in parameter_names()}
        return {
            name: value.rows if isinstance(value, AnisotropySpec) else value
            for name, value in given.items()
            if value is not None
        }

    @property
    def open(self) -> bool:
        """Whether R is any of all, which the data choose; also before interfaces are fitted."""
        return self.kind in ("auto", "perimeter")

    @property
    def stated_weight(self) -> float | None:
        """Of R, where it is a number."""
        return None if self.open or isinstance(self.weight, str) else float(self.weight)

    @property
    def selected(self) -> bool:
        """Whether R or its weight are settled by the readings' linearised problem and the energy is then
        minimised with them."""
        return self.open or self.weight in ("cross_validation", "evidence", "prior")

    def stated(self, dimension: int) -> tuple[float | None, float | None]:
        """Correlation length and standard deviation of a Matérn field, None where left to the data."""
        if self.gamma is None or self.delta is None:
            return self.correlation_length, self.std
        given: Any = self.parameters
        return stated_by(
            self.gamma, self.delta, given.get("smoothness", 1), given.get("anisotropy"), dimension
        )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        own = [name for name in parameter_names() if value.get(name) is not None]
        own += [name for name in STATED if value.get(name) is not None]
        chosen = value.get("weight", "cross_validation") in ("cross_validation", "evidence")
        described = value.get("length_scale") is not None or own
        usual = _kinds_with(own[0])[0] if own else "h1"
        kind = value.get("kind", "auto" if chosen and not described else usual)
        chooses = kind in ("auto", "matern")
        settled = "cross_validation" if chooses else "discrepancy"
        if kind == "matern" and (value.get("std") is not None or value.get("gamma") is not None):
            settled = "prior"
        return {**value, "kind": kind, "weight": value.get("weight", settled)}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.kind == "auto" and self.weight not in ("cross_validation", "evidence"):
            expected = "the weight cross_validation or evidence"
            raise refuse(f"auto with the weight {self.weight}", expected, key="weight")
        if self.kind == "perimeter" and self.weight in ("cross_validation", "evidence", "prior"):
            expected = "the weight discrepancy or a number"
            raise refuse(f"perimeter with the weight {self.weight}", expected, key="weight")
        if self.weight == "evidence" and not self.open and not REGULARISATIONS[self.kind].fixed:
            raise refuse(f"evidence of {self.kind}", "cross_validation: its R depends on m", key="weight")
        if self.open and self.length_scale is not None:
            raise refuse(f"{self.kind} with a length_scale", "none: the data choose it", key="length_scale")
        for name in (*self.parameters, *(name for name in STATED if getattr(self, name) is not None)):
            if self.kind not in (kinds := _kinds_with(name)):
                found = f"{self.kind} with {'an' if name[0] in 'aeiou' else 'a'} {name}"
                raise refuse(found, f"one with {' or '.join(kinds)} only", key=name)
        if self.kind == "matern" and self.length_scale is not None:
            raise refuse("matern with a length_scale", "a correlation_length", key="length_scale")
        if not self.open and REGULARISATIONS[self.kind].finite and self.length_scale == math.inf:
            raise refuse(f"{self.kind} with length inf", "a finite length", key="length_scale")
        return self

    @model_validator(mode="after")
    def _states_once(self) -> Self:
        """By correlation length and standard deviation or by gamma and delta; and then no other scale."""
        pair = {"gamma": self.gamma, "delta": self.delta}
        given = [name for name, value in pair.items() if value is not None]
        if len(given) == 1:
            raise refuse(f"{given[0]} alone", "gamma and delta", key=given[0])
        for other in ("correlation_length", "std"):
            if given and getattr(self, other) is not None:
                raise refuse(f"gamma and delta beside {other}", "one or the other", key="gamma")
        says = "gamma" if given else "std"
        if getattr(self, says) is None:
            if self.weight == "prior":
                raise refuse("the weight prior without a std", "a std of the kind matern", key="weight")
            if self.kind == "matern" and not self.selected and self.correlation_length is None:
                found = f"the weight {self.weight} without a correlation_length"
                raise refuse(found, "one, or a weight by which the data choose it", key="weight")
            return self
        if self.weight != "prior":
            found = f"the weight {self.weight} beside {says}"
            raise refuse(found, f"no weight, which {says} and the sigma of the readings tell", key="weight")
        if self.scale != 1.0:
            raise refuse(f"a scale beside {says}", "one of the two", key="scale")
        return self


def _kinds_with(parameter: str) -> list[str]:
    """The kinds that have a parameter of this name."""
    if parameter in STATED:
        return ["matern"]
    own = {kind: [one.name for one in made.parameters] for kind, made in REGULARISATIONS.items()}
    return [kind for kind, names in own.items() if parameter in names]


def _kind() -> Any:
    """The field `kind`, with the kinds that there are."""
    return Literal["auto", "perimeter", *REGULARISATIONS], Field(
        description=_RegularisationSpec.model_fields["kind"].description
    )


def _length() -> Any:
    """The field `length_scale`, with what each kind has without it."""
    usual = ", ".join(f"{kind} {made.share:g}" for kind, made in REGULARISATIONS.items() if kind != "matern")
    told = f"so many diagonals of the mesh's bounding box: {usual}."
    said = f"The length in R, in the mesh's unit; without it {told}"
    return LengthScale | None, Field(default=None, description=said)


def _parameter(kind: str, one: AnyParameter) -> Any:
    """The field of a parameter, none where its default is meant."""
    said, values = f"Of {kind}: {one.sentence}", _values(one)
    told = said + ("" if one.default is None else f", {one.default} unless given")
    return values | None, Field(default=None, description=f"{told}.")


def _values(one: AnyParameter) -> Any:
    if isinstance(one, Parameter):
        ends: Any = {"gt": one.above} if math.isinf(one.below) else {"gt": one.above, "lt": one.below}
        return Annotated[float, Field(**ends), NO_TRUTH_VALUE]
    return Annotated[Literal[one.values], NO_TRUTH_VALUE] if isinstance(one, Option) else Anisotropy


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
