"""Coefficients of few values on a mesh of an inverse problem: where their level sets start, and how the mesh
looks to them."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from app import flow
from app.case import PhasesRepresentation
from app.flow.protocols import InnerProduct
from app.mesh.widths import node_sizes
from app.network import Bounded, Given, Identity, Nodes, Transform, one_thread
from app.problem.factories import stream
from app.problem.inversion import Inversion
from app.problem.matching import matched, step_target
from app.problem.models import candidate_with
from app.problem.sharp import SharpEnergy
from app.types import Described, Untyped

if TYPE_CHECKING:
    from app.network import Cells, Phases

TAILS = (0.02, 0.98)
"""Quantiles of a coefficient, by measure, that stand for the values of its phases."""

MOST = 64
"""Neurons of a level set at the start at most; and all have no more parameters than there are readings."""

SMOOTH, ROUGH = 40, 0.02
"""Neurons at most of what varies smoothly beside phases, and the share of its start that may be outside of
their span."""

SMOOTH_SHARE = 0.1
"""Length of R of what varies smoothly beside phases, in diagonals of the mesh's bounding box: a shorter one,
as a selection with the jumps in it prefers, leaves more to what is to be smooth (study of 2026)."""

UNIFORM = 1e-9
"""Share of their width by which cells of one width differ at most: rounding."""

NUMBERS = (1, 2, 3)
"""Phases that are considered beside the one around them."""


class InversionPhases:
    """Phases of the unknown of an inverse problem at the nodes of its mesh, see app.flow.phases.PhasesOf."""

    def __init__(self, given: Inversion, method: flow.Method, *, finest: bool) -> None:
        """Of a problem with one unknown that is represented by a network; on the `finest` mesh the equation
        sees phases at more points than the nodes."""
        self._finest = finest
        self._products: dict[float, InnerProduct] = {}
        self._given, self._method = given, method.phases
        (name,) = given.spaces
        self._space, self._chosen = given.spaces[name], given.case.regularisation[name]
        self._spec: Untyped = given.case.unknowns[name].representation

    @property
    def comm(self) -> MPI.Comm:
        """See PhasesOf."""
        return self._given.domain.comm

    @property
    def asked(self) -> bool:
        """See PhasesOf."""
        return isinstance(self._spec, PhasesRepresentation)

    @property
    def numbers(self) -> Sequence[int]:
        """See PhasesOf."""
        return (self._spec.number,) if self.asked and self._spec.number != "auto" else NUMBERS

    @property
    def smooth(self) -> Sequence[bool]:
        """See PhasesOf."""
        return (self._spec.smooth,) if self.asked else (False, True)

    @property
    def refined(self) -> bool:
        """See PhasesOf."""
        return self._finest

    @property
    def weight(self) -> float | None:
        """See PhasesOf."""
        given = self._chosen.kind == "perimeter" and not isinstance(self._chosen.weight, str)
        return float(self._chosen.weight) if given else None

    def rng(self) -> np.random.Generator:
        """See PhasesOf."""
        return stream(self._given.case, "phases")

    def start(self, m: np.ndarray, number: int, rng: np.random.Generator) -> flow.Representation:
        """See PhasesOf: level sets of what is beyond half of the way from the median to a tail of m."""
        from app.network import LevelSet, Phases

        one_thread()
        transforms, levels = self._transforms(number), self._levels(m, number)
        neurons = self._spec.neurons if self.asked else self._method.neurons
        plain = LevelSet((1,), self._nodes, self._length, self._spec.max_width, self._spec.features)
        each = number * (plain.inputs + 2)  # parameters of a neuron of every level set
        most = min(MOST, len(self._given.data.values) // each)
        sets, parameters = [], []
        for level in levels[1:]:
            one, theta = matched(self.comm, plain, step_target(m, levels[0], level), neurons, most, rng)
            sets.append(one)
            parameters.append(theta)
        unit = float(np.abs(levels[1:] - levels[0]).max())
        made: Untyped = Phases(sets, transforms, self._cells, unit=unit)
        return flow.Representation.of(made, made.parameters_of(parameters, levels))

    def smoothed(
        self, own: flow.Representation, s: np.ndarray, rng: np.random.Generator
    ) -> flow.Representation:
        """See PhasesOf."""
        from app.network import Network, SmoothPhases

        network: Untyped = own.network
        plain = Network((1,), self._nodes, features=self._spec.features)
        smooth, theta = matched(self.comm, plain, s, self._method.neurons, SMOOTH, rng, ROUGH)
        made: Untyped = SmoothPhases(network, smooth)
        return flow.Representation.of(made, np.concatenate([own.theta, theta]))

    @property
    def smooth_length(self) -> float:
        """See PhasesOf."""
        return SMOOTH_SHARE * self._given.domain.diagonal

    def smooth_product(self, length: float) -> InnerProduct:
        """See PhasesOf."""
        if length not in self._products:
            R = candidate_with(self._given, flow.SMOOTH, length, {}).regularisation.at(self._given.reference)
            self._given.owned.callback(R.close)
            self._products[length] = R
        return self._products[length]

    def here(self, own: flow.Representation) -> flow.Representation:
        """See PhasesOf; on the finest mesh with interfaces as sharp as points between the nodes can show."""
        network: Untyped = own.network
        moved = network.at(self._nodes, self._cells)
        if self._finest:
            moved = moved.sharpened(self._method.sharpest)
        return flow.Representation.of(moved, own.theta)

    def seen(self, network: Untyped) -> Untyped:
        """See PhasesOf."""
        return self._sharp.seen(network) if self._finest else network

    def at(self, own: flow.Representation, near: Untyped = None) -> Untyped:
        """See PhasesOf."""
        return self._sharp.at(own, near) if self._finest else self._given.energy.at(own.values(), near)

    @cached_property
    def _sharp(self) -> SharpEnergy:
        return SharpEnergy(self._given, self._length, self._cells)

    def of(self, described: Described) -> "Phases":
        """Phases as they were told, at these nodes."""
        from app.network import phases_of

        one_thread()
        return phases_of(described, self._nodes).at(self._nodes, self._cells)

    @cached_property
    def _nodes(self) -> Nodes:
        """All but a reference, which phases do not depart from."""
        none = np.zeros(self._space.owned)
        return Nodes.of(self._space.coordinates, self._given.domain.bounding_box(), none, Identity())

    @cached_property
    def _length(self) -> float:
        """The unit of length: the edge of a square or cube with the diagonal of the mesh's bounding box."""
        return float(self._given.domain.diagonal / np.sqrt(self._given.domain.dimension))

    @cached_property
    def _cells(self) -> "Cells":
        """The mesh about its nodes, in the unit of length."""
        from app.network import Cells

        sizes, unit, comm = node_sizes(self._space), self._length, self.comm
        typical = comm.allreduce(float(sizes.measure @ sizes.width)) / sizes.whole
        apart = comm.allreduce(float(np.abs(sizes.width / typical - 1.0).max(initial=0.0)), op=MPI.MAX)
        share, width = sizes.measure / unit**self._given.domain.dimension, sizes.width / unit
        if uniform := apart < UNIFORM:
            width = np.full(len(width), typical / unit)
        return Cells(share, width, typical / unit, uniform)

    def _transforms(self, number: int) -> list[Transform]:
        """Of the values: as the case says, else within the bounds of the network's output, if it has some."""
        given = self._spec.values if self.asked else None
        if given is None:
            bounds = self._spec.transform
            one: Transform = Bounded(bounds.low, bounds.high) if bounds.kind == "bounded" else Identity()
            return [one] * (number + 1)
        return [
            Identity() if value == "free" else Bounded(*value) if isinstance(value, tuple) else Given(value)
            for value in given
        ]

    def _levels(self, m: np.ndarray, number: int) -> np.ndarray:
        """Values to start with: the median, then the tails, the farther one first; of a third phase the
        middle between the median and the farther one. What is given is as given."""
        low, middle, high = self._quantiles(m, (TAILS[0], 0.5, TAILS[1]))
        tails = sorted((low, high), key=lambda value: -abs(value - middle))
        found = np.array([middle, *tails, 0.5 * (middle + tails[0])])[: number + 1]
        for i, transform in enumerate(self._transforms(number)):
            if isinstance(transform, Given):
                found[i] = transform.known
        for i in range(1, len(found)):  # a step of nothing is no start
            if found[i] == found[0]:
                found[i] = found[0] + 1.0
        return found

    def _quantiles(self, m: np.ndarray, shares: Sequence[float]) -> list[float]:
        """Of m by measure, the same on all ranks; collective."""
        values = np.concatenate(self.comm.allgather(m))
        measures = np.concatenate(self.comm.allgather(self._cells.measure))
        order = np.argsort(values, kind="stable")
        below = np.cumsum(measures[order])
        return [float(values[order][np.searchsorted(below, share * below[-1])]) for share in shares]
