"""Model reduction: from a case to its states, energy and start, and what is said of the result."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import CaseError, ExpressionError, ReductionCase, check_dimension
from app.energy import (
    OrthogonalDecomposition,
    ParametricProduct,
    Regression,
    SampleFailed,
    gauss_legendre,
    snapshots,
)
from app.mesh import CoefficientSpace, TaggedMesh, joint_space
from app.network import Nodes, Transform
from app.parallel import Clock, agreed
from app.pde import Counts, ForwardModel
from app.posterior import Posterior
from app.prior.gram import GramMatrix
from app.prior.inner_products import INNER_PRODUCTS
from app.problem import physics
from app.problem.base import WorkMeter
from app.problem.convex import Approximation, ConvexReport, nodes_of
from app.problem.factories import mesh_of, stream, transform_of
from app.problem.forward_models import forward_of
from app.problem.quantities import look_of, named
from app.problem.solvers import Solvers
from app.types import Summary, Untyped

SHOWN = 3
"""Unseen values of the parameters whose states are drawn and written."""


@dataclass(frozen=True)
class Physics:
    """What the equation's own room asks of a case, the coefficients being its unknowns."""

    case: ReductionCase

    @property
    def equation(self) -> Untyped:
        """The section of the case."""
        return self.case.equation

    @property
    def unknowns(self) -> Summary:
        """Roles and parts of the boundary by name."""
        return dict(self.case.energy.coefficients)

    def where(self, *path: str | int) -> str:
        """See BaseCase."""
        own = ("energy", "coefficients") if path[0] == "unknowns" else path[:1]
        return self.case.where(*own, *path[1:])


@dataclass(frozen=True)
class Family:
    """The states of a case at values of its parameters."""

    case: ReductionCase
    space: CoefficientSpace
    """Of the states as the network knows them."""
    parts: dict[str, CoefficientSpace]
    """Of each coefficient."""
    forward: ForwardModel

    @property
    def names(self) -> list[str]:
        """Of the parameters."""
        return list(self.case.energy.parameters)

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """Of the parameters."""
        return [(one.low, one.high) for one in self.case.energy.parameters.values()]

    def states(self, samples: np.ndarray) -> np.ndarray:
        """At samples, shape (S, parameters), alike on all ranks: owned nodal values, shape (owned, S).

        Raises CaseError on all ranks where there is none.
        """
        coefficients = [self._coefficients(sample) for sample in samples]
        try:
            return snapshots(self.forward, self.space, coefficients)
        except SampleFailed as failure:
            where, at = self.case.where("equation"), self.label(samples[failure.index])
            raise CaseError([f"{where}: found no solution at {at}: {failure}"]) from None

    @property
    def transform(self) -> Transform:
        """Of the network's output."""
        return transform_of(self.case.approximant[1].representation)

    def points(self, samples: np.ndarray) -> np.ndarray:
        """Coordinates and parameters, of one sample's nodes after the other's, shape (owned · S, inputs)."""
        count, owned = len(samples), self.space.owned
        return np.hstack([np.tile(self.space.coordinates, (count, 1)), np.repeat(samples, owned, axis=0)])

    def nodes(self, samples: np.ndarray, transform: Transform) -> Nodes:
        """Coordinates and parameters, of one sample's nodes after the other's, scaled.

        Raises CaseError where the transform does not reach zero, from which the network starts.
        """
        points = self.points(samples)
        lower, upper = self.space.domain.bounding_box()
        low, high = np.transpose(self.intervals)
        box = np.append(lower, low), np.append(upper, high)
        with agreed(self.space.comm):
            try:
                return Nodes.of(points, box, np.zeros(len(points)), transform)
            except ValueError as error:
                name, _ = self.case.approximant
                where = self.case.where("unknowns", name, "representation", "transform")
                raise CaseError([f"{where}: {error}"]) from None

    def values(self, sample: np.ndarray) -> dict[str, float]:
        """The parameters by their names."""
        return dict(zip(self.names, sample.tolist(), strict=True))

    def label(self, sample: np.ndarray) -> str:
        """The parameters with their values."""
        return ", ".join(f"{name} = {value:.3g}" for name, value in self.values(sample).items())

    def _coefficients(self, sample: np.ndarray) -> np.ndarray:
        """Owned nodal values of all coefficients."""
        values, own = self.values(sample), []
        with agreed(self.space.comm):
            for name, part in self.parts.items():
                own.append(self.case.energy.coefficients[name].value.at(part.coordinates, values))
                if not np.isfinite(own[-1]).all():
                    where = self.case.where("energy", "coefficients", name, "value")
                    raise CaseError([f"{where}: found values that are not finite at {self.label(sample)}"])
        return np.concatenate(own)


