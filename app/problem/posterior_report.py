"""What fields and pictures show of a posterior."""

from pathlib import Path

import numpy as np

from app import output
from app.equations.terms import physical, prefix_of
from app.mesh import CoefficientSpace
from app.posterior import Posterior
from app.problem.inversion import Inversion
from app.problem.panels import panels_of
from app.problem.quantities import look_of, quantity_of
from app.types import Summary

QUANTILES = {"5": 0.05, "95": 0.95}
"""Of the physical quantity, by the ending of their names."""

PICTURES = {"laplace": output.draw_posterior, "interfaces": output.draw_interfaces}
"""By the kind of posterior."""


def posterior_fields(given: Inversion, posterior: Posterior | None) -> Summary:
    """Standard deviations, what is resolved, probabilities of phases, quantiles of the physical quantity, and
    draws, if the case asks for some."""
    if posterior is None:
        return {}
    count = given.case.posterior.samples
    draws = posterior.sample(count).T if count else ()
    coefficients = {f"sample_{number}": draw for number, draw in enumerate(draws, 1)}
    fields: Summary = {}
    for label, values in posterior.fields.items():
        for (name, space), own in _each(given, values):
            whole = space.everywhere(space.extended(own)[0], f"{label}{given.ending_of(name)}")
            fields[whole.name] = whole
    for label, probability in QUANTILES.items():
        for (name, space), own in _each(given, posterior.quantile(probability)):
            role = given.case.unknowns[name].role
            prefix = prefix_of(role)
            called = f"{prefix}_{name}_{label}" if prefix else f"{name}_{label}"
            fields[called] = physical(role, space.function(own, called))
    for label, values in coefficients.items():
        for (name, space), own in _each(given, values):
            called = f"{label}{given.ending_of(name)}"
            fields[called] = space.function(own, called)
    return fields


def draw_posterior(
    given: Inversion, posterior: Posterior, folder: Path, points: np.ndarray, lost: output.Losses
) -> None:
    """posterior.png: m with its standard deviation, veiled where the data do not determine it, or with the
    probabilities of phases; collective."""
    rows: list[Summary] = []
    beside = {"std": posterior.std, "resolved": posterior.resolved, **posterior.pictured}
    parts = [_each(given, values) for values in beside.values()]
    for (owner, m), *others in zip(_each(given, posterior.mean), *parts, strict=True):
        name, space = owner
        row: Summary = {"m": space.function(m, name)}
        for label, (_, own) in zip(beside, others, strict=True):
            row[label] = space.everywhere(space.extended(own)[0], label)
        rows.append(row)
    picture, (drawn_on, panels) = folder / "posterior.png", panels_of(given.coefficient.parts, rows)
    unknowns = zip(given.case.unknowns.items(), panels, strict=True)
    told = [_uncertain(quantity_of(name, unknown), **own) for (name, unknown), own in unknowns]
    draw, look = PICTURES[posterior.kind], look_of(given.case)
    lost.draw(picture, lambda: draw(picture, drawn_on, told, points, look))


def _uncertain(
    quantity: output.Quantity, m: np.ndarray, std: np.ndarray, resolved: np.ndarray, **more: np.ndarray
) -> output.Uncertain:
    """With what is pictured beside it, by its title."""
    return output.Uncertain(quantity, m, std, resolved, {_title(name): own for name, own in more.items()})


def _title(name: str) -> str:
    """std_chain or probability_1 in words."""
    if name == "std_chain":
        return "standard deviation by chains"
    return f"probability of phase {name.rpartition('_')[2]}"


def _each(given: Inversion, values: np.ndarray) -> list[tuple[tuple[str, CoefficientSpace], np.ndarray]]:
    """The unknowns, each with its space and its own values."""
    return list(zip(given.spaces.items(), given.coefficient.split(values), strict=True))
