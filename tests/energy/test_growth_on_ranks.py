"""Growth in every hidden layer, polished, with the nodes spread over the ranks, against one rank alone."""

from functools import cache, partial

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.energy import Regression
from app.flow import STRATEGIES, GainExpansion, GrowthRule, Representation, RetractedStep, seeded
from app.flow.matrix import FlowMatrix
from app.flow.models import MetricModel
from app.flow.steps import Base
from app.mesh import MESHES, CoefficientSpace
from app.network import Identity, Network, Nodes
from app.parallel import LinearSolver, check_identical
from app.prior.inner_products import weighted_product

COMM = MPI.COMM_WORLD

ARCHITECTURES = {"one": ((2,), ()), "blocks": ((2, 3, 2), (0, 2))}
"""Widths, and which layers are residual blocks."""


class Scene:
    """A network in general position beside a wave on the unit square, in H1."""

    def __init__(self, comm: MPI.Comm, architecture: str) -> None:
        space = CoefficientSpace(MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [9, 8]), 1)
        product = weighted_product(
            space, Expression("1"), 1.0, partial(LinearSolver, comm, "direct", f"test_growth_{comm.size}_")
        )
        energy = Regression(product, space.interpolate(Expression("sin(5*x*y) + x")))
        box = (np.zeros(2), np.ones(2))
        nodes = Nodes.of(space.coordinates, box, np.zeros(space.owned), Identity())
        hidden, blocks = ARCHITECTURES[architecture]
        self.comm, self.network = comm, Network(hidden, nodes, features="quadratic", blocks=blocks)
        rng = np.random.default_rng(0)
        self.theta = self.network.start(rng) + 0.3 * rng.standard_normal(self.network.size)
        dual = energy.at(self.network.values(self.theta)).derivative()
        self.model = MetricModel(product, dual, 0.0, 1.0)

    def strategy(self, name: str, polish: int) -> GainExpansion:
        return STRATEGIES[name](candidates=100, scales=(1.0, 60.0), most=4, deep=True, polish=polish)


@cache
def scene(architecture: str, *, alone: bool) -> Scene:
    return Scene(MPI.COMM_SELF if alone else COMM, architecture)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("polish", [0, 4])
def test_proposals_are_those_of_one_rank(name: str, architecture: str, polish: int) -> None:
    """The same places in the same order and the same neurons, and the same bits on all ranks."""
    found = []
    for alone in (False, True):
        at = scene(architecture, alone=alone)
        G = FlowMatrix(at.network.jacobian(at.theta), at.model.inner)
        given = (at.network, at.theta, G, at.model.derivative, np.inf)
        found.append(at.strategy(name, polish).choose(*given, np.random.default_rng(1)))
    assert len(found[0]) == len(found[1]) > 1
    for one, other in zip(*found, strict=True):
        assert [place for place, _ in one.joining] == [place for place, _ in other.joining]
        for (_, rows), (_, same) in zip(one.joining, other.joining, strict=True):
            check_identical(COMM, rows, "the rows of the new neurons")
            np.testing.assert_allclose(rows, same, rtol=0, atol=1e-6 * np.abs(rows).max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_step_grows_as_on_one_rank(architecture: str) -> None:
    """The proposal that inner steps choose has the same widths, its parameters the same bits on all ranks."""
    widths = []
    for alone in (False, True):
        at = scene(architecture, alone=alone)
        own = Representation.of(at.network, at.theta)
        step = RetractedStep(GrowthRule(at.strategy("gain", 2), 1.0, 0.0, 2, 0.0), own)
        base = Base(own, own.values(), seeded(np.random.default_rng(1)))
        proposal = step.propose(base, at.model, 1e-6)
        grown = proposal.representation.network
        assert isinstance(grown, Network)
        check_identical(COMM, proposal.representation.theta, "the parameters")
        widths.append((grown.widths, grown.blocks, len(proposal.growth)))
    assert widths[0] == widths[1]
    assert sum(widths[0][0]) > sum(ARCHITECTURES[architecture][0]) and widths[0][2] == 2
