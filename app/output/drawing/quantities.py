"""What pictures call what they show: quantities, their units, rows of fields, readings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

MOST_PLACES = 1000
"""More than this would hide what they show and are not drawn."""


@dataclass(frozen=True)
class Quantity:
    """What an unknown is called."""

    label: str
    unit: str = ""
    logarithmic: bool = False
    """Whether values are natural logarithms of the quantity, which itself is shown on a logarithmic scale."""

    @property
    def name(self) -> str:
        """With its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def axis(self) -> str:
        """As an axis of what is shown is labelled."""
        return with_unit(self.label, self.unit)

    @property
    def difference(self) -> str:
        """Of differences and deviations of the values, with their unit."""
        return with_unit(f"log-{self.label}", "") if self.logarithmic else self.axis

    def shown(self, values: np.ndarray) -> np.ndarray:
        """Values as they are shown."""
        return np.exp(values) if self.logarithmic else values


@dataclass(frozen=True)
class Look:
    """What the pictures of a run have in common."""

    length_unit: str = ""
    time_unit: str = ""
    formats: tuple[str, ...] = ()
    """In which they are written beside PNG."""

    def coordinate(self, axis: int) -> str:
        """The label of an axis."""
        return with_unit("xyz"[axis], self.length_unit)


@dataclass(frozen=True, eq=False)
class Row:
    """Fields of an unknown that are drawn beside each other, owned nodal values by their titles."""

    quantity: Quantity
    alike: Mapping[str, np.ndarray]
    """Share one scale."""
    differences: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Positive or negative, about zero."""

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """All by their titles."""
        return {**self.alike, **self.differences}


@dataclass(frozen=True, eq=False)
class Border:
    """A part of the boundary of a plane with a condition."""

    name: str
    """Of the condition."""
    kind: str
    ends: np.ndarray
    """Of its edges, shape (edges, 2, 2)."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Where measurements were made, and how far each is from what the coefficient says."""

    points: np.ndarray
    """Shape (readings, dimension)."""
    residuals: np.ndarray | None = None
    """In standard deviations, positive where more is predicted than was read; None where they belong to no
    place."""
    numbered: bool = False
    """Whether the points are electrodes, which have numbers from 1."""
    borders: tuple[Border, ...] = ()
    """What is drawn around them in a plane; on rank 0."""

    @property
    def shown(self) -> bool:
        """Whether residuals are drawn: not of so many places that they would hide each other."""
        return self.residuals is not None and 0 < len(self.worst()[0]) <= MOST_PLACES

    @classmethod
    def nowhere(cls, dimension: int) -> "Readings":
        """None."""
        return cls(np.empty((0, dimension)))

    def worst(self) -> tuple[np.ndarray, np.ndarray]:
        """Each place once, with its largest residual in size."""
        assert self.residuals is not None
        order = np.argsort(-np.abs(self.residuals), kind="stable")
        places, first = np.unique(self.points[order], axis=0, return_index=True)
        return places, self.residuals[order][first]


def with_unit(label: str, unit: str) -> str:
    """As an axis is labelled; a dollar stands for itself."""
    return (f"{label} ({unit})" if unit else label).replace("$", r"\$")
