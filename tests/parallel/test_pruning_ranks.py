"""The same neurons are removed on all ranks, and the same as on one."""

import numpy as np
import pytest
from mpi4py import MPI

from app.flow.models import MetricModel
from app.flow.pruning import pruned
from app.flow.retraction import start_fit
from app.network import Identity, Network, Nodes
from app.parallel import check_identical, symmetric_gram

NODES = 61


class Weighted:
    """A diagonal inner product over the ranks."""

    def __init__(self, comm: MPI.Comm, weights: np.ndarray) -> None:
        self.comm, self.weights = comm, weights

    def apply(self, block: np.ndarray) -> np.ndarray:
        return (self.weights * block.T).T

    def riesz(self, block: np.ndarray) -> np.ndarray:
        return (block.T / self.weights).T

    def square(self, block: np.ndarray) -> np.ndarray:
        return symmetric_gram(self.comm, block, self.apply)


def pruned_on(comm: MPI.Comm) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Widths, θ and m at all nodes after pruning a network at nodes that the ranks share."""
    x = np.linspace(0.0, 1.0, NODES)[:, None]
    own = np.array_split(np.arange(NODES), comm.size)[comm.rank]
    nodes = Nodes.of(x[own], (np.zeros(1), np.ones(1)), np.zeros(len(own)), Identity())
    network = Network((12,), nodes)
    rng = np.random.default_rng(4)
    theta = network.start(rng) + 0.5 * rng.standard_normal(network.size)
    model = MetricModel(Weighted(comm, 1.0 + x[own, 0]), np.cos(3.0 * x[own, 0]), 0.0, 1.0)
    fit = pruned(start_fit(network, theta, network.values(theta), model), model, 1e-2, 1e-1)
    return fit.network.widths, fit.theta, np.concatenate(comm.allgather(fit.values))


@pytest.mark.distributed
def test_pruning_does_not_depend_on_the_ranks(comm: MPI.Comm) -> None:
    """θ is bit for bit the same on all ranks; widths are those of one rank, m to 1e-8."""
    widths, theta, values = pruned_on(comm)
    check_identical(comm, theta, "the pruned network's parameters")
    alone, _, expected = pruned_on(MPI.COMM_SELF)
    assert widths == alone and 1 <= widths[0] < 12
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
