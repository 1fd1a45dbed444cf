"""Regression: from a case to its mesh, energy and start, and what is said of the result."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import CaseError, Expression, RegressionCase, check_dimension
from app.energy import Regression
from app.mesh import CoefficientSpace, RelativeError
from app.network import Nodes
from app.parallel import Clock, agreed
from app.posterior import Posterior
from app.prior.gram import GramMatrix
from app.prior.inner_products import weighted_product
from app.problem.base import WorkMeter
from app.problem.convex import Approximation, ConvexReport, function_of, nodes_of, write_functions
from app.problem.factories import mesh_of
from app.problem.solvers import Solvers
from app.types import Summary


class RegressionReport(ConvexReport):
    """What is told of a function that approximates another one."""

    def __init__(
        self,
        solvers: Solvers,
        case: RegressionCase,
        space: CoefficientSpace,
        function: np.ndarray,
        norm: float,
    ) -> None:
        """`function` has the nodal values of the one to approximate, of this norm."""
        super().__init__(solvers, case, space.size)
        self._space, self._function, self._norm = space, function, norm
        self._name = case.approximant[0]
        self._error = RelativeError(space, case.energy.function)

    def error(self, at: flow.Evaluation) -> float:
        """See Report."""
        return self._error(at.m)

    def told(self, state: flow.FlowState) -> Summary:
        """The distance as it is."""
        assert state.evaluation is not None
        return {"distance": float(np.sqrt(2.0 * state.evaluation.value)) / self._norm}

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report."""
        return function_of(self._case.name, self._name, self._space, state, by_network=True)

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""
        assert state.evaluation is not None
        m = state.evaluation.m
        panels = {self._name: m, "function": self._function, "error": m - self._function}
        write_functions(self._case, self._space, panels, folder, lost)


def read_regression(comm: MPI.Comm, case: RegressionCase, clock: Clock) -> Approximation:
    """Read the mesh, interpolate the function and assemble the inner product, before anything is written.

    Raises InputError on all ranks alike.
    """
    domain = mesh_of(comm, case)
    with agreed(comm):
        check_dimension(case, domain.dimension)
    _, chosen = case.approximant
    space = CoefficientSpace(domain, chosen.degree)
    function = _finite(case, space, "function")
    weight = _finite(case, space, "weight")
    with agreed(comm):
        if not (weight > 0).all():
            where = case.where("energy", "weight")
            raise CaseError([f"{where}: found values that are not positive, expected a weight > 0"])
    solvers, owned = Solvers(comm), ExitStack()

    def product(norm: str, weight: Expression) -> GramMatrix:
        length = None if norm == "l2" else case.energy.length
        solver = solvers.factory(case.energy.solver, "riesz", space)
        return owned.enter_context(weighted_product(space, weight, length, solver))

    own = product(case.energy.norm, case.energy.weight)
    plain = None
    if case.flow.inner_product != "energy":
        plain = product(case.flow.inner_product, Expression(1.0))
    energy = Regression(own, function)
    norm = float(np.sqrt(2.0 * energy.at(np.zeros_like(function)).value))
    if not 0 < norm < np.inf:
        where = case.where("energy", "function")
        raise CaseError([f"{where}: found a function of norm {norm:g}, expected a finite one above 0"])
    zeros = np.zeros(space.owned)
    box = domain.bounding_box()
    nodes = nodes_of(case, lambda transform: Nodes.of(space.coordinates, box, zeros, transform))
    report = RegressionReport(solvers, case, space, function, norm)
    meter = WorkMeter(clock, riesz=[solvers.riesz])
    points = space.coordinates
    return Approximation(
        comm, case, energy, nodes, points, zeros, plain, report, meter, owned, space, lambda: function
    )


def _finite(case: RegressionCase, space: CoefficientSpace, key: str) -> np.ndarray:
    """Nodal values of an expression of the energy."""
    values = space.interpolate(getattr(case.energy, key))
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where, found = case.where("energy", key), "values that are not finite on the mesh"
            raise CaseError([f"{where}: found {found}, expected finite ones"])
    return values
