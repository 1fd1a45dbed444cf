"""Which colours stand for which values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.output.drawing.canvas import DIVERGING, SEQUENTIAL
from app.output.drawing.quantities import Quantity, Row
from app.types import Untyped


@dataclass(frozen=True)
class Scale:
    """Which colours stand for which values."""

    low: float
    high: float
    label: str
    colours: str = SEQUENTIAL
    logarithmic: bool = False

    @classmethod
    def of(cls, quantity: Quantity, fields: Sequence[np.ndarray]) -> "Scale":
        """From the least to the greatest value of all."""
        shown = [quantity.shown(values) for values in fields]
        low = min(float(values.min()) for values in shown)
        high = max(float(values.max()) for values in shown)
        if quantity.logarithmic and low > 0 and np.isfinite(high):
            low, high = (low, high) if high > low * 1.001 else (low / 1.1, high * 1.1)
            return cls(low, high, quantity.axis, logarithmic=True)
        return cls(*_apart(low, high), quantity.axis)

    @classmethod
    def plain(cls, label: str, fields: Sequence[np.ndarray]) -> "Scale":
        """The same of what is shown as it is."""
        return cls.of(Quantity(label), fields)

    @classmethod
    def about_zero(cls, label: str, fields: Sequence[np.ndarray]) -> "Scale":
        """As far above zero as below it."""
        bound = max(1e-12, *(float(np.abs(values).max()) for values in fields))
        return cls(-bound, bound, label, DIVERGING)

    @property
    def norm(self) -> Untyped:
        """Matplotlib's."""
        from matplotlib.colors import LogNorm, Normalize

        return (LogNorm if self.logarithmic else Normalize)(self.low, self.high)


def scales_of(row: Row, fields: Mapping[str, np.ndarray]) -> dict[str, Scale]:
    """The scale of each field of a row by its title, from the nodal values of all ranks: a rank's own are not
    those of the whole domain."""
    shared = Scale.of(row.quantity, [fields[title] for title in row.alike]) if row.alike else None
    told = {title: shared for title in row.alike if shared is not None}
    for title in row.differences:
        told[title] = Scale.about_zero(f"{title} in {row.quantity.difference}", [fields[title]])
    return told


def _apart(low: float, high: float) -> tuple[float, float]:
    """Two values between which there is a scale, also of a constant."""
    if high - low > 1e-9 * max(abs(low), abs(high), 1e-300):
        return low, high
    half = 0.5 * max(abs(low), 1.0)
    return low - half, high + half
