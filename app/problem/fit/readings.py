"""Every reading of an inverse problem beside what a state of its run predicts of it."""

from typing import Any

import numpy as np

from app import flow
from app.electrical import ElectricalModel
from app.energy import Misfit
from app.energy.pointwise import PointMisfit
from app.energy.restricted import on_its_mesh
from app.output import Fit, Series
from app.problem.inversion import Inversion


def fit_of(given: Inversion, state: flow.FlowState) -> Fit:
    """The readings on the mesh where a complete state is; the same on all ranks."""
    at = on_its_mesh(state.evaluation)
    assert isinstance(at, Misfit)
    data, predicted = given.data, at.forward.readings
    spread = noise_spread(given, state.choice, at.value)
    model = at.model if isinstance(at, PointMisfit) else given.forward
    common: dict[str, Any] = {
        "series": _series(given),
        "of": np.repeat(np.arange(len(given.files)), [count for _, count in given.files]),
        "lines": data.lines,
        "sigma": spread * given.sigma,
        "residual": given.energy.whitened(predicted) / spread,
    }
    if not isinstance(model, ElectricalModel):
        return Fit(
            points=data.points,
            read=data.values,
            predicted=predicted,
            logarithmic=given.energy.logarithmic,
            parts=data.names,
            times=data.times,
            **common,
        )
    return Fit(
        points=data.points[model.abmn].mean(axis=1),  # `points` of the data are the electrodes
        read=np.exp(data.values),
        predicted=np.exp(predicted),
        logarithmic=np.ones(len(data.values), dtype=bool),
        electrodes=model.abmn + 1,
        factors=model.geometric_factors,
        **common,
    )


def noise_spread(given: Inversion, choice: flow.Choice | None, misfit: float) -> float:
    """The factor from the sigma of the readings to their noise: 1 where it is stated, else as the choice
    found it or, where there was none, as the residuals have it; 1 where these are zero."""
    if given.data.sigma is not None:
        return 1.0
    found = 0.0 if choice is None else choice.spread
    return found or float(np.sqrt(2.0 * misfit / given.energy.expectation)) or 1.0


def _series(given: Inversion) -> tuple[Series, ...]:
    """The observations, in the order of their readings."""
    named = [
        (experiment, name) for experiment, part in given.case.parts.items() for name in part.observations
    ]
    return tuple(
        Series(experiment, name, file.name)
        for (experiment, name), (file, _) in zip(named, given.files, strict=True)
    )
