"""The unknown coefficients of a case: their role, and how they are represented."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.case.output import Text
from app.equations import ROLES, Role
from app.schema.given import GivenField
from app.schema.section import NO_TRUTH_VALUE, Count, Number, Parts, Section, default_kind, refuse


class IdentityTransform(Section):
    """The network's output is the coefficient."""

    kind: Literal["identity"] = "identity"
    """No transform."""


class BoundedTransform(Section):
    """A logistic function keeps the coefficient between two bounds."""

    kind: Literal["bounded"] = "bounded"
    """A logistic function onto the interval from `low` to `high`."""
    low: Number
    """Lower bound of the coefficient."""
    high: Number
    """Upper bound of the coefficient, greater than `low`."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low < self.high:
            raise refuse(f"low {self.low} and high {self.high}", "low < high", key="low")
        return self


Transform = Annotated[
    IdentityTransform | BoundedTransform, Field(discriminator="kind"), default_kind("identity")
]


PhaseValue = Literal["free"] | Number | tuple[Number, Number]
"""Of a phase: known, between two bounds, or free."""


class GrowingNetwork(Section):
    """A network of the coordinates that grows as needed."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1, max_length=4)] = (4,)
    """Widths of the hidden layers at the start."""
    activation: Literal["tanh", "sine", "gelu"] = "tanh"
    """Activation of the hidden layers."""
    features: Literal["quadratic", "linear"] = "quadratic"
    """What the first hidden layer sees: the coordinates and their products of second degree, so that a neuron
    may be an ellipsoid, or the coordinates alone (on `cube` an error of 0.446 in place of 0.410)."""
    max_width: Count = 256
    """Width that no layer outgrows."""
    transform: Transform = IdentityTransform()
    """How the output becomes the coefficient."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if max(self.hidden) > self.max_width:
            found = f"a layer of {max(self.hidden)} neurons with max_width {self.max_width}"
            raise refuse(found, "no layer wider than max_width", key="hidden")
        return self


class NetworkRepresentation(GrowingNetwork):
    """A network of the coordinates that grows as needed."""

    kind: Literal["network"] = "network"
    """A network of the coordinates."""
    phases: bool = True
    """Whether, with the regularisation auto, few constant values with interfaces between them are considered
    too, and taken where they predict left-out readings better beyond doubt."""


class PhasesRepresentation(GrowingNetwork):
    """Few constant values; the interfaces between them are where networks of the coordinates are zero.

    The run starts as that of a network, whose result shows where the phases are.
    """

    kind: Literal["phases"]
    """Few constant values, with interfaces between them."""
    number: Annotated[Literal["auto", 1, 2, 3], NO_TRUTH_VALUE] = "auto"
    """Phases beside the one around them; auto: one to three, the fewest that predict readings as well."""
    values: tuple[PhaseValue, ...] | None = None
    """The value of the phase around the others, then that of each other one, in the unit of m: a number where
    it is known, two bounds, or free; all free unless given."""
    neurons: Count = 8
    """Of the network of each interface at the start."""
    smooth: bool = False
    """Whether a network that varies smoothly is added to these values; the number auto is then one or two."""

    @model_validator(mode="after")
    def _says_all_values(self) -> Self:
        if self.values is None:
            return self
        if self.number == "auto":
            raise refuse("values of phases without their number", "the number", key="values")
        if len(self.values) != self.number + 1:
            expected = f"{self.number + 1}: that of the phase around the others first"
            raise refuse(f"{len(self.values)} values", expected, key="values")
        for value in self.values:
            if isinstance(value, tuple) and not value[0] < value[1]:
                raise refuse(f"the bounds {value[0]} and {value[1]}", "the smaller first", key="values")
        return self


class NodalRepresentation(Section):
    """The finite-element coefficients themselves."""

    kind: Literal["nodal"] = "nodal"
    """The finite-element coefficients themselves."""


Representation = Annotated[
    NetworkRepresentation | NodalRepresentation,
    Field(discriminator="kind"),
    default_kind("network"),
]

CoefficientRepresentation = Annotated[
    NetworkRepresentation | PhasesRepresentation | NodalRepresentation,
    Field(discriminator="kind"),
    default_kind("network"),
]


class KnownSpec(Section):
    """A part of the domain where the coefficient is known.

    The nodes on its border belong to it, so that of degree 1 or 2 the coefficient is continuous there. What
    the regularisation sees is m - m_ref, which is zero in it.
    """

    on: Parts
    """A physical group of cells of the mesh file, or a list of them."""
    value: GivenField
    """The coefficient there, in the unit of m."""


class Unknown(Section):
    """A coefficient to be recovered."""

    role: Role
    """What the coefficient m is in the equation: the natural logarithm of a term, which is then exp(m), the
    term itself (initial: the state at time 0; speed: a factor of the velocity), the flux into the domain
    through the parts `on`, the state itself (value, of the equation identity), or what a custom equation
    makes of it; a resistivity is in ohm m."""
    on: Parts | None = None
    """Of the role boundary_flux: the name of a part of the mesh, a list of names, or all; only the values of
    m there count."""
    degree: Annotated[int, Field(ge=0, le=2), NO_TRUTH_VALUE] = 1
    """Lagrange degree of the coefficient; 0: constant on each cell."""
    known: KnownSpec | None = None
    """Where the coefficient is known; it is sought elsewhere."""
    reference: GivenField | None = None
    """m_ref, the start of the recovery and the centre of the regularisation, in the unit of m; unless given 1
    for a diffusivity, Young's modulus or squared slowness, the median of log(apparent resistivity) for
    log_resistivity, else 0."""
    representation: CoefficientRepresentation = NetworkRepresentation()
    """How the coefficient is represented."""
    truth: GivenField | None = None
    """The true coefficient where it is known, used only to report the error."""
    label: Text | None = None
    """What pictures call the unknown; of a role log_... with a unit, what they call exp(m)."""
    unit: Text | None = None
    """Its unit in pictures, of a role log_... that of exp(m), which they then show on a logarithmic scale in
    place of m; changes nothing in the run. A resistivity is in Ωm."""

    @model_validator(mode="before")
    @classmethod
    def _starts_where_there_is_a_state(cls, value: Any) -> Any:
        """Where the data do not tell; no state has a diffusivity or a modulus of zero."""
        if not isinstance(value, dict) or value.get("reference") is not None:
            return value
        role = value.get("role")
        start = ROLES.get(role, 0.0) if isinstance(role, str) else 0.0
        return value if start is None else {**value, "reference": f"{start:g}"}

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.role == "boundary_flux" and self.on is None:
            raise refuse("nothing", "the parts of the boundary with the unknown flux", key="on")
        if self.role != "boundary_flux" and self.on is not None:
            raise refuse(f"parts of the boundary for the role {self.role}", "none", key="on")
        return self

    @model_validator(mode="after")
    def _is_known_inside(self) -> Self:
        if self.known is not None and self.role in ("boundary_flux", "log_resistivity"):
            expected = "none: parts of the domain are known of the other roles"
            raise refuse(f"known values of the role {self.role}", expected, key="known")
        return self

    @model_validator(mode="after")
    def _starts_within_bounds(self) -> Self:
        """The start needs the transform's inverse of the reference."""
        transform = getattr(self.representation, "transform", None)
        start = None if self.reference is None else self.reference.constant
        if not isinstance(transform, BoundedTransform) or start is None:
            return self
        if not transform.low < start < transform.high:
            expected = f"a value between {transform.low} and {transform.high}, the bounds"
            raise refuse(f"{start}", expected, key="reference")
        return self
