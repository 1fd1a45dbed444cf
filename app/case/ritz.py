"""Cases whose energy is that of a variational problem: the minimiser solves its equation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from app.case.approximation import Approximant, ConvexCase
from app.schema.boundary import Condition
from app.schema.expression import Expression
from app.schema.section import NO_TRUTH_VALUE, Length, Positive, Section, refuse
from app.schema.solver import LinearSolverSpec


class EnergyCondition(Condition):
    """A condition on a part of the boundary; where none is said, nothing flows through it."""

    kind: Literal["dirichlet", "neumann", "robin"]
    """Whether `value` is that of u (dirichlet), which u then has exactly, of the flux into the domain
    (neumann), that is of the diffusivity times du/dn (of p_laplacian times what the gradient makes of it), or
    of flux + transfer * u (robin)."""
    value: Expression = Expression("0")
    """The value on that part of the boundary, in the unit of u (dirichlet) or of the flux."""
    ambient: Expression | None = None
    """Of robin, in place of `value`: u outside, of which the flux into the domain is transfer * (ambient -
    u); so `value` is transfer * ambient."""
    transfer: Expression | None = None
    """Of robin, and at least 0: the flux out of the domain for one unit of u."""


class RitzSpec(Section):
    """What the energies of all variational problems have in common.

    Units are yours, as long as they agree: that of the source is that of the flux over a length.
    """

    kind: Literal["ritz"]
    """The energy of a variational problem, made small by a function with the boundary's values."""
    source: Expression = Expression("0")
    """f, what is supplied to a unit of volume."""
    diffusivity: Expression = Expression("1")
    """k > 0, in the unit of the flux over that of grad u (of p_laplacian to the power p - 1)."""
    boundary: dict[str, EnergyCondition] = Field(default_factory=dict)
    """Boundary conditions by a name of your choice; one of kind dirichlet or robin, or a reaction, is needed
    for u to be unique."""
    truth: Expression | None = None
    """The exact minimiser where it is known, used only to report the error."""
    length: Length = 1.0
    """The length in the norm h1, the root of the integral of |grad v|^2 + v^2/length^2, in the mesh's
    unit."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved."""

    @model_validator(mode="after")
    def _has_one_minimiser(self) -> Self:
        kinds = {condition.kind for condition in self.boundary.values()}
        reaction = getattr(self, "reaction", None)
        if not kinds & {"dirichlet", "robin"} and (reaction is None or reaction.constant == 0):
            found = "only neumann conditions" if kinds else "no condition"
            expected = "at least one of kind dirichlet or robin, or a reaction (u is not unique without)"
            raise refuse(f"{found} and no reaction", expected, key="boundary")
        return self


class RitzReactionDiffusionSpec(RitzSpec):
    """The integral of k |grad u|^2 / 2 + r u^2 / 2 - f u; Poisson's equation without r."""

    functional: Literal["reaction_diffusion"]
    """The integral of k |grad u|^2 / 2 + r u^2 / 2 - f u, of -div(k grad u) + r u = f; Poisson's equation
    without r."""
    reaction: Expression = Expression("0")
    """r >= 0, in the unit of the source over that of u."""


class RitzSemilinearSpec(RitzSpec):
    """The integral of k |grad u|^2 / 2 + r u^2 / 2 + c u^4 / 4 - f u."""

    functional: Literal["semilinear"]
    """The integral of k |grad u|^2 / 2 + r u^2 / 2 + c u^4 / 4 - f u, of
    -div(k grad u) + r u + c u^3 = f."""
    reaction: Expression = Expression("0")
    """r >= 0, in the unit of the source over that of u."""
    cubic: Expression = Expression("1")
    """c >= 0, in the unit of the source over that of u to the power 3."""


class RitzPLaplacianSpec(RitzSpec):
    """The integral of k (eps^2 + |grad u|^2)^(p/2) / p - f u."""

    functional: Literal["p_laplacian"]
    """The integral of k (eps^2 + |grad u|^2)^(p/2) / p - f u, of
    -div(k (eps^2 + |grad u|^2)^(p/2 - 1) grad u) = f."""
    exponent: Annotated[float, Field(gt=1, le=100), NO_TRUTH_VALUE] = 3.0
    """p: above 2 diffusion grows with the gradient, below it shrinks."""
    epsilon: Positive = 0.01
    """eps, in the unit of grad u: gradients below it count as it, so that the energy has a Hessian that is
    neither zero nor infinite."""


class RitzCase(ConvexCase):
    """The minimisation of the energy of a variational problem."""

    energy: Annotated[
        RitzReactionDiffusionSpec | RitzSemilinearSpec | RitzPLaplacianSpec, Field(discriminator="functional")
    ]
    """What is minimised."""

    @field_validator("unknowns")
    @classmethod
    def _is_not_transformed(cls, value: dict[str, Approximant]) -> dict[str, Approximant]:
        """The network's output is what is added to the lifting."""
        for name, chosen in value.items():
            transform: Any = getattr(chosen.representation, "transform", None)
            if transform is not None and transform.kind != "identity":
                expected = "none: the function has the values on the boundary by a lifting"
                raise refuse(f"the transform {transform.kind}", expected, key=name)
        return value