class ReductionReport(ConvexReport):
    """What is told of a network and of proper orthogonal decompositions at parameters that neither has
    seen."""

    def __init__(
        self,
        solvers: Solvers,
        family: Family,
        wanted: np.ndarray,
        products: dict[str, ParametricProduct],
        samples: np.ndarray,
        decomposition: OrthogonalDecomposition,
        inner: dict[str, GramMatrix],
    ) -> None:
        """`wanted` are the states to learn, and `products` and `inner` the inner products of all of them and
        of one, by norm; `samples` are the unseen parameters."""
        space = family.space
        super().__init__(solvers, family.case, space.comm.allreduce(len(wanted)))
        self._family, self._samples, self._pod, self._products = family, samples, decomposition, inner
        self._wanted, self._over_all = wanted, products
        self._truth = family.states(samples)

    def error(self, at: flow.Evaluation) -> float:
        """See Report."""
        l2 = self._over_all["l2"]
        return l2.norm(at.m - self._wanted) / l2.norm(self._wanted)

    def told(self, state: flow.FlowState) -> Summary:
        """The distance as it is, and the entry `reduction`."""
        assert state.evaluation is not None
        own = self._over_all[self._family.case.energy.norm]
        distance = own.norm(state.evaluation.m - self._wanted) / own.norm(self._wanted)
        told = self._judged(state.representation)
        return {"distance": distance, "state_dofs": self._family.forward.size, "reduction": told}

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report; the states as a function of place and parameters."""
        family, (networks, thetas) = self._family, state.representation.split()
        name, _ = family.case.approximant
        names = tuple(family.names)
        part = output.Part(name, "state", "", family.space, None, networks[0], thetas[0], None, True, names)
        return output.Coefficient(family.case.name, (part,))

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report; of some states."""
        space, told = self._family.space, self._judged(state.representation)
        counts = self._counts
        middle = counts[len(counts) // 2]
        best = self._pod.projected(self._truth, middle, self._products["l2"])
        fields, shown, found = {}, [], self._states(state.representation)
        for number, i in enumerate(self._shown, 1):
            truth, network = self._truth[:, i], found[:, i]
            own = {"truth": truth, "network": network, "error": network - truth}
            for name, values in own.items():
                fields[f"{name}_{number}"] = space.everywhere(values, f"{name}_{number}")
            shown.append(output.Shown(self._family.label(self._samples[i]), truth, network, best[:, i]))
        path = folder / "fields.pvd"
        lost.attempt(path, lambda: output.write_fields(path, space.space, fields))
        unseen = {int(count): one["unseen_error"] for count, one in told["pod"].items()}
        decay = output.Decay(
            self._pod.singular_values, unseen, told["unseen_error"], told["stored_numbers"], middle
        )
        picture = folder / "reduction.png"
        quantity, look = named(*self._family.case.approximant), look_of(self._family.case)
        lost.draw(picture, lambda: output.draw_reduction(picture, space.space, shown, decay, quantity, look))

    def _judged(self, own: flow.Representation) -> Summary:
        """The entry `reduction` of the summary."""
        found = self._states(own)
        told: Summary = {
            "unseen": len(self._samples),
            **self._errors({norm: found for norm in self._products}),
            "stored_numbers": own.size,
            "pod": {},
            "singular_values": self._pod.singular_values.tolist(),
            "shown": [self._family.values(self._samples[i]) for i in self._shown],
        }
        for count in self._counts:
            best = {norm: self._pod.projected(self._truth, count, K) for norm, K in self._products.items()}
            stored = count * self._family.space.size
            told["pod"][str(count)] = {**self._errors(best), "stored_numbers": stored}
        return told

    def _states(self, own: flow.Representation) -> np.ndarray:
        """The network's at the unseen parameters, shape (owned, samples)."""
        network: Untyped = own.network
        nodes = self._family.nodes(self._samples, self._family.transform)
        values: np.ndarray = network.at(nodes).values(own.theta).reshape(self._truth.shape, order="F")
        return values

    @property
    def _counts(self) -> list[int]:
        """Numbers of modes, as far as there are so many."""
        most = len(self._pod.singular_values)
        return sorted({min(count, most) for count in self._family.case.energy.modes})

    @property
    def _shown(self) -> list[int]:
        """Samples spread over the first parameter."""
        order = np.argsort(self._samples[:, 0], kind="stable")
        places = np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)
        chosen: list[int] = order[places].tolist()
        return chosen

    def _errors(self, found: dict[str, np.ndarray]) -> dict[str, float]:
        """Relative, of all samples together; `found` by the norm in which its error is taken."""
        even = np.ones(len(self._samples))
        errors = {}
        for norm, K in self._products.items():
            product = ParametricProduct(K, even)
            difference = product.norm((found[norm] - self._truth).ravel(order="F"))
            errors[norm] = difference / product.norm(self._truth.ravel(order="F"))
        return {"unseen_error": errors["l2"], "unseen_error_h1": errors["h1"]}


