"""What a stated prior asks of mesh and readings, and the standard deviation that the data give one."""

from app import flow
from app.case import Case, CaseError
from app.mesh import CoefficientSpace


def require_prior(case: Case, name: str, space: CoefficientSpace, *, known: bool) -> None:
    """Raise CaseError where the unknown cannot have the prior that the case states; `known` is whether the
    noise of the readings is."""
    chosen = case.regularisation[name]
    if chosen.weight == "prior" and not known:
        key = "std" if chosen.std is not None else "gamma"
        found = f"a {key} with data that have no column sigma"
        expected = "data with sigma, or none: the data then tell it"
        raise CaseError([f"{case.where('regularisation', name, key)}: found {found}, expected {expected}"])
    rows = chosen.parameters.get("anisotropy")
    if rows is None:
        return
    assert isinstance(rows, tuple)
    where, dimension = case.where("regularisation", name, "anisotropy"), space.domain.dimension
    if len(rows) != dimension:
        found, expected = f"a matrix of {len(rows)} rows", f"one of {dimension}, the dimension of the mesh"
        raise CaseError([f"{where}: found {found}, expected {expected}"])
    if space.degree == 0:
        found, expected = "an anisotropy of an unknown of degree 0", "none, or the degree 1 or 2"
        raise CaseError([f"{where}: found {found}, expected {expected}"])


def prior_std(case: Case, name: str, dimension: int, choice: flow.Choice | None, weight: float) -> float:
    """Standard deviation that the prior of an unknown has inside: as stated, or s scale / √w with the noise's
    own s as found."""
    chosen = case.regularisation[name]
    stated = chosen.stated(dimension)[1]
    if stated is not None:
        return stated
    spread = 1.0 if choice is None else choice.spread
    return float(spread * chosen.scale / weight**0.5)
