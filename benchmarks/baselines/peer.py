"""dolfinx-adjoint, if it is installed, on the problem of cases/peer64.yaml.

Another program with a forward model of its own: counts compare methods, seconds programs. Its tape
differentiates ½‖u − d‖² + ½γ‖m‖²_H¹, d the readings at the nodes, and SciPy's L-BFGS-B minimises it. The
package is no dependency of this project; without it the summary says so.
"""

from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from scipy.spatial import KDTree

from benchmarks.baselines.problem import Problem, in_ufl
from benchmarks.baselines.trace import Known, Result, Trace

WEIGHT = 3e-6  # γ, at which several programs have run the problem
OPTIONS = {"ftol": 1e-12, "gtol": 1e-10, "maxiter": 500, "maxcor": 10}
"""SciPy's. The objective is near 2e-5, so that the default gtol would end the run too early; with an ftol of
1e-10 the run ends before the error does."""
DIRECT = {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"}


def peer(problem: Problem) -> Result:
    """Run a problem; where dolfinx-adjoint cannot be imported, the summary holds `status: absent` and the
    reason. Raises ValueError for a case that is not like cases/peer64.yaml."""
    try:
        import dolfinx_adjoint
        import pyadjoint
    except Exception as failure:  # absent, or made for another DOLFINx
        reason = f"{type(failure).__name__}: {failure}"
        return {"name": problem.case.name, "status": "absent", "reason": reason}, []
    trace = Trace(problem)
    complaint = _minimise(problem, trace, dolfinx_adjoint, pyadjoint)
    more = {"optimiser_message": complaint, "version": dolfinx_adjoint.__version__}
    return trace.summary("dolfinx_adjoint", "stalled" if complaint else "minimum", **more), trace.rows


def _minimise(problem: Problem, trace: Trace, dxa: Any, pyadjoint: Any) -> str | None:
    """Minimise, and enter the peer's solves into the counts; returns what the optimiser complains of.

    Taping takes a state solve, and the optimiser's first evaluation repeats it; the adjoint problem is
    assembled and factorised anew each time.
    """
    counts, space = problem.counts, problem.forward.space
    order = _nodes_of_readings(problem)
    data, sigma = problem.data.values, problem.data.sigma
    sigma = np.ones(len(data)) if sigma is None else sigma

    def count(name: str) -> None:
        counts.factorisations += 1
        setattr(counts, name, getattr(counts, name) + 1)
        counts.state_solves += name == "state_rhs"

    def adjoint_solved(_: Any, derivative: Any, __: Any) -> Any:
        count("adjoint_rhs")
        return derivative

    m, d = dxa.Function(space, name="m"), fem.Function(space)
    d.x.array[order] = data
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    source = in_ufl(problem.case.equation.source, ufl.SpatialCoordinate(space.mesh))
    facets = problem.domain.boundary("all")
    rim = fem.locate_dofs_topological(space, space.mesh.topology.dim - 1, facets)
    bc = fem.dirichletbc(fem.Function(space), rim)
    a, L = ufl.exp(m) * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, source * v * ufl.dx
    linear = dxa.LinearProblem(a, L, bcs=[bc], petsc_options=DIRECT, adjoint_petsc_options=DIRECT)
    count("state_rhs")
    state = linear.solve()
    square = 0.5 * ufl.inner(state - d, state - d) * ufl.dx
    penalty = 0.5 * WEIGHT * (ufl.inner(m, m) + ufl.inner(ufl.grad(m), ufl.grad(m))) * ufl.dx
    control = pyadjoint.Control(m)
    told = {"eval_cb_post": lambda *_: count("state_rhs"), "derivative_cb_post": adjoint_solved}
    functional = pyadjoint.ReducedFunctional(dxa.assemble_scalar(square + penalty), control, **told)

    def row(_: Any = None) -> None:
        solved = state.block_variable.saved_output.x.array
        misfit = 0.5 * float(np.sum(((solved[order] - data) / sigma) ** 2))
        trace.row(Known(control.tape_value().x.array.copy(), misfit), None, problem.size)

    row()
    try:
        pyadjoint.minimize(functional, method="L-BFGS-B", options=OPTIONS, callback=row)
    except pyadjoint.optimization.optimization.SciPyConvergenceError as failure:
        return str(failure)
    return None


def _nodes_of_readings(problem: Problem) -> np.ndarray:
    """The node of each reading; raises ValueError unless the case is like cases/peer64.yaml."""
    equation, conditions = problem.case.equation, list(problem.case.equation.boundary.values())
    linear = equation.kind == "diffusion" and equation.degree == problem.unknown.degree == 1
    if not linear or [(c.kind, c.tags) for c in conditions] != [("dirichlet", None)]:
        raise ValueError("found another problem, expected diffusion, linear elements, zero on the boundary")
    distance, order = KDTree(problem.nodes).query(problem.data.points)
    if len(order) != problem.size or distance.max() > 1e-9:
        raise ValueError(f"found {len(order)} readings, expected one at each of {problem.size} nodes")
    return order
