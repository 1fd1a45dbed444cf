"""Electrical tomography: from log-resistivity to the apparent resistivities of four-electrode readings."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from mpi4py import MPI

from app.electrical.contacts import Contacts
from app.electrical.element_products import ElementProducts, FourPoles
from app.electrical.wave_numbers import WaveNumbers
from app.mesh import assemble
from app.mesh.points import point_matrix
from app.mesh.spaces import CoefficientSpace, Function, SharpSpaces
from app.parallel import LinearSolver, SolveFailed, gram, multiply, multiply_transpose, timed
from app.parallel.blocks import PETSc
from app.pde.linearisation import Counts
from app.pde.uniqueness import refuse_open_states
from app.types import Matrix, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers

BLIND = 1e-6
"""A reading below this share of the largest, at uniform resistivity, has no geometric factor."""


class BlindReading(ValueError):
    """A reading that a uniform resistivity leaves at zero; `index` counts the readings from 0."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index

    def __str__(self) -> str:
        return (
            "found a reading that is zero at uniform resistivity, expected electrodes with a geometric factor"
        )


class ElectricalLinearisation:
    """The forward map at one coefficient m, for as long as it is held: readings, potentials, and J.

    J is formed when it is first asked for, whole: (owned dofs, readings) on each rank.
    """

    def __init__(
        self, model: "ElectricalModel", values: np.ndarray, potentials: Sequence[np.ndarray]
    ) -> None:
        """`potentials` of a unit current at each electrode, shape (owned dofs, electrodes), one array a wave
        number."""
        self.model, self.values = model, values
        self.potentials = tuple(potentials)
        self.resistances = model.resistances(potentials)
        """R of each reading in Ω, whole on every rank."""
        self._rows: np.ndarray | None = None

    @property
    def readings(self) -> np.ndarray:
        """log ρₐ, shape (readings,), whole on every rank."""
        readings: np.ndarray = np.log(self.model.geometric_factors * self.resistances)
        return readings

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block."""
        return gram(self.model.comm, self._jacobian(), block)

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data; `incremental` plays no part, as no right-hand side is counted."""
        product = self._jacobian() @ data
        return product if data.ndim == 1 else np.asfortranarray(product)

    def _jacobian(self) -> np.ndarray:
        """Jᵀ = (∂R/∂m)ᵀ diag(1/R), the derivative of log(KR)."""
        if self._rows is None:
            self._rows = self.model.sensitivities(self) / self.resistances
        return self._rows


