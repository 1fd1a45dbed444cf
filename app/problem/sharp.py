"""Phases as the equation of an inverse problem sees them: at the points of a quadrature rule in each cell, so
that an interface may pass anywhere in a cell."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from app import flow
from app.energy.pointwise import PointMisfit, PointProblem
from app.mesh import CoefficientSpace, SharpSpaces
from app.mesh.widths import point_widths
from app.network import Nodes
from app.pde import Experiments
from app.problem.forward_models import observed_of, survey_of
from app.problem.inversion import Inversion
from app.types import Untyped

if TYPE_CHECKING:
    from app.network import Cells


class SharpEnergy:
    """The misfit at phases of the only unknown; what it makes is closed with the problem."""

    def __init__(self, given: Inversion, length: float, cells: "Cells") -> None:
        """`cells` are those about the nodes, in units of the length."""
        self._given, self._length, self._cells = given, length, cells

    def at(self, own: flow.Representation, near: Untyped = None) -> PointMisfit[Untyped]:
        """The misfit there; collective, raises SolveFailed on all ranks."""
        return self._problem.at(self.seen(own.network).values(own.theta), near)

    def seen(self, network: Untyped) -> Untyped:
        """Phases at all nodes and then at all points of this rank."""
        return network.at(*self._places)

    @cached_property
    def _spaces(self) -> SharpSpaces:
        """By the rule that integrates products of two states: more points see an interface no better
        (docs/method.md)."""
        degree: int = getattr(self._given.case.equation, "degree", 1)
        return SharpSpaces(list(self._given.spaces.values()), 2 * degree)

    @cached_property
    def _places(self) -> tuple[Nodes, "Cells"]:
        """Nodes and points, and the cells about them, which have a width there but no measure."""
        from app.network import Cells, Identity

        coordinates, box = self._spaces.coordinates_of(0), self._given.domain.bounding_box()
        nodes = Nodes.of(coordinates, box, np.zeros(len(coordinates)), Identity())
        width, cells = point_widths(self._spaces.points[0], self._degree) / self._length, self._cells
        if cells.uniform:
            width = np.full(len(width), cells.typical)
        none = np.zeros(len(coordinates))
        return nodes, Cells(none, np.concatenate([cells.width, width]), cells.typical, cells.uniform)

    @property
    def _degree(self) -> int:
        space: CoefficientSpace = next(iter(self._given.spaces.values()))
        return max(space.degree, 1)

    @cached_property
    def _problem(self) -> PointProblem[Untyped]:
        """With a forward model of its own, whose work counts as the problem's."""
        given, case = self._given, self._given.case
        survey = survey_of(given.domain.comm, case)
        observed = observed_of(case, self._spaces, survey, given.solvers, given.owned)
        _count_as(observed.forward, given.forward)
        made: PointProblem[Untyped] = PointProblem(
            observed.forward, observed.data.values, given.sigma, **observed.compared
        )
        made.nodes = self._given.coefficient.owned
        return made


def _count_as(model: Untyped, other: Untyped) -> None:
    """Let a model's work count as another's, of several experiments one by one."""
    if isinstance(model, Experiments):
        for name, each in model.models.items():
            each.counts = other.models[name].counts
    else:
        model.counts = other.counts
