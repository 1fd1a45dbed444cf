"""What a stated prior asks of mesh and readings, and the standard deviation that the data give one."""

import numpy as np

from app import flow
from app.case import Case, CaseError
from app.mesh import CoefficientSpace
from app.mesh.points import cell_sizes
from app.prior.matern import tensor

LENGTHS = (1e-6, 1e6)
"""Correlation lengths that can be computed with, in diagonals of the mesh."""

DEVIATIONS = (1e-50, 1e50)
"""Standard deviations that can be computed with: their squares, and products of these, are numbers."""


def require_prior(case: Case, name: str, space: CoefficientSpace, *, known: bool) -> None:
    """Raise CaseError where the unknown cannot have the prior that the case states; `known` is whether the
    noise of the readings is."""
    chosen = case.regularisation[name]
    if chosen.weight == "prior" and not known:
        key = "std" if chosen.std is not None else "gamma"
        found = f"a {key} with data that have no column sigma"
        expected = "data with sigma, or none: the data then tell it"
        raise CaseError([f"{case.where('regularisation', name, key)}: found {found}, expected {expected}"])
    if "anisotropy" in chosen.parameters:
        _require_anisotropy(case, name, space)
    _require_range(case, name, space)


def _require_anisotropy(case: Case, name: str, space: CoefficientSpace) -> None:
    """Raise CaseError for one that the space of the unknown cannot have."""
    rows = case.regularisation[name].parameters["anisotropy"]
    assert isinstance(rows, tuple)
    where, dimension = case.where("regularisation", name, "anisotropy"), space.domain.dimension
    if len(rows) != dimension:
        found, expected = f"a matrix of {len(rows)} rows", f"one of {dimension}, the dimension of the mesh"
        raise CaseError([f"{where}: found {found}, expected {expected}"])
    if space.degree == 0:
        found, expected = "an anisotropy of an unknown of degree 0", "none, or the degree 1 or 2"
        raise CaseError([f"{where}: found {found}, expected {expected}"])


def _require_range(case: Case, name: str, space: CoefficientSpace) -> None:
    """Raise CaseError for a stated length or deviation with which nothing can be computed."""
    chosen, diagonal = case.regularisation[name], space.domain.diagonal
    with np.errstate(all="ignore"):
        length, std = chosen.stated(space.domain.dimension)
    low, high = (diagonal * end for end in LENGTHS)
    for key, value, least, most in (
        ("correlation_length", length, low, high),
        ("std", std, *DEVIATIONS),
    ):
        if value is not None and not least <= value <= most:
            own = key if chosen.gamma is None else "gamma"
            found = f"a {key} of {value:.3g}" + ("" if own == key else " by gamma and delta")
            expected = f"one from {least:.3g} to {most:.3g}"
            raise CaseError(
                [f"{case.where('regularisation', name, own)}: found {found}, expected {expected}"]
            )


def unresolved(case: Case, name: str, space: CoefficientSpace) -> list[str]:
    """A warning where the correlation length that the case states is below the size of most cells, in the
    direction in which it is shortest; collective."""
    chosen, domain = case.regularisation[name], space.domain
    length = chosen.stated(domain.dimension)[0]
    if length is None:
        return []
    rows = chosen.parameters.get("anisotropy")
    assert rows is None or isinstance(rows, tuple)
    shortest = length * float(np.sqrt(np.linalg.eigvalsh(tensor(rows, domain.dimension))[0]))
    sizes = np.concatenate(domain.comm.allgather(cell_sizes(domain)))
    larger = int((sizes > shortest).sum())
    if 2 * larger <= len(sizes):
        return []
    where = case.where("regularisation", name, "correlation_length" if chosen.gamma is None else "gamma")
    found = f"found a correlation length of {shortest:.3g}, below the size of {larger} of {len(sizes)} cells"
    expected = f"a longer one, or smaller cells: these are {sizes.min():.3g} to {sizes.max():.3g} wide"
    return [f"warning: {where}: {found}, expected {expected}"]


def prior_std(case: Case, name: str, dimension: int, choice: flow.Choice | None, weight: float) -> float:
    """Standard deviation that the prior of an unknown has inside: as stated, or s scale / √w with the noise's
    own s as found."""
    chosen = case.regularisation[name]
    stated = chosen.stated(dimension)[1]
    if stated is not None:
        return stated
    spread = 1.0 if choice is None else choice.spread
    return float(spread * chosen.scale / weight**0.5)
