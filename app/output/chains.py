"""Draws of Markov chains in ArviZ's format: netCDF with the groups posterior and sample_stats."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.output.files import written
from app.types import Summary

WRITES = ("chains", "chains.nc")
"""Names of the files, for whoever replaces them."""

STATISTICS = ("lp", "misfit", "accepted")
"""Columns that are of the group sample_stats."""

AXES = ("chain", "draw")

DIRECTION = "direction"
"""What columns are called that are one variable with a dimension of this name."""

LIBRARY = "h5netcdf"


def write_chains(path: Path, names: Sequence[str], draws: np.ndarray) -> None:
    """Write draws of shape (chains, draws, names); serial. Raises RuntimeError where the library that writes
    netCDF is not installed."""
    try:
        import h5netcdf
    except ImportError:
        found = f"{LIBRARY} is not installed, which writes netCDF"
        raise RuntimeError(f"{found}: python -m pip install {LIBRARY} h5py, and --resume writes it") from None
    with written(path) as part, h5netcdf.File(part, "w") as file:
        for group, variables in _groups(names, draws).items():
            place = file.create_group(group)
            axes = dict(zip(AXES, draws.shape[:2], strict=True))
            axes |= {DIRECTION: len(vector)} if (vector := _vector(names)) and group == "posterior" else {}
            place.dimensions = axes
            place.attrs["inference_library"] = "enngf"
            for axis, size in axes.items():
                place.create_variable(axis, (axis,), data=np.arange(size))
            for name, values in variables.items():
                place.create_variable(name, tuple(axes)[: values.ndim], data=values)


def _groups(names: Sequence[str], draws: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Variables of each group."""
    groups: dict[str, dict[str, np.ndarray]] = {"posterior": {}, "sample_stats": {}}
    vector = _vector(names)
    for number, name in enumerate(names):
        if number not in vector:
            group = "sample_stats" if name in STATISTICS else "posterior"
            groups[group][name] = draws[:, :, number]
    if vector:
        groups["posterior"]["directions"] = draws[:, :, vector]
    return groups


def _vector(names: Sequence[str]) -> list[int]:
    """Columns that are one variable."""
    return [number for number, name in enumerate(names) if name.startswith(f"{DIRECTION}_")]


def chain_line(told: Summary, proposals: int) -> str:
    """How far chains are, while they run."""
    quantities = told["quantities"].values()
    effective = [each["effective_samples"] for each in quantities if each["effective_samples"] is not None]
    rhat = [each["rhat"] for each in quantities if each["rhat"] is not None]
    if told["proposals"] == 0:
        return f"chains: {told['burn_in']} proposals of the burn-in"
    known = ""
    if effective:
        known = f", effective samples {min(effective):.0f} to {max(effective):.0f}"
    if rhat:
        known += f", R-hat {max(rhat):.3f} at most"
    coarse = f", {told['coarse_solves']} on the coarser mesh" if told["screened"] else ""
    return (
        f"chains: {told['proposals']} of {proposals} proposals, {told['acceptance']:.0%} accepted{known}; "
        f"{told['solves']} states{coarse}"
    )
