"""A variational problem: from a case to its mesh, energy and start, and what is said of the result."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import CaseError, Expression, ExpressionError, RitzCase, check_dimension
from app.energy import FUNCTIONALS, H1Distance, Ritz, VariationalEnergy, lifting_and_cut_off
from app.mesh import CoefficientSpace, Known, MeshError, RelativeError, TaggedMesh
from app.network import Nodes
from app.parallel import Clock, SolveFailed, agreed
from app.pde import BoundaryCondition
from app.posterior import Posterior
from app.prior.gram import SolverFactory
from app.prior.inner_products import weighted_product
from app.problem.base import WorkMeter
from app.problem.convex import Approximation, ConvexReport, function_of, nodes_of, write_functions
from app.problem.factories import mesh_of
from app.problem.solvers import Solvers
from app.types import Summary, Untyped

SHARED = {"kind", "functional", "boundary", "truth", "length", "solver"}
"""Keys of the energy that its density does not know."""


def read_ritz(comm: MPI.Comm, case: RitzCase, clock: Clock) -> Approximation:
    """Read the mesh, compile the energy, make lifting and cut-off and evaluate the energy for the first time,
    before anything is written.

    Raises InputError on all ranks alike.
    """
    domain = mesh_of(comm, case)
    with agreed(comm):
        check_dimension(case, domain.dimension)
    conditions = _conditions(case, domain)
    space = _space(case, domain, conditions)
    solvers, owned = Solvers(comm), ExitStack()
    solver = solvers.factory(case.energy.solver, "riesz", space)
    _check_values(case, space, conditions)
    energy = _energy(case, space, conditions, solver)
    owned.callback(energy.close)
    reference, cut_off = np.zeros(space.owned), None
    if space.free is not None:
        try:
            reference, cut_off = lifting_and_cut_off(space, case.energy.diffusivity, solver)
        except SolveFailed as failure:
            found = f"found values on the boundary that cannot be continued inside: {failure}"
            expected = "some on each connected part of the mesh"
            raise CaseError([f"{case.where('energy', 'boundary')}: {found}, expected {expected}"]) from None
    try:
        energy.at(reference)
    except SolveFailed as failure:
        raise CaseError([f"{case.where('energy')}: {failure}, expected finite values"]) from None
    plain = None
    if case.flow.inner_product != "energy":
        length = None if case.flow.inner_product == "l2" else case.energy.length
        plain = owned.enter_context(weighted_product(space, Expression(1.0), length, solver))
    box = domain.bounding_box()
    nodes = nodes_of(case, lambda transform: Nodes.of(space.coordinates, box, reference, transform, cut_off))
    report = RitzReport(solvers, case, space, energy)
    meter = WorkMeter(clock, riesz=[solvers.riesz])
    points = space.coordinates
    return Approximation(
        comm,
        case,
        energy,
        nodes,
        points,
        reference,
        plain,
        report,
        meter,
        owned,
        space,
        lambda: energy.minimiser(reference),
    )


class RitzReport(ConvexReport):
    """What is told of a function beside the finite-element solution."""

    def __init__(self, solvers: Solvers, case: RitzCase, space: CoefficientSpace, energy: Ritz) -> None:
        super().__init__(solvers, case, space.size)
        self._name = case.approximant[0]
        self._space, self._energy = space, energy
        self._distance = H1Distance(space, case.energy.length)
        self._error = _error(case, space)
        self._known: tuple[np.ndarray, np.ndarray | None] | None = None

    def half_square(self, at: Untyped) -> float:
        """½E″(u)(u, u) of an evaluation's u, values on the boundary included."""
        return self._energy.half_square(at.m)

    def error(self, at: flow.Evaluation) -> float | None:
        """See Report."""
        return None if self._error is None else self._error(at.m)

    def told(self, state: flow.FlowState) -> Summary:
        """Relative distance to the solution by the energy and in H1, the solution's energy, and by what share
        of it the function's is above it."""
        assert state.evaluation is not None
        m = state.evaluation.m
        solution = self._solution(m)
        if solution is None:
            return {"distance_h1": None, "least_energy": None, "energy_excess": None}
        least, apart = self._energy.value(solution), self._distance(m, solution)
        above, square = self._energy.value(m) - least, self._energy.half_square(solution)
        return {
            "distance": float(np.sqrt(max(above, 0.0) / square)) if square > 0 else None,
            "distance_h1": apart if np.isfinite(apart) else None,  # relative to zero there is none
            "least_energy": least,
            "energy_excess": above / abs(least) if least else None,
        }

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report; lifting and cut-off are finite-element functions, and so is what is made with them."""
        free = self._space.free is None
        return function_of(self._case.name, self._name, self._space, state, by_network=free)

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""
        assert state.evaluation is not None
        space, panels = self._space, {self._name: state.evaluation.m}
        solution = self._solution(state.evaluation.m)
        if solution is not None:
            panels["solution"] = solution
        whole = {name: space.nodal(space.function(values)) for name, values in panels.items()}
        if solution is not None:
            whole["error"] = whole[self._name] - whole["solution"]
        write_functions(self._case, space, whole, folder, lost)

    def _solution(self, start: np.ndarray) -> np.ndarray | None:
        """The finite-element solution by Newton's method from there; None where that fails."""
        if self._known is None or self._known[0] is not start:
            try:
                self._known = start, self._energy.minimiser(start)
            except SolveFailed:
                self._known = start, None
        return self._known[1]


