"""What a run leaves: summary, fields, pictures."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app import flow, output
from app.build import tomography
from app.build.models import Final
from app.build.pieces import nodal_values
from app.build.setup import Setup
from app.electrical import ElectricalModel
from app.mesh import discontinuous, interpolated
from app.network import Networks
from app.parallel import on_root
from app.pde import PHYSICAL, Experiments, ForwardModel, TransientModel
from app.prior import parameter_names

MOMENTS = 51
"""Times at most at which the fields show a state that changes."""


def summary_of(setup: Setup, outcome: flow.Outcome, final: Final, rows: list[output.Row]) -> dict[str, Any]:
    """The run in numbers, but for the resources it took."""
    case, counts = setup.case, setup.forward.counts
    choice = final.choice
    return {
        "name": case.name,
        "status": output.status(outcome.stop_reason, target_known=setup.target is not None),
        "stop_reason": outcome.stop_reason,
        **output.records_summary(rows),
        **_widths(setup),
        "misfit_target": setup.target,
        "regularisation_kind": final.contender.kind,
        "length_scale": final.contender.length,
        **{name: final.contender.parameters.get(name) for name in parameter_names()},
        **output.choice_summary(choice, parameter_names()),
        **_noise(setup, choice, rows[-1].record.misfit),
        **_experiments(setup, outcome.residual),
        **asdict(counts),
        "linear_solves": counts.linear_solves,
        "riesz_solves": setup.riesz.solves,
        "coefficient_dofs": setup.coefficient.size,
        "state_dofs": setup.forward.size,
        "seed": case.seed,
    }


def _widths(setup: Setup) -> dict[str, Any]:
    """Of several networks, the neurons of each."""
    network = getattr(setup.step, "network", None)
    if not isinstance(network, Networks):
        return {}
    own = zip(setup.spaces, network.parts, strict=True)
    return {"widths": {name: list(part.widths) for name, part in own}}


def _noise(setup: Setup, choice: flow.Choice | None, misfit: float) -> dict[str, float | None]:
    """The root mean square of the noise, as given or as the choice found it, as the choice found it whatever
    was given, and 2φ/n (its mean under noise in place of n, which a Huber misfit makes smaller) against the
    first."""
    sigma, factor = setup.data.sigma, 1.0
    if sigma is None:
        if choice is None:
            return {"noise_level": None, "noise_level_found": None, "chi2": None}
        sigma, factor = setup.sigma, choice.spread
    level = factor * float(np.sqrt(np.mean(sigma**2)))
    chi2 = 2.0 * misfit / setup.energy.expectation / factor**2 if factor > 0 else None
    found = None if choice is None else choice.spread * float(np.sqrt(np.mean(setup.sigma**2)))
    return {"noise_level": level, "noise_level_found": found, "chi2": chi2}


def write_results(setup: Setup, outcome: flow.Outcome, final: Final, folder: Path) -> str | None:
    """Fields and pictures of the final coefficient; returns why there is no picture, if so."""
    space, forward, m = setup.coefficient, setup.forward, outcome.coefficient
    residual = setup.energy.residual(m)
    weight = outcome.records[-1].weight or 0.0
    gradient = final.R.riesz(setup.energy.derivative(residual)) + weight * (m - setup.reference)
    fields = _states(forward)
    states = [state.function_space for state in fields.values()]
    rows = []
    own = zip(setup.spaces, space.split(m), space.extended(gradient), strict=True)
    for name, values, steepest in own:
        shown, rest = _shown(setup, name, values, steepest)
        rows.append(shown)
        fields |= shown | rest
    # Discontinuous if one of the fields is.
    finest = max([part.space for part in space.parts] + states, key=_degree)
    if any(part.degree == 0 for part in space.parts):
        finest = discontinuous(setup.domain, max(1, _degree(finest)))
    output.write_fields(folder / "fields.pvd", finest, fields, *_moments(forward))
    failure = None
    if final.choice is not None:
        failure = output.draw_choice(space.comm, folder / "choice.png", final.choice)
    picture, points = folder / "coefficient.png", setup.data.points
    points = points[np.isfinite(points).all(axis=1)]  # the others belong to parts of the mesh
    drawn_on, panels = _panels(setup, rows)
    if not isinstance(forward, ElectricalModel):
        return output.draw_fields(picture, drawn_on, panels, points) or failure
    data, sigma, abmn = setup.data.values, setup.sigma, forward.abmn
    on_root(
        space.comm,
        lambda: output.write_fit(folder / "fit.csv", abmn, forward.geometric_factors, data, sigma, residual),
    )
    physical = [tomography.panels(setup.name, row) for row in panels]
    drawn = output.draw_fields(picture, drawn_on, physical, points, logarithmic=True, numbered=True)
    return drawn or failure


def _states(forward: ForwardModel | Experiments | ElectricalModel) -> dict[str, Any]:
    """The state, or that of each experiment with its name."""
    if not isinstance(forward, Experiments):
        return {"state": forward.state}
    return {f"state_{name}": model.state for name, model in forward.models.items()}


def _moments(
    forward: ForwardModel | Experiments | ElectricalModel,
) -> tuple[list[str], Iterable[float]]:
    """The states that change with time, and the times at which they are shown; of several experiments only
    where all have the same steps."""
    models = list(forward.models.values()) if isinstance(forward, Experiments) else [forward]
    transient = [model for model in models if isinstance(model, TransientModel)]
    if len(transient) < len(models) or len({(each.times.end, each.times.steps) for each in transient}) > 1:
        return [], (0.0,)
    together = zip(*(each.moments(MOMENTS) for each in transient), strict=True)
    return list(_states(forward)), (times[0] for times in together)


def _experiments(setup: Setup, residual: np.ndarray) -> dict[str, Any]:
    """Readings and misfit of each experiment."""
    if not isinstance(setup.forward, Experiments):
        return {}
    parts = {name: residual[rows] for name, rows in setup.forward.rows.items()}
    told = {name: {"readings": len(own), "misfit": 0.5 * float(own @ own)} for name, own in parts.items()}
    return {"experiments": told}


def _shown(
    setup: Setup, name: str, values: np.ndarray, steepest: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Functions of an unknown that the picture shows, and those beside them; of several unknowns with its
    name."""
    space, unknown = setup.spaces[name], setup.case.unknowns[name]
    ending = f"_{name}" if len(setup.spaces) > 1 else ""
    m = space.function(values, name)
    shown: dict[str, Any] = {name: m}
    if unknown.truth is not None and unknown.on is None:  # a trace has no truth inside
        nodal_values(setup.case, space, name, "truth")
        truth = space.interpolant(unknown.truth, f"truth{ending}")
        error = space.everywhere(space.nodal(m) - space.nodal(truth), f"error{ending}")
        shown |= {truth.name: truth, error.name: error}
    gradient = space.everywhere(steepest, f"gradient{ending}")
    prefix, physical = PHYSICAL[unknown.role]
    return shown, {gradient.name: gradient, **({f"{prefix}_{name}": physical(m)} if prefix else {})}


def _panels(setup: Setup, rows: list[dict[str, Any]]) -> tuple[Any, list[dict[str, np.ndarray]]]:
    """A space that is good enough for the picture, and owned nodal values in it, a row an unknown."""
    spaces = list(setup.spaces.values())
    drawn_on = max((space.space for space in spaces), key=_degree)
    if any(space.degree == 0 for space in spaces):
        drawn_on = discontinuous(setup.domain, 1)
    owned = drawn_on.dofmap.index_map.size_local
    return drawn_on, [
        {name: interpolated(function, drawn_on).x.array[:owned] for name, function in row.items()}
        for row in rows
    ]


def _degree(space: Any) -> int:
    return space.element.basix_element.degree