@dataclass(frozen=True)
class _Counted:
    """What the states to learn have cost."""

    counts: Counts


def read_reduction(comm: MPI.Comm, case: ReductionCase, clock: Clock) -> Approximation:
    """Read the mesh, solve for the states to learn from and those to judge by, before anything is written.

    Raises InputError on all ranks alike.
    """
    domain = mesh_of(comm, case)
    with agreed(comm):
        check_dimension(case, domain.dimension)
    solvers = Solvers(comm)
    family = _family(case, domain, solvers)
    energy, space = case.energy, family.space
    training, weights = gauss_legendre(family.intervals, [one.points for one in energy.parameters.values()])
    states = family.states(training)
    counted = _Counted(replace(family.forward.counts))  # without those that judge
    owned = ExitStack()
    owned.callback(family.forward.close)
    products = {
        norm: owned.enter_context(
            INNER_PRODUCTS[norm](
                space,
                energy.length,
                solvers.factory(energy.solver, f"riesz_{norm}", space),
            )
        )
        for norm in ("l2", "h1")
    }
    over_all = {norm: ParametricProduct(K, weights) for norm, K in products.items()}
    own, wanted = over_all[energy.norm], states.ravel(order="F")
    norm = own.norm(wanted)
    if not 0 < norm < np.inf:
        found = f"found states of norm {norm:g}, expected a finite one above 0"
        raise CaseError([f"{case.where('equation')}: {found}"])
    plain = None if case.flow.inner_product == "energy" else over_all[case.flow.inner_product]
    nodes = nodes_of(case, lambda transform: family.nodes(training, transform))
    decomposition = OrthogonalDecomposition(states, products[energy.norm], weights)
    unseen = _unseen(case, family.intervals)
    report = ReductionReport(solvers, family, wanted, over_all, unseen, decomposition, products)
    meter = WorkMeter(clock, [counted], [solvers.riesz])
    start, points = np.zeros_like(wanted), family.points(training)
    return Approximation(
        comm, case, Regression(own, wanted), nodes, points, start, plain, report, meter, owned
    )


def _family(case: ReductionCase, domain: TaggedMesh, solvers: Solvers) -> Family:
    """Raises CaseError on all ranks alike."""
    parts = {name: CoefficientSpace(domain, one.degree) for name, one in case.energy.coefficients.items()}
    view: Untyped = Physics(case)
    try:
        forward = forward_of(view, domain, joint_space(list(parts.values())), solvers, 1)
        physics.feed(view, forward)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    space = CoefficientSpace(domain, case.approximant[1].degree)
    return Family(case, space, parts, forward)


def _unseen(case: ReductionCase, intervals: Sequence[tuple[float, float]]) -> np.ndarray:
    """Values of the parameters to judge by, shape (unseen, parameters), uniform and alike on all ranks."""
    low, high = np.transpose(intervals)
    return stream(case, "unseen").uniform(low, high, (case.energy.unseen, len(intervals)))