class ElectricalModel:
    """m ↦ log ρₐ of each reading, for the resistivity ρ = exp(m) in Ωm, with its tangent and its adjoint.

    −∇·(e⁻ᵐ∇u) = I(δₐ − δ_b), no current through the boundary, point electrodes; in 2.5 dimensions
    −∇·(e⁻ᵐ∇û) + k²e⁻ᵐû for each of several wave numbers k (app.electrical.wave_numbers). A reading is
    R = (u_m − u_n)/I in Ω (two dimensions: of a body one metre thick), the apparent resistivity ρₐ = KR with
    the geometric factor K = 1/R at ρ = 1 Ωm on the same mesh, without what electrodes carry along themselves.

    An evaluation takes one factorisation a wave number and one right-hand side an electrode and wave number
    (`state_rhs`, though they are solved as a block). The potentials of all electrodes give every row of J by
    element products, the operator being symmetric: tangents and adjoints need no right-hand side and count
    none.

    Blocks of coefficients have the rank's owned rows; data are whole on every rank. The constant that pure
    Neumann conditions leave open is fixed without effect on the readings, which are differences.
    """

    def __init__(
        self,
        coefficient: CoefficientSpace | SharpSpaces,
        electrodes: np.ndarray,
        abmn: np.ndarray,
        waves: WaveNumbers,
        degree: int,
        solver: LinearSolver,
        contacts: Contacts | None = None,
    ) -> None:
        """`electrodes` (n, dimension) in metres, `abmn` (readings, 4) counted from 0, the same on all ranks;
        with `contacts` no longer points. The solver is the model's from here on.

        Raises ValueError for contacts with wave numbers other than 0, PointOutside for an electrode off the
        mesh, NoContact, BlindReading, and NotUnique for a mesh in several parts, on all ranks.
        """
        if contacts is not None and waves.k.any():
            found = f"found contacts with the wave numbers {', '.join(f'{k:g}' for k in waves.k)}"
            raise ValueError(f"{found}, expected none: across the plane they would go on for ever")
        domain = coefficient.domain
        self.comm = domain.comm
        self.coefficient = coefficient
        self.counts = Counts()
        self.space = fem.functionspace(domain.mesh, ("Lagrange", degree))
        self.state: Function = fem.Function(self.space, name="u")
        self._poles = FourPoles(len(electrodes), abmn)
        self._waves, self._solver = waves, solver
        self._seen = coefficient.parts[-1]
        self._m: Function = fem.Function(self._seen.space, name="m")
        self._owned: int = self.space.dofmap.index_map.size_local
        shunt: Matrix = None
        with timed("assembly"):
            if contacts is None:
                evaluation = point_matrix(domain, self.space, electrodes)
            else:
                evaluation, shunt = contacts.assemble(domain, self.space, electrodes)
            self._sources = _Sources(evaluation)
        self._shunt: Matrix = None

        u, v = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        exactness = self._seen.degree + (0 if self._seen.pointwise else 2 * degree)
        dx = ufl.dx(metadata={"quadrature_degree": exactness})
        sigma = ufl.exp(-self._m)
        with timed("compile"):
            self._stiffness_form = fem.form(sigma * ufl.inner(ufl.grad(u), ufl.grad(v)) * dx)
            self._mass_form = fem.form(sigma * u * v * dx)
        self._products = ElementProducts(self._seen, self._m, self.space, exactness)
        self._stiffness: Matrix = fem_petsc.create_matrix(self._stiffness_form)
        self._operator: Matrix = None
        self._assembled = [(self._stiffness, self._stiffness_form)]
        if waves.k.any():
            self._mass: Matrix = fem_petsc.create_matrix(self._mass_form)
            self._assembled.append((self._mass, self._mass_form))
        # Zero potential in the dof that weighs most at the first electrode makes u unique at k = 0.
        first = self.space.dofmap.index_map.local_range[0]
        ground = np.array([self._sources.first_dof]) - first
        self._ground_dofs = ground[(ground >= 0) & (ground < self._owned)]
        self._ground_global = (self._ground_dofs + first).astype(PETSc.IntType)

        try:
            uniform = self.resistances(self._solved(np.zeros(coefficient.owned)))
            blind = np.flatnonzero(~(np.abs(uniform) > BLIND * np.abs(uniform).max()))
            if len(blind):
                raise BlindReading(int(blind[0]))
        except Exception:
            if shunt is not None:
                shunt.destroy()
            self.close()
            raise
        self.geometric_factors = 1.0 / uniform
        """K of each reading, in m (two dimensions: 1), which the contacts play no part in."""
        if shunt is not None:
            self._carry(shunt)

    def close(self) -> None:
        """Destroy the matrices and the solver, after which only what was found already is of use; collective,
        and nothing where it was done."""
        for matrix in (*(matrix for matrix, _ in self._assembled), self._operator, self._shunt):
            if matrix is not None:
                matrix.destroy()
        self._sources.close()
        self._solver.destroy()

    @property
    def abmn(self) -> np.ndarray:
        """Electrodes of each reading, counted from 0, shape (readings, 4)."""
        return self._poles.abmn

    @property
    def size(self) -> int:
        """Number of state dofs over all ranks."""
        size: int = self.space.dofmap.index_map.size_global
        return size

    def at(self, values: np.ndarray, near: ElectricalLinearisation | None = None) -> ElectricalLinearisation:
        """The forward map at nodal values of m; `near` plays no part, as the equation is linear.

        Raises SolveFailed on all ranks where an operator is singular, a potential is not finite or an
        apparent resistivity is not positive.
        """
        found = ElectricalLinearisation(self, np.array(values, dtype=float), self._solved(values))
        apparent = self.geometric_factors * found.resistances
        if not (np.isfinite(apparent) & (apparent > 0)).all():
            raise SolveFailed("an apparent resistivity is not positive at this coefficient")
        return found

    def function(self, found: ElectricalLinearisation) -> Function:
        """Potential in V of 1 A through the electrodes of the first reading; another one takes its place in
        the same function."""
        a, b = self._poles.abmn[0, :2]
        weighted = zip(self._waves.weights, found.potentials, strict=True)
        self.state.x.array[: self._owned] = sum(w * (u[:, a] - u[:, b]) for w, u in weighted)
        self.state.x.scatter_forward()
        return self.state

    def resistances(self, potentials: Sequence[np.ndarray]) -> np.ndarray:
        """R of each reading in Ω, whole on every rank: Σⱼ wⱼ ûⱼ at the receivers; collective."""
        poles = np.zeros((self._poles.electrodes, self._poles.electrodes))
        for weight, potential in zip(self._waves.weights, potentials, strict=True):
            poles += weight * self._sources.read(potential).T
        return self._poles.of(poles)

    def sensitivities(self, at: ElectricalLinearisation) -> np.ndarray:
        """(∂R/∂m)ᵀ, shape (owned dofs, readings), by element products."""
        with timed("assembly"):
            self._assign(at.values)
            rows = self._products.rows(list(at.potentials), self._waves, self._poles)
            if self._seen is self.coefficient:
                return rows
            unseen = self.coefficient.owned - len(rows)
            return np.asfortranarray(np.concatenate([np.zeros((unseen, rows.shape[1])), rows]))

    def _solved(self, values: np.ndarray) -> list[np.ndarray]:
        """û of a unit current at each electrode, up to a constant, one array a wave number."""
        self.counts.state_solves += 1
        self._assign(values)
        with timed("assembly"):
            for matrix, form in self._assembled:
                matrix.zeroEntries()
                assemble(matrix, form)
            if self._operator is None:
                self._operator = self._stiffness.duplicate(copy=True)
                if self._shunt is not None:
                    self._operator.axpy(1.0, self._shunt, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
                self._operator.setOption(PETSc.Mat.Option.KEEP_NONZERO_PATTERN, True)
        potentials = []
        for k in self._waves.k:
            potentials.append(self._wave(k))
            if not self.comm.allreduce(bool(np.isfinite(potentials[-1]).all()), op=MPI.LAND):
                raise SolveFailed("the potential is not finite at this coefficient")
        return potentials

    def _assign(self, values: np.ndarray) -> None:
        """Make m what integrals over cells see of these values, the last of them."""
        self._seen.assign(self._m, self.coefficient.split(values)[-1])

    def _carry(self, shunt: Matrix) -> None:
        """From here on with the electrodes' own form, for which the next operator has room."""
        self._shunt = shunt
        self._operator.destroy()
        self._operator = None

    def _wave(self, k: float) -> np.ndarray:
        """û of a unit current at each electrode, shape (owned dofs, electrodes)."""
        with timed("assembly"):
            if k > 0:
                self._stiffness.copy(self._operator, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
                self._operator.axpy(k * k, self._mass, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
            else:
                self._operator.zeroEntries()
                self._operator.axpy(1.0, self._stiffness, PETSc.Mat.Structure.SUBSET_NONZERO_PATTERN)
                if self._shunt is not None:
                    self._operator.axpy(1.0, self._shunt, PETSc.Mat.Structure.SUBSET_NONZERO_PATTERN)
                self._operator.zeroRowsColumns(self._ground_global)
        if k == 0 and not self.counts.factorisations:
            domain = self.coefficient.domain
            refuse_open_states(self._operator, self.space, (), domain, self._ground_dofs)
        with timed("solve"):
            with self.counts.factorising():
                self._solver.set_matrix(self._operator)
            right = self._sources.block.copy(order="F")
            if k > 0:
                # The current returns through the whole body. As A(e⁻ᵐ) 1 = k² M 1, that takes a constant
                # from û, which grows as k⁻² and would drown the rest.
                returned = multiply(self._mass, np.ones(self._owned))
                right -= (returned / self.comm.allreduce(float(returned.sum())))[:, None]
            else:
                right[self._ground_dofs] = 0.0
            with self.counts.solving(right.shape[1]):
                return self._solver.solve(right)


class _Sources:
    """Point electrodes: unit currents as right-hand sides, and the potential at each as a reading."""

    def __init__(self, matrix: Matrix) -> None:
        """`matrix`, shape (electrodes, state dofs), evaluates a state at the electrodes."""
        self._matrix = matrix
        self._comm = matrix.comm.tompi4py()
        first, last = matrix.getOwnershipRange()
        unit = np.asfortranarray(np.eye(matrix.getSize()[0])[first:last])
        self.block = multiply_transpose(matrix, unit)
        """Shape (owned dofs, electrodes)."""
        offset = matrix.getOwnershipRangeColumn()[0]
        share = self.block[:, 0]
        best = (float(share.max()), -(offset + int(share.argmax()))) if len(share) else (-np.inf, 0)
        self.first_dof = -max(self._comm.allgather(best))[1]
        """Global index of the dof that weighs most in the first electrode's potential."""

    def close(self) -> None:
        """Destroy the matrix; collective."""
        self._matrix.destroy()

    def read(self, states: np.ndarray) -> np.ndarray:
        """The potential at each electrode, shape (electrodes, columns), whole on every rank."""
        return np.concatenate(self._comm.allgather(multiply(self._matrix, states)), axis=0)
