"""What a kind of regularisation says of itself, so that nobody else has to know the names of its parameters.

Nothing here knows of meshes or PETSc: cases are read without them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from app.types import Untyped

if TYPE_CHECKING:
    from app.mesh.spaces import CoefficientSpace
    from app.prior.gram import Regularisation, SolverFactory

INFINITE_LENGTH = 1e3
"""What stands in for `length_scale: inf`, so that R stays positive definite: a mass term of 1e-6."""


@dataclass(frozen=True)
class Parameter:
    """A number without unit that a regularisation has beside its length, under one name everywhere."""

    name: str
    default: float
    sentence: str
    """What it is, for the schema."""
    above: float = 0.0
    below: float = math.inf
    """Its range, without the ends."""


@dataclass(frozen=True)
class Option:
    """One of several values that a regularisation has beside its length."""

    name: str
    default: int | str
    values: tuple[int | str, ...]
    sentence: str
    """What it is, for the schema."""


@dataclass(frozen=True)
class Tensor:
    """A symmetric positive definite matrix that a regularisation has beside its length, or None."""

    name: str
    sentence: str
    """What it is, for the schema."""
    default: None = None


type AnyParameter = Parameter | Option | Tensor

type Value = float | int | str | tuple[tuple[float, ...], ...] | None
"""Of a parameter; of a tensor its rows."""


@dataclass(frozen=True)
class CandidateSpec:
    """A length, as a share of the diagonal of the mesh's bounding box, and the parameters that are not the
    default."""

    share: float
    parameters: Mapping[str, Value] = field(default_factory=dict)


class Kind(Protocol):
    """A class of regularisations.

    Its file imports meshes and forms where it uses them, not at the top, so that the schema of a case knows
    its parameters without them.
    """

    @property
    def fixed(self) -> bool:
        """Whether R is the same at every coefficient, so that each `at` gives the same."""

    @property
    def share(self) -> float:
        """The length unless one is given, as a share of the diagonal."""

    @property
    def finite(self) -> bool:
        """Whether the length has to be finite."""

    @property
    def parameters(self) -> tuple[AnyParameter, ...]:
        """Which are keyword arguments of the constructor."""

    @property
    def considered(self) -> tuple[CandidateSpec, ...]:
        """What a choice from the data tries of this kind, beside h1 with its usual length."""

    @property
    def lengths(self) -> tuple[float, ...]:
        """What a choice from the data tries where this kind is asked for without a length, as shares of the
        diagonal; none where its usual length is meant."""

    def __call__(
        self, space: CoefficientSpace, length: float, solver: SolverFactory, *args: Untyped, **kwargs: Untyped
    ) -> Regularisation:
        """The regularisation on a space, its parameters by name; each inner product has its own solver.
        Collective."""


def effective_length(diagonal: float, length_scale: float | None, share: float) -> float:
    """The length ℓ of a regularisation: as given, or this share of the bounding box's diagonal."""
    if length_scale is None:
        return share * diagonal
    return INFINITE_LENGTH if math.isinf(length_scale) else length_scale


def values_of(kind: Kind, given: Mapping[str, Value]) -> dict[str, Value]:
    """The kind's parameters by name, as given or by default."""
    return {one.name: given.get(one.name, one.default) for one in kind.parameters}
