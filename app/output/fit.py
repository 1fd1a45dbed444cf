"""fit.csv: the four-electrode readings beside what the final coefficient predicts of them."""

import csv
from pathlib import Path

import numpy as np

from app.output.files import written

WRITES = ("fit.csv",)
"""Names of the files, for whoever replaces them."""

COLUMNS = ("a", "b", "m", "n", "k", "rhoa", "predicted", "sigma", "residual")


def write_fit(
    path: Path, abmn: np.ndarray, factors: np.ndarray, values: np.ndarray, sigma: np.ndarray, e: np.ndarray
) -> None:
    """One row a reading: electrodes from 1, geometric factor (m), apparent resistivity as measured and as
    predicted (Ωm), standard deviation (as a share) and whitened residual e; serial.

    `values` are logarithms of the measured apparent resistivities.
    """
    rows = zip(abmn + 1, factors, np.exp(values), np.exp(values + sigma * e), sigma, e, strict=True)
    with written(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for four, *numbers in rows:
            writer.writerow([*four, *(f"{number:.6g}" for number in numbers)])