def _conditions(case: RitzCase, domain: TaggedMesh) -> dict[str, BoundaryCondition]:
    conditions = {}
    for name, given in case.energy.boundary.items():
        on = ("all",) if given.parts is None else given.parts
        try:
            domain.boundary(on)
        except MeshError as error:
            raise CaseError([f"{case.where('energy', 'boundary', name, 'on')}: {error}"]) from None
        conditions[name] = BoundaryCondition(
            on, given.kind, given.value, given.transfer, ambient=given.ambient
        )
    return conditions


def _space(case: RitzCase, domain: TaggedMesh, conditions: dict[str, BoundaryCondition]) -> CoefficientSpace:
    given = [
        Known(condition.on, case.energy.boundary[name].value)
        for name, condition in conditions.items()
        if condition.kind == "dirichlet"
    ]
    try:
        space = CoefficientSpace(domain, case.approximant[1].degree, boundary=given)
    except MeshError:
        where = case.where("energy", "boundary")
        found = "values at all nodes of the mesh"
        raise CaseError([f"{where}: found {found}, expected a mesh with nodes in between"]) from None
    with agreed(domain.comm):
        if not np.isfinite(space.known_values).all():
            raise _not_finite(case, "boundary")
    return space


def _check_values(case: RitzCase, space: CoefficientSpace, conditions: dict[str, BoundaryCondition]) -> None:
    """Coefficients are finite and of the signs that make the energy convex with one minimiser."""
    comm, points = space.comm, space.domain.mesh.geometry.x[:, : space.domain.dimension]

    def least(value: Expression, at: np.ndarray, path: Sequence[str]) -> tuple[float, float]:
        """Least and greatest value on the mesh."""
        values = value.numpy(at)
        with agreed(comm):
            if not np.isfinite(values).all():
                raise _not_finite(case, *path)
        low = comm.allreduce(float(values.min(initial=np.inf)), op=MPI.MIN)
        return low, comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX)

    def refused(found: float, expected: str, path: Sequence[str]) -> CaseError:
        return CaseError([f"{case.where('energy', *path)}: found {found:g} on the mesh, expected {expected}"])

    pinned = space.size < space.space.dofmap.index_map.size_global
    least(case.energy.source, points, ["source"])
    low, _ = least(case.energy.diffusivity, points, ["diffusivity"])
    if not low > 0:
        raise refused(low, "a diffusivity > 0", ["diffusivity"])
    for key in ("reaction", "cubic"):
        if hasattr(case.energy, key):
            low, high = least(getattr(case.energy, key), points, [key])
            if low < 0:
                raise refused(low, f"a {key} >= 0", [key])
            pinned = pinned or (key == "reaction" and high > 0)
    for name, condition in conditions.items():
        if condition.kind == "dirichlet":
            continue
        at = space.domain.facet_midpoints(condition.on)
        key = "value" if condition.ambient is None else "ambient"
        least(getattr(case.energy.boundary[name], key), at, ["boundary", name, key])
        if (transfer := case.energy.boundary[name].transfer) is not None:
            path = ["boundary", name, "transfer"]
            low, high = least(transfer, at, path)
            if low < 0:
                raise refused(low, "a transfer >= 0", path)
            pinned = pinned or high > 0
    if not pinned:
        found = "no part of the mesh's boundary with a given value, no transfer and no reaction"
        raise CaseError([f"{case.where('energy', 'boundary')}: found {found}, expected one of them"])


def _not_finite(case: RitzCase, *path: str) -> CaseError:
    return CaseError(
        [f"{case.where('energy', *path)}: found values that are not finite on the mesh, expected finite ones"]
    )


def _energy(
    case: RitzCase,
    space: CoefficientSpace,
    conditions: dict[str, BoundaryCondition],
    solver: SolverFactory,
) -> Ritz:
    given: Summary = {
        key: getattr(case.energy, key) for key in type(case.energy).model_fields if key not in SHARED
    }
    functional = FUNCTIONALS[case.energy.functional](**given)
    try:
        return Ritz(VariationalEnergy(functional, list(conditions.values()), space, solver))
    except ExpressionError as refused:
        raise CaseError([f"{case.where('energy')}: {refused}"]) from None


def _error(case: RitzCase, space: CoefficientSpace) -> RelativeError | None:
    """Of the function in L2, where the exact one is known."""
    truth, where = case.energy.truth, case.where("energy", "truth")
    if truth is None:
        return None
    try:
        error = RelativeError(space, truth)
    except ExpressionError as refused:
        raise CaseError([f"{where}: {refused}"]) from None
    if not 0 < error.norm < np.inf:
        raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    return error
