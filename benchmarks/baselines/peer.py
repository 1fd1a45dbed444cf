"""dolfinx-adjoint, if it is installed, on the problem of cases/peer64.yaml.

Another program with a forward model of its own: counts compare methods, seconds programs. Its tape
differentiates ½‖u − d‖² + ½γ‖m‖²_H¹, d the readings at the nodes, and SciPy's L-BFGS-B minimises it. The
package is no dependency of this project; without it the summary says so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import app.wheel  # noqa: F401

# isort: split
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import exterior_facet_indices
from mpi4py import MPI

from app.case import Case
from app.mesh import in_ufl
from app.parallel import on_root
from app.pde import Counts
from benchmarks.baselines.trace import Point, Problem, Show, Trace, write, write_alone

WEIGHT = 3e-6
"""γ, at which several programs have run the problem."""

OPTIONS = {"ftol": 1e-12, "gtol": 1e-10, "maxiter": 500, "maxcor": 10}
"""SciPy's. The objective is near 2e-5, so that the default gtol would end the run too early; with an ftol of
1e-10 the run ends before the error does."""

DIRECT = {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"}


def peer(
    case: Case,
    folder: Path,
    *,
    weight: float = WEIGHT,
    show: Show | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> dict[str, Any]:
    """Run, write the results into the folder and return the summary.

    Where dolfinx-adjoint cannot be imported, the summary holds `status: absent` and the reason only. Raises
    ValueError for a case that is not like cases/peer64.yaml, and on more than one rank.
    """
    if comm.size > 1:
        raise ValueError(f"found {comm.size} ranks, expected one: the peer's nodes are matched on one only")
    try:
        import dolfinx_adjoint
        import pyadjoint
    except Exception as failure:  # absent, or made for another DOLFINx
        summary = {
            "name": case.name,
            "method": "dolfinx_adjoint",
            "status": "absent",
            "reason": f"{type(failure).__name__}: {failure}",
        }
        on_root(comm, lambda: write_alone(folder, summary))
        return summary
    problem = Problem(comm, case)
    trace = Trace(problem, show)
    reason = _minimise(problem, trace, weight, dolfinx_adjoint, pyadjoint)
    more = {"objective_weight": weight, "first_met": trace.first_met}
    summary = trace.summary("dolfinx_adjoint", "minimum" if reason is None else "stalled", **more)
    summary |= {"optimiser_message": reason, "dolfinx_adjoint": dolfinx_adjoint.__version__}
    write(problem, folder, trace, summary)
    return summary


def _minimise(problem: Problem, trace: Trace, weight: float, dxa: Any, pyadjoint: Any) -> str | None:
    """Minimise, and enter the peer's solves into the counts; returns what the optimiser complains of.

    Taping takes a state solve, and the optimiser's first evaluation repeats it.
    """
    setup = problem.setup
    counts, space = setup.forward.counts, setup.forward.space
    order = _nodes_of_readings(problem)
    data, sigma = setup.data.values, setup.data.sigma
    sigma = np.ones(len(data)) if sigma is None else sigma

    m, d = dxa.Function(space, name="m"), fem.Function(space)
    d.x.array[order] = data
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    source = in_ufl(problem.case.equation.source, ufl.SpatialCoordinate(space.mesh))
    zero = fem.Function(space)
    bc = fem.dirichletbc(zero, _rim(space))
    a, L = ufl.exp(m) * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, source * v * ufl.dx
    linear = dxa.LinearProblem(a, L, bcs=[bc], petsc_options=DIRECT, adjoint_petsc_options=DIRECT)
    _count_state(counts)
    state = linear.solve()
    square = 0.5 * ufl.inner(state - d, state - d) * ufl.dx
    penalty = 0.5 * weight * (ufl.inner(m, m) + ufl.inner(ufl.grad(m), ufl.grad(m))) * ufl.dx
    objective = dxa.assemble_scalar(square + penalty)
    control = pyadjoint.Control(m)
    functional = pyadjoint.ReducedFunctional(
        objective,
        control,
        eval_cb_post=lambda *_: _count_state(counts),
        derivative_cb_post=_counting_adjoints(counts),
    )

    def point() -> Point:
        solved = state.block_variable.saved_output.x.array
        values = control.tape_value().x.array
        return Point(problem.energy, values.copy(), (solved[order] - data) / sigma)

    trace.row(point(), None, setup.coefficient.size)
    try:
        pyadjoint.minimize(
            functional,
            method="L-BFGS-B",
            options=OPTIONS,
            callback=lambda _: trace.row(point(), None, setup.coefficient.size),
        )
    except pyadjoint.optimization.optimization.SciPyConvergenceError as failure:
        return str(failure)
    return None


def _count_state(counts: Counts) -> None:
    counts.state_solves += 1
    counts.state_rhs += 1
    counts.factorisations += 1


def _counting_adjoints(counts: Counts) -> Callable[..., Any]:
    """Called with each derivative; the adjoint problem is assembled and factorised anew each time."""

    def count(_: Any, derivative: Any, __: Any) -> Any:
        counts.adjoint_rhs += 1
        counts.factorisations += 1
        return derivative

    return count


def _nodes_of_readings(problem: Problem) -> np.ndarray:
    """The node of each reading; raises ValueError unless the case is like cases/peer64.yaml."""
    setup, equation = problem.setup, problem.case.equation
    conditions = list(equation.boundary.values())
    if equation.kind != "diffusion" or equation.degree != 1 or setup.unknown.degree != 1:
        raise ValueError("the peer is set up for a diffusion equation with linear elements")
    if [c.kind for c in conditions] != ["dirichlet"] or conditions[0].tags is not None:
        raise ValueError("the peer is set up for a state that is zero on the whole boundary")
    nodes = setup.coefficient.coordinates
    distance = np.linalg.norm(setup.data.points[:, None, :] - nodes[None, :, :], axis=2)
    nearest = distance.argmin(axis=1)
    if len(set(nearest)) != len(nodes) or distance.min(axis=1).max() > 1e-9:
        raise ValueError("the peer is set up for one reading at every node")
    return nearest


def _rim(space: fem.FunctionSpace) -> np.ndarray:
    """Dofs on the boundary."""
    mesh = space.mesh
    mesh.topology.create_connectivity(mesh.topology.dim - 1, mesh.topology.dim)
    facets = exterior_facet_indices(mesh.topology)
    return fem.locate_dofs_topological(space, mesh.topology.dim - 1, facets)
