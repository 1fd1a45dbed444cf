"""Laws of the posterior of interfaces: draws are those of the exact Gaussian, on any number of ranks."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from elliptic import COMM, box_space, gathered
from mpi4py import MPI

from app.mesh import CoefficientSpace
from app.mesh.widths import node_sizes
from app.network import Cells, Given, Identity, Interfaces, LevelSet, Nodes, Phases
from app.parallel import gram
from app.posterior import InterfacePosterior
from app.posterior.interfaces import TEMPER, WITHIN_CELL

CELLS, DEVIATION, NOISE = 16, 0.004, 1.3


@dataclass(frozen=True)
class Layer:
    """A straight interface across a box, left of which m is 1, with one reading of its area."""

    interfaces: Interfaces
    measure: np.ndarray
    images: np.ndarray
    comm: MPI.Comm

    def posterior(self, held: float = 0.3, weight: float = 0.01) -> InterfacePosterior:
        """With 1/`held` the deviation of the level set's parameters before the data."""
        mean = self.interfaces.moved(np.zeros((self.interfaces.size, 1)), np.zeros((1, 1))).m[:, 0]
        return InterfacePosterior.of(
            self.comm,
            mean,
            self.interfaces,
            self.images,
            weight,
            held,
            NOISE,
            lambda: np.random.default_rng(7),
        )


def layer(coordinates: np.ndarray, measure: np.ndarray, comm: MPI.Comm, value: bool = False) -> Layer:
    """At nodes of a unit square or cube; φ = 36 tanh((0.53 − x)/2), with the value inside given or not."""
    dimension, none = coordinates.shape[1], np.zeros(len(coordinates))
    nodes = Nodes.of(coordinates, (np.zeros(dimension), np.ones(dimension)), none, Identity())
    one = LevelSet((1,), nodes, 1.0, 8, "linear")
    h = 1.0 / CELLS
    cells = Cells(measure, np.full(len(measure), h), h, True)
    made = Phases([one], [Given(0.0), Identity() if value else Given(1.0)], cells, sharpness=1.0)
    normal = np.zeros(dimension)
    normal[0] = -0.25  # coordinates are scaled to [−1, 1]
    theta = made.parameters_of([np.array([*normal, 0.015, 36.0, 0.0])], np.array([0.0, 1.0]))
    interfaces = Interfaces(made, theta)
    images = gram(comm, measure[:, None], made.jacobian(theta)) / DEVIATION
    return Layer(interfaces, measure, images, comm)


def on_space(space: CoefficientSpace, value: bool = False) -> Layer:
    """At its nodes."""
    return layer(space.coordinates, node_sizes(space).measure, COMM, value)


def test_the_place_of_a_straight_interface_is_as_sure_as_the_exact_gaussian_says() -> None:
    """One reading of the area behind it, of deviation σ, and a perimeter that lets it turn by little: the
    place has the variance 2σ² of the noise and that of a place in a cell, and so has the area of draws."""
    found = on_space(box_space(2, CELLS, 1))
    areas = COMM.allreduce(found.measure @ found.posterior(held=0.1, weight=1e4).sample(2000))
    exact = np.sqrt(TEMPER * NOISE * DEVIATION**2 + (WITHIN_CELL / CELLS) ** 2)
    assert areas.std() == pytest.approx(exact, rel=0.05)
    assert areas.mean() == pytest.approx(0.53, abs=0.003)


def test_a_value_beside_the_area_is_no_surer_than_what_is_read() -> None:
    """Of value · area alone neither is known, but for the prior; their product is."""
    found = on_space(box_space(2, CELLS, 1), value=True)
    posterior = found.posterior()
    assert posterior.values[1].std() > 10 * DEVIATION
    images = found.images * found.interfaces.scales
    first_order = images @ np.linalg.solve(posterior.root.T @ posterior.root, images.T)
    assert first_order[0, 0] <= 1.0 + 1e-9


@pytest.mark.parametrize(("dimension", "degree"), [(1, 1), (2, 0), (2, 2), (3, 1)])
def test_draws_do_not_depend_on_the_ranks(dimension: int, degree: int) -> None:
    """Nor does anything else: they are those of all nodes on one rank."""
    space = box_space(dimension, 4, degree)
    own = on_space(space).posterior()
    whole = layer(gathered(space.coordinates), gathered(node_sizes(space).measure), MPI.COMM_SELF)
    alone = whole.posterior()
    np.testing.assert_allclose(gathered(own.sample(5)), alone.sample(5), rtol=0, atol=1e-7)
    np.testing.assert_allclose(own.sizes, alone.sizes, atol=1e-7)
    for name, values in own.fields.items():
        np.testing.assert_allclose(gathered(values), alone.fields[name], atol=1e-6, err_msg=name)
    rows = own.mean[:, None] ** [1, 2]
    covariance = own.functional_covariances(rows)[1]
    np.testing.assert_allclose(covariance, COMM.allreduce(rows.T @ own.covariance_product(rows)), rtol=1e-9)


def test_what_is_told_is_that_of_the_draws() -> None:
    """Quantiles, deviations and probabilities; more draws of one stream begin with the same ones."""
    posterior = on_space(box_space(2, CELLS, 1)).posterior()
    draws, (probability,) = posterior.draws.m, posterior.probabilities.T
    np.testing.assert_allclose(posterior.std, draws.std(axis=1))
    assert (posterior.quantile(0.05) <= posterior.quantile(0.95)).all()
    assert (posterior.std <= posterior.std_prior + 1e-12).all() and (posterior.std_prior == 0.5).all()
    assert ((posterior.resolved >= 0) & (posterior.resolved <= 1)).all()
    assert (posterior.resolved[(probability == 0) | (probability == 1)] > 0.5).all()
    assert set(posterior.fields) == {"std", "std_prior", "resolved", "probability_1"}
    np.testing.assert_allclose(posterior.sample(8)[:, :3], posterior.sample(3), rtol=0, atol=1e-12)
    before, after = posterior.functional_covariances(posterior.mean[:, None])
    assert np.isnan(before).all() and after[0, 0] > 0


def test_a_curvature_without_value_is_no_posterior() -> None:
    """On all ranks."""
    found = on_space(box_space(2, 4, 1))
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        replace(found, images=np.nan * found.images).posterior()
