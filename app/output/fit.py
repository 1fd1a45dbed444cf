"""fit.csv: every reading beside what the final coefficient predicts of it."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.output.drawing import figure_files
from app.output.files import written

WRITES = ("fit.csv", *figure_files("fit"))
"""Names of the files, for whoever replaces them."""

MOST_ROWS = 200_000
"""Of more readings the table has those that are farthest from their prediction and, evenly, of the others."""

WORST_SHARE = 0.1
"""Share of the rows that are kept for the farthest ones then."""

ELECTRODES = ("a", "b", "m", "n")

QUARTILE = 0.6744897501960817
"""Median of |r| for r of N(0, 1)."""


@dataclass(frozen=True)
class Series:
    """The readings of one observation."""

    experiment: str
    """Empty where a case has no experiments."""
    observation: str
    file: str
    """Its name, without the folder."""

    @property
    def name(self) -> str:
        """As a legend has it."""
        return f"{self.experiment}: {self.observation}" if self.experiment else self.observation


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Readings beside what is predicted of them, one observation after the other; whole on every rank."""

    series: tuple[Series, ...]
    of: np.ndarray
    """Number of the series of each reading, shape (n,), as all here."""
    lines: np.ndarray
    """Line of its file, or number there."""
    points: np.ndarray
    """Coordinates (n, dimension), nan where a reading belongs to a part of the mesh; of four-electrode
    readings the mean of the electrodes."""
    read: np.ndarray
    """In the unit of the readings, also where logarithms are compared."""
    predicted: np.ndarray
    sigma: np.ndarray
    """Standard deviation of what is compared, as stated or found: of the reading, or of its logarithm."""
    residual: np.ndarray
    """Predicted less read, of what is compared, in standard deviations."""
    logarithmic: np.ndarray
    """Whether logarithms are compared."""
    parts: tuple[str, ...] | None = None
    """Of the mesh, empty for readings that have a place."""
    times: np.ndarray | None = None
    electrodes: np.ndarray | None = None
    """Counted from 1, (n, 4)."""
    factors: np.ndarray | None = None
    """Geometric factors in m, of four-electrode readings."""

    def __len__(self) -> int:
        return len(self.read)

    @property
    def placed(self) -> np.ndarray:
        """Which readings have coordinates."""
        placed: np.ndarray = np.isfinite(self.points).all(axis=1)
        return placed

    def place(self, number: int) -> str:
        """Where a reading was taken, in words."""
        told = []
        if self.electrodes is not None:
            told.append(f"electrodes {' '.join(map(str, self.electrodes[number]))}")
        elif self.placed[number]:
            told.append(f"({', '.join(f'{x:.6g}' for x in self.points[number])})")
        elif self.parts is not None and self.parts[number]:
            told.append(self.parts[number])
        if self.times is not None:
            told.append(f"t = {self.times[number]:.6g}")
        return ", ".join(told)

    def spread_out(self, most: int, share: float = WORST_SHARE) -> np.ndarray:
        """Numbers of at most so many readings in their order: the farthest ones, a share of them, and evenly
        of the others."""
        numbers = np.arange(len(self))
        if len(numbers) <= most:
            return numbers
        far = np.argsort(-np.abs(self.residual), kind="stable")[: int(share * most)]
        others = np.setdiff1d(numbers, far)
        even = others[np.linspace(0, len(others) - 1, most - len(far)).astype(int)]
        return np.sort(np.concatenate([far, even]))


def bulk_deviation(residual: np.ndarray) -> float:
    """The standard deviation of the bulk of the residuals, which few outliers do not change: median of |r|
    over that of N(0, 1)."""
    return float(np.median(np.abs(residual))) / QUARTILE


def write_fit(path: Path, fit: Fit) -> None:
    """One row a reading: experiment, observation, file, line and place; reading, prediction, standard
    deviation and whitened residual. Serial; raises OSError."""
    chosen = fit.spread_out(MOST_ROWS)
    columns = _columns(fit)
    with written(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(column[chosen].tolist() for column in columns.values()), strict=True))


def _columns(fit: Fit) -> Mapping[str, np.ndarray]:
    """What is written, by the columns' names, shape (n,) each."""
    columns = {
        "experiment": np.array([each.experiment for each in fit.series])[fit.of],
        "observation": np.array([each.observation for each in fit.series])[fit.of],
        "file": np.array([each.file for each in fit.series])[fit.of],
        "line": fit.lines,
        **dict(_places(fit)),
    }
    numbers = {"read": fit.read, "predicted": fit.predicted, "sigma": fit.sigma, "residual": fit.residual}
    columns["scale"] = np.where(fit.logarithmic, "log", "linear")
    return columns | {name: _shown(values) for name, values in numbers.items()}


def _places(fit: Fit) -> Iterator[tuple[str, np.ndarray]]:
    """The columns that say where and when."""
    if fit.electrodes is not None and fit.factors is not None:
        yield from zip(ELECTRODES, fit.electrodes.T, strict=True)
        yield "k", _shown(fit.factors)
    elif fit.placed.any():
        yield from zip("xyz", map(_shown, fit.points.T), strict=False)
    if fit.parts is not None:
        yield "part", np.array(fit.parts)
    if fit.times is not None:
        yield "t", _shown(fit.times)


def _shown(values: np.ndarray) -> np.ndarray:
    """Numbers as the table has them, nothing where there is none."""
    return np.array(["" if np.isnan(value) else f"{value:.10g}" for value in values])
