"""From a case of regression to its mesh, energy and start."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app.build.convex import ConvexSetup, step_of, write_functions
from app.build.pieces import mesh_of, solver_for
from app.case import CaseError, Expression, RegressionCase, check_dimension
from app.energy import Regression
from app.mesh import CoefficientSpace, RelativeError
from app.network import Nodes
from app.parallel import Tally, agreed
from app.prior.gram import GramMatrix
from app.prior.inner_products import weighted_product


def prepare_regression(comm: MPI.Comm, case: RegressionCase) -> ConvexSetup:
    """Read the mesh, interpolate the function and assemble the inner product, before anything is written.

    Raises InputError on all ranks alike.
    """
    domain = mesh_of(comm, case)
    with agreed(comm):
        check_dimension(case, domain.dimension)
    name, chosen = case.approximant
    space = CoefficientSpace(domain, chosen.degree)
    function = _finite(case, space, "function")
    weight = _finite(case, space, "weight")
    with agreed(comm):
        if not (weight > 0).all():
            where = case.where("energy", "weight")
            raise CaseError([f"{where}: found values that are not positive, expected a weight > 0"])
    riesz = Tally()

    def product(norm: str, weight: Expression) -> GramMatrix:
        length = None if norm == "l2" else case.energy.length
        solver = partial(solver_for, comm, case.energy.solver, "riesz_", space.size, tally=riesz)
        return weighted_product(space, weight, length, solver)

    own = product(case.energy.norm, case.energy.weight)
    plain = None
    if case.flow.inner_product != "energy":
        plain = product(case.flow.inner_product, Expression(1.0))
    energy = Regression(own, function)
    norm = float(np.sqrt(2.0 * energy.misfit(function)))
    if not 0 < norm < np.inf:
        where = case.where("energy", "function")
        raise CaseError([f"{where}: found a function of norm {norm:g}, expected a finite one above 0"])
    zeros = np.zeros(space.owned)
    step = step_of(
        case,
        lambda transform: Nodes.of(space.coordinates, domain.bounding_box(), zeros, transform),
        size=space.size,
        reference=zeros,
    )

    def tell(coefficient: np.ndarray) -> dict[str, Any]:
        misfit = energy.misfit(energy.residual(coefficient))
        return {"distance": float(np.sqrt(2.0 * misfit)) / norm}

    def write(coefficient: np.ndarray, folder: Path) -> str | None:
        panels = {name: coefficient, "function": function, "error": coefficient - function}
        return write_functions(space, panels, folder)

    error = RelativeError(space, case.energy.function)
    return ConvexSetup(case, domain, space.size, energy, step, plain, error, write, tell, riesz=riesz)


def _finite(case: RegressionCase, space: CoefficientSpace, key: str) -> np.ndarray:
    """Nodal values of an expression of the energy."""
    values = space.interpolate(getattr(case.energy, key))
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where, found = case.where("energy", key), "values that are not finite on the mesh"
            raise CaseError([f"{where}: found {found}, expected finite ones"])
    return values
