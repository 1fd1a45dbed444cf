"""Cases whose energy is not the misfit of a state: functions that a network is to approximate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.case.base import BaseCase
from app.case.inversion import ExpansionSpec
from app.case.mesh import Levels
from app.case.method import ConvexMethodSpec
from app.case.output import Text
from app.case.unknowns import NetworkRepresentation, Representation
from app.schema.expression import Expression
from app.schema.section import NO_TRUTH_VALUE, Count, Identifier, Length, Section, refuse
from app.schema.solver import LinearSolverSpec


class Approximant(Section):
    """The function that approximates: a network of the coordinates at the nodes of the mesh."""

    degree: Annotated[int, Field(ge=1, le=2), NO_TRUTH_VALUE] = 1
    """Lagrange degree of the functions on the mesh in which the energy is taken."""
    representation: Representation = NetworkRepresentation(hidden=(1,))
    """How the function is represented; a network starts with one neuron."""
    label: Text | None = None
    """The function's name in pictures."""
    unit: Text | None = None
    """Its unit in pictures."""

    @model_validator(mode="before")
    @classmethod
    def _starts_small(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = value.get("representation")
        if isinstance(given, dict) and given.get("kind", "network") == "network":
            return {**value, "representation": {"hidden": (1,), **given}}
        return value


class ConvexFlow(Section):
    """The iteration."""

    inner_product: Literal["energy", "l2", "h1"] = "energy"
    """K, in which the direction is the steepest descent: the energy's own Hessian, or one to compare with."""
    step: Literal["retracted", "plain"] = "retracted"
    """Minimise the model over the parameters, or step along the direction."""
    tolerance: Annotated[float, Field(gt=0, lt=1), NO_TRUTH_VALUE] = 1e-3
    """Relative distance to the minimiser among the functions of the mesh, in the energy's own norm, at which
    the run stops."""
    max_iterations: Count = 60
    """Outer iterations after which the run stops unconverged."""


class ConvexExpansion(ExpansionSpec):
    """How the network grows."""

    neurons: Count = 4
    """Largest number of neurons that join at once; few, since energies without observations are cheap."""
    missing: Annotated[float, Field(ge=0), NO_TRUTH_VALUE] = 1.0
    """Multiple of what may be missing at the end that must be missing for the network to grow."""


class ConvexCase(BaseCase):
    """What the cases of all convex energies have in common."""

    unknowns: Annotated[dict[Identifier, Approximant], Field(min_length=1, max_length=1)] = Field(
        default_factory=lambda: {"m": Approximant()}
    )
    """The function to find, by name: one."""
    flow: ConvexFlow = ConvexFlow()
    """How the iteration goes and when it stops."""
    expansion: ConvexExpansion = ConvexExpansion()
    """When and how the network grows."""
    levels: Levels = "auto"
    """Meshes, each of half the cell size of the one before, on which a network grows one after the other; the
    last is the case's own. auto: as many as show the function, of regression and variational problems; 1: the
    case's own only."""
    method: ConvexMethodSpec = ConvexMethodSpec()
    """Constants of the flow, for the few cases that the default ones do not serve."""

    @property
    def approximant(self) -> tuple[str, Approximant]:
        """The function to find and its name."""
        return next(iter(self.unknowns.items()))


class RegressionSpec(Section):
    """Half the square distance to a given function."""

    kind: Literal["regression"]
    """Half the square distance to a function, or with observations to scattered values."""
    function: Expression
    """The function f, interpolated at the nodes of the mesh."""
    norm: Literal["l2", "h1"] = "h1"
    """Of the distance: the root of the integral of v^2, or of |grad v|^2 + v^2/length^2."""
    weight: Expression = Expression(1.0)
    """A positive weight under the integral."""
    length: Length = 1.0
    """The length in the norm h1, in the mesh's unit."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved."""

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        constant = self.weight.constant
        if constant is not None and not constant > 0:
            raise refuse(f"{constant:g}", "a weight > 0", key="weight")
        return self


class RegressionCase(ConvexCase):
    """The approximation of a given function."""

    energy: RegressionSpec
    """What is minimised."""
