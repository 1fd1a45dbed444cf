"""What is drawn of an inverse problem's run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app import output
from app.electrical import ElectricalModel
from app.equations.heat import HeatSpec
from app.equations.specs import Stationary
from app.mesh.facets import corners
from app.pde import Experiments, TransientModel
from app.problem.inversion import Inversion
from app.problem.panels import panels_of
from app.problem.quantities import look_of, named, quantity_of
from app.types import Summary, Untyped

BEYOND = 100.0
"""Stands for residuals that are not finite."""


class InversionPictures:
    """Pictures of the coefficient and of states, written into a folder."""

    def __init__(self, given: Inversion, folder: Path, lost: output.Losses) -> None:
        self._given, self._folder, self._lost = given, folder, lost
        self._look = look_of(given.case)
        points = given.data.points
        self._placed = np.isfinite(points).all(axis=1)  # the others belong to parts of the mesh
        self.points = points[self._placed]

    def draw_coefficient(self, rows: Sequence[Summary], fit: output.Fit) -> None:
        """coefficient.png, of functions by their names, a row an unknown: m, and its truth and error where
        there are some; collective."""
        given, picture = self._given, self._folder / "coefficient.png"
        drawn_on, panels = panels_of(given.coefficient.parts, rows)
        told = []
        for (name, unknown), fields in zip(given.case.unknowns.items(), panels, strict=True):
            truth, error = (fields.get(f"{label}{given.ending_of(name)}") for label in ("truth", "error"))
            alike = {"recovered": fields[name]} | ({} if truth is None else {"truth": truth})
            different = {} if error is None else {"error": error}
            told.append(output.Row(quantity_of(name, unknown), alike, different))
        readings = self._readings(fit)
        self._lost.draw(picture, lambda: output.draw_fields(picture, drawn_on, told, readings, self._look))

    def draw_states(self, forward: Untyped, found: Untyped) -> None:
        """state.png of a state that changes with time, of several experiments state_NAME.png each;
        collective."""
        models, parts = {"state": forward}, {"state": found}
        if isinstance(forward, Experiments):
            models = {f"state_{name}": model for name, model in forward.models.items()}
            parts = {f"state_{name}": part for name, part in found.parts.items()}
        quantity = named("state", self._given.case.output.state)
        for name, model in models.items():
            if isinstance(model, TransientModel):
                self._draw_state(name, model, parts[name], quantity)

    def _draw_state(
        self, name: str, model: TransientModel, found: Untyped, quantity: output.Quantity
    ) -> None:
        state = model.function(found)
        space, times, states = state.function_space, [], []
        for time in model.moments(found, output.MULTIPLES):  # the function is each of them in turn
            times.append(time)
            states.append(state.x.array[: space.dofmap.index_map.size_local].copy())
        picture = self._folder / f"{name}.png"
        draw = output.draw_state
        self._lost.draw(picture, lambda: draw(picture, space, times, states, quantity, self._look))

    def _readings(self, fit: output.Fit) -> output.Readings:
        """Where they are, with their residuals: those of electrodes belong to four places at once."""
        if isinstance(self._given.forward, ElectricalModel):
            return output.Readings(self.points, numbered=True)
        finite = np.nan_to_num(fit.residual[self._placed], nan=BEYOND, posinf=BEYOND, neginf=-BEYOND)
        return output.Readings(self.points, finite, borders=self._borders())

    def _borders(self) -> tuple[output.Border, ...]:
        """The parts of the boundary of a plane that the case names in a condition; on rank 0, collective."""
        domain, equation = self._given.domain, self._given.case.equation
        if domain.dimension != 2 or not isinstance(equation, Stationary | HeatSpec):
            return ()
        told = []
        for name, condition in equation.boundary.items():
            if condition.parts is not None:
                facets = domain.boundary(condition.parts)
                ends = domain.comm.gather(corners(domain, facets).reshape(-1, 2, 2), root=0)
                told.append((name, condition.kind, ends))
        return tuple(output.Border(name, kind, np.concatenate(ends)) for name, kind, ends in told if ends)
