"""What a run leaves: summary, fields, pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app import fem, flow, output, tomography
from app.build.models import Final
from app.build.pieces import nodal_values
from app.build.setup import Setup
from app.parallel import on_root


def summary_of(setup: Setup, outcome: flow.Outcome, final: Final, rows: list[output.Row]) -> dict[str, Any]:
    """The run in numbers, but for the resources it took."""
    case, counts = setup.case, setup.forward.counts
    choice = final.choice
    return {
        "name": case.name,
        "status": output.status(outcome.stop_reason, target_known=setup.target is not None),
        "stop_reason": outcome.stop_reason,
        **output.records_summary(rows),
        "misfit_target": setup.target,
        "regularisation_kind": final.contender.kind,
        "length_scale": final.contender.length,
        "edge_share": final.contender.edge_share,
        **output.choice_summary(choice),
        **_noise(setup, choice, rows[-1].record.misfit),
        **asdict(counts),
        "linear_solves": counts.linear_solves,
        "riesz_solves": sum(solver.solves for solver in setup.riesz_solvers),
        "coefficient_dofs": setup.coefficient.size,
        "state_dofs": setup.forward.size,
        "seed": case.seed,
    }


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
    prefix, physical = fem.PHYSICAL[setup.unknown.role]
    function = space.function(m, setup.name)
    fields: dict[str, Any] = {
        setup.name: function,
        "state": forward.state,
        "gradient": space.function(gradient, "gradient"),
    }
    if prefix:
        fields[f"{prefix}_{setup.name}"] = physical(function)
    panels = {setup.name: m}
    if setup.unknown.truth is not None and setup.unknown.on is None:  # a trace has no truth inside
        truth = nodal_values(setup.case, space, setup.name, "truth")
        panels |= {"truth": truth, "error": m - truth}
        fields |= {name: space.function(panels[name], name) for name in ("truth", "error")}
    finest = max(space.space, forward.space, key=lambda s: s.element.basix_element.degree)
    output.write_fields(folder / "fields.pvd", finest, fields)
    failure = None
    if final.choice is not None:
        failure = output.draw_choice(space.comm, folder / "choice.png", final.choice)
    picture, points = folder / "coefficient.png", setup.data.points
    points = points[np.isfinite(points).all(axis=1)]  # the others belong to parts of the mesh
    if not isinstance(forward, fem.ElectricalModel):
        return output.draw_fields(picture, space.space, panels, points) or failure
    data, sigma, abmn = setup.data.values, setup.sigma, forward.abmn
    on_root(
        space.comm,
        lambda: output.write_fit(folder / "fit.csv", abmn, forward.geometric_factors, data, sigma, residual),
    )
    physical_panels = tomography.panels(setup.name, panels)
    drawn = output.draw_fields(picture, space.space, physical_panels, points, logarithmic=True, numbered=True)
    return drawn or failure
