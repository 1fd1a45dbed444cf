"""Standard deviations of a coefficient, written beside it and read back as functions."""

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors.numpy import load, save

from app.mesh import NodeOrder
from app.output.coefficient import Coefficient, NoResult
from app.output.files import Losses, written
from app.parallel import on_root

WRITES = ("posterior.safetensors",)
"""Names of the files, for whoever replaces them."""


class Deviations(Protocol):
    """What is written; see app.posterior.Posterior."""

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of m at the owned nodes, of several unknowns one's after the other's."""

    @property
    def std_prior(self) -> np.ndarray:
        """The same before the data."""


def save_deviations(coefficient: Coefficient, found: Deviations, folder: Path, lost: Losses) -> None:
    """Write posterior.safetensors: nodal values in the order of coefficient.safetensors; collective."""
    arrays: dict[str, np.ndarray] = {}
    for label, values in (("std", found.std), ("std_prior", found.std_prior)):
        for part in coefficient.with_values(values).parts:
            assert part.nodal is not None
            whole = NodeOrder(part.space.comm, part.space.everywhere_coordinates).gathered(part.nodal)
            if whole is not None:
                arrays[f"{label} {part.name}"] = np.ascontiguousarray(whole)
    path = folder / WRITES[0]

    def write() -> None:
        with written(path) as part:
            part.write_bytes(save(arrays))

    lost.attempt(path, partial(on_root, coefficient.domain.comm, write))


def read_deviations(coefficient: Coefficient, folder: Path, *, prior: bool = False) -> Coefficient:
    """The standard deviation, or the prior one, of a coefficient that was read from the folder, as functions;
    collective. Raises NoResult on all ranks where there is none."""
    comm, label = coefficient.domain.comm, "std_prior" if prior else "std"
    arrays = on_root(comm, partial(_read, folder))
    values = []
    for part in coefficient.parts:
        order = NodeOrder(comm, part.space.everywhere_coordinates)
        values.append(order.spread(arrays.get(f"{label} {part.name}")))
    return coefficient.with_values(np.concatenate(values))


def _read(folder: Path) -> dict[str, np.ndarray]:
    path = folder / WRITES[0]
    try:
        found: dict[str, np.ndarray] = load(path.read_bytes())
        return found
    except OSError:
        raise NoResult(
            f"{folder}: found no {path.name}, expected the results of a run with a posterior"
        ) from None
    except ValueError as error:
        raise NoResult(f"{path}: found a damaged file ({error}), expected that of a run") from None
