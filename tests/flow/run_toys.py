"""Problems that are small and known, ways to minimise them, and whole runs of the flow on them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from flow_toys import (
    METHOD,
    Dense,
    FixedR,
    LaggedR,
    LinearNetwork,
    Misfit,
    Readings,
    growing,
    h1_on_interval,
    network_on_interval,
    nodal,
)

from app.flow import (
    STEPS,
    AtTarget,
    FlowState,
    GaussNewtonBuilder,
    GrowthRule,
    IdealStep,
    Method,
    MetricBuilder,
    Minimisation,
    ModelBuilder,
    Representation,
    Selection,
    Step,
    StepState,
    Stopping,
    iterate,
    seeded,
    start,
)
from app.flow.builders import Built
from app.flow.exact import ExactBuilder, ExactMemory, Factors
from app.flow.models import Model
from app.network import Network
from app.parallel import SolveFailed

NODES = 40


@dataclass
class Toy:
    """A one-dimensional problem: smoothed readings of an unknown on [0, 1] with noise of known level."""

    energy: Readings
    R: Dense
    target: float
    reference: np.ndarray


def toy(seed: int = 0, readings: int = 15, nodes: int = 40, sigma: float = 0.03, bend: float = 0.2) -> Toy:
    """Local averages of two bumps, noise of standard deviation `sigma`, target ½ n."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, nodes)
    centres = np.linspace(0.04, 0.96, readings)
    B = np.exp(-0.5 * ((x[None, :] - centres[:, None]) / 0.05) ** 2)
    B /= B.sum(axis=1, keepdims=True)
    truth = np.sin(2 * np.pi * x) + np.exp(-((x - 0.3) ** 2) / 0.01)
    clean = Readings(B, np.zeros(readings), 1.0, bend).residual(truth)
    energy = Readings(B, clean + sigma * rng.standard_normal(readings), sigma, bend)
    return Toy(energy, Dense(h1_on_interval(nodes)), 0.5 * readings, np.zeros(nodes))


@dataclass(frozen=True)
class Way:
    """By which steps a toy is minimised, and from where."""

    step: Step
    start: Representation
    state: StepState = field(default_factory=StepState)


def network_way(
    name: str,
    network: Network,
    theta: np.ndarray,
    growth: GrowthRule | None,
    seed: int = 0,
    method: Method = METHOD,
) -> Way:
    """A step of a network, with a stream of candidates."""
    own = Representation.of(network, theta)
    return Way(STEPS[name](growth, own, method), own, seeded(np.random.default_rng(seed)))


def ideal(problem: Any, method: Method = METHOD) -> Way:
    """Nodal values, from the reference."""
    return Way(IdealStep(method.trials.max_rejections), nodal(problem.reference))


def waves(name: str) -> Callable[[Toy], Way]:
    """A step of a network that is linear in its parameters: six cosines, and twenty more to grow by."""

    def make(problem: Toy) -> Way:
        nodes = len(problem.reference)
        modes = np.cos(np.pi * np.outer(np.linspace(0.0, 1.0, nodes), np.arange(26)))
        network = LinearNetwork(modes[:, :6], modes[:, 6:], problem.reference)
        return network_way(name, network, np.zeros(6), growing(20, (1.0, 1.0)))

    return make


@dataclass(frozen=True, eq=False)
class Exactly:
    """An exact builder in the place of one on the way, for nodal values; its J is a part of the memory."""

    builder: ExactBuilder
    start: tuple[ExactMemory, Factors]

    def first(self) -> tuple[ExactMemory, Factors]:
        return self.start

    def build(
        self, energy: Readings, at: Misfit, departure: np.ndarray, memory: tuple[ExactMemory, Factors]
    ) -> Built:
        built = self.builder.build(at, departure, nodal(at.m), *memory)
        return replace(built, memory=(built.memory, built.factors))

    def learned(
        self, memory: tuple[ExactMemory, Factors], ratio: float, model: Model
    ) -> tuple[ExactMemory, Factors]:
        return self.builder.learned(memory[0], ratio, model), memory[1]

    def closely(self, memory: object, at: Misfit) -> None:
        return None


def minimisation(
    problem: Any,
    way: Way,
    builder: ModelBuilder,
    stopping: Stopping,
    most: int = 200,
    selection: Selection | None = None,
) -> Minimisation:
    """Of a toy with an `energy` and a `reference`; what it has asked for is counted."""
    return Minimisation(
        energy=problem.energy,
        reference=problem.reference,
        start=way.start,
        step=way.step,
        builder=builder,
        stopping=stopping,
        max_iterations=most,
        selection=selection,
        state=way.state,
        meter=problem.energy,
    )


def run(problem: Minimisation, method: Method = METHOD) -> list[FlowState]:
    """The start and every state after it, to the end of the run."""
    first = start(problem, method)
    return [first, *iterate(problem, method, first)]


def tanh_network(name: str, hidden: int = 4, seed: int = 0, max_width: int = 40) -> Callable[[Toy], Way]:
    """A step of a real network from its start at the reference."""

    def make(problem: Toy) -> Way:
        network = network_on_interval(NODES, (hidden,), max_width)
        return network_way(name, network, network.start(np.random.default_rng(seed)), growing(), seed)

    return make


ALL_STEPS = {"ideal": ideal} | {name: waves(name) for name in STEPS}


def given_weight(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(FixedR(problem.R), 0.3, problem.target, creeps)


def by_discrepancy(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(FixedR(problem.R), None, problem.target, creeps)


def lagged_by_discrepancy(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(LaggedR(problem.R), None, problem.target, creeps)


def metric(problem: Toy, creeps: bool) -> ModelBuilder:
    return MetricBuilder(FixedR(problem.R), None, None)


BUILDERS = {
    "given": given_weight,
    "discrepancy": by_discrepancy,
    "lagged": lagged_by_discrepancy,
    "metric": metric,
}
Build = Callable[[Toy, bool], ModelBuilder]
Make = Callable[[Toy], Way]

all_steps = pytest.mark.parametrize("make", ALL_STEPS.values(), ids=ALL_STEPS.keys())
all_builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())


def solved(
    problem: Toy,
    build: Build,
    make: Make,
    *,
    target: float | None = None,
    max_iterations: int = 200,
    method: Method | None = None,
) -> list[FlowState]:
    """All states of the flow with the problem's target unless another is given (inf for none)."""
    way = make(problem)
    aim = problem.target if target is None else target if np.isfinite(target) else None
    stopping = AtTarget(aim, max_iterations)
    whole = minimisation(problem, way, build(problem, way.step.creeps), stopping, max_iterations)
    return run(whole, method or Method())


def failing(mode: str, which: Callable[[int], bool]) -> Callable[[int, np.ndarray], np.ndarray]:
    """Spoils the evaluations `which` of the energy: raises, or returns readings that are not finite."""

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        if not which(evaluation):
            return e
        if mode == "raises":
            raise SolveFailed("the toy's operator is singular")
        return np.concatenate([e[:-1], [float(mode)]])

    return spoil
