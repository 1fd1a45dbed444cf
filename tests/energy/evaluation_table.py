"""Every energy on every kind of forward map, with two places to look at it and one where it has no value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from elliptic import COMM, Formula, constant
from equation_table import CONDITIONS, coefficient_for, make_equation
from observation_table import Taken, made

from app.case import Expression, SpaceTimeExpression
from app.electrical import IN_THE_MESH, Contacts, ElectricalModel, WaveNumbers
from app.energy import FUNCTIONALS, InverseProblem, ParametricProduct, Regression, Ritz, VariationalEnergy
from app.equations import TRANSIENT
from app.mesh import MESHES, CoefficientSpace, CoefficientSpaces, Known, joint_space, point_matrix
from app.observe import joined
from app.parallel import LinearSolver
from app.pde import (
    EQUATIONS,
    BoundaryCondition,
    Experiments,
    ForwardModel,
    TimeSteps,
    TransientModel,
)
from app.prior.inner_products import INNER_PRODUCTS

SIDES = np.array([[0.5, 0.0], [1.0, 0.5], [0.5, 1.0], [0.0, 0.5]])
"""Electrodes on a square."""


@dataclass(frozen=True)
class Setting:
    """An energy and where to look at it."""

    energy: Any
    here: np.ndarray
    there: np.ndarray
    nowhere: np.ndarray | None
    """Where it has no value; None if there is no such place."""
    linear: bool = True
    """Whether nothing is sought by iteration, so that on one rank all is the same to the last bit."""


@cache
def space() -> CoefficientSpace:
    return CoefficientSpace(MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [6, 5]), 1)


def nodal(parts: CoefficientSpace | CoefficientSpaces, text: str) -> np.ndarray:
    return np.concatenate([part.interpolate(Expression(text)) for part in parts.parts])


def inverse(forward: Any, role: str | None = None, *, linear: bool = True, **misfit: Any) -> Setting:
    """Data of a third coefficient, with noise of no two deviations alike."""
    at = [
        coefficient_for(role, nodal(forward.coefficient, text))
        for text in ("0.6*sin(3*x) - 0.4*y", "0.3*cos(2*y) + 0.2*x", "0.1 + 0.2*x*y")
    ]
    data = forward.at(at[2]).readings
    sigma = 0.1 * np.linspace(0.5, 2.0, len(data)) * np.abs(data).max()
    filled = {key: np.full(len(data), value) for key, value in misfit.items()}
    return Setting(
        InverseProblem(forward, data, sigma, **filled), *at[:2], np.full_like(at[0], np.nan), linear
    )


def stationary(kind: str, role: str | tuple[str, ...], parts: Any, prefix: str = "") -> ForwardModel:
    """Read at points, and of a scalar state its fluxes, which know the coefficient directly."""
    physics = make_equation(kind, CONDITIONS, 2, role=role, plain=False)
    solver = LinearSolver(COMM, "direct", f"test_state_{prefix}", symmetric=physics.symmetric)
    forward = ForwardModel(physics, parts, 2, solver)
    if forward.components:
        told = [made("points", forward, component=name) for name in forward.components]
    else:
        told = [made("points", forward), made("fluxes", forward, Taken(names=("left",)))]
    whole = joined(told)
    forward.observe_with(whole.matrix, whole.weights)
    return forward


def one_unknown(kind: str, **misfit: Any) -> Setting:
    """The first role of an equation."""
    role = next(iter(EQUATIONS[kind].roles))
    return inverse(stationary(kind, role, space()), role, linear=EQUATIONS[kind].linear, **misfit)


def two_unknowns() -> Setting:
    parts = joint_space([space(), CoefficientSpace(space().domain, 2)])
    forward = stationary("reaction_diffusion", ("log_diffusivity", "log_reaction"), parts)
    return inverse(forward)


def transient(scheme: str, memory: float) -> Setting:
    """With room for so many of seven states."""
    boundary = {
        "wall": BoundaryCondition(("left",), "dirichlet", SpaceTimeExpression("0.2*y + t")),
        "loss": BoundaryCondition(("right",), "robin", SpaceTimeExpression("cos(t)"), Expression("2 + y")),
    }
    equation = TRANSIENT["heat"](
        source=SpaceTimeExpression("1 + t*x"), boundary=boundary, initial=Expression("x*(1 - y)")
    )
    solver = LinearSolver(COMM, "direct", "test_state_", symmetric=equation.symmetric)
    times = TimeSteps(0.5, 6, scheme, memory)
    forward = TransientModel(equation, space(), 1, solver, times)
    points = np.random.default_rng(0).uniform(0.05, 0.95, (5, 2))
    forward.observe_at(point_matrix(space().domain, forward.space, points), np.linspace(0.0, 0.5, 5))
    assert (forward.stride > 1) == (memory < 1.0)
    return inverse(forward)


def little_memory() -> float:
    """MB for five of seven states."""
    nodes = space().space.dofmap.index_map.size_local
    return 5.2 * 8 * max(COMM.allgather(nodes)) / 1e6


def experiments(*kinds: str) -> Setting:
    """Of one log-diffusivity; those of one kind share a factorisation."""
    models = {
        f"{kind} {i}": stationary(kind, "log_diffusivity", space(), f"{i}_") for i, kind in enumerate(kinds)
    }
    for model in models.values():
        assert model.coefficient is space()
    together = Experiments(models)
    together.coefficient = space()  # type: ignore[attr-defined]
    return inverse(together, linear=all(EQUATIONS[kind].linear for kind in kinds))


def electrical(waves: WaveNumbers, contacts: Contacts | None) -> Setting:
    abmn = np.array([[0, 1, 2, 3], [0, 3, 1, 2], [1, 2, 3, 0]])
    parts = CoefficientSpace(MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [8, 8]), 1)
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    return inverse(ElectricalModel(parts, SIDES, abmn, waves, 1, solver, contacts))


def functions(energy: Any, parts: CoefficientSpace, *, copies: int = 1, fails: bool) -> Setting:
    at = [np.tile(nodal(parts, text), copies) for text in ("0.6*sin(3*x) - 0.4*y", "0.3*cos(2*y) + 0.2*x")]
    return Setting(energy, *at, np.full_like(at[0], 1e200) if fails else None)


def regression(samples: int) -> Setting:
    """Of one function, or of a family of so many."""
    K: Any = INNER_PRODUCTS["h1"](space(), 0.5, lambda: LinearSolver(COMM, "direct", "test_riesz_"))
    if samples > 1:
        K = ParametricProduct(K, np.linspace(0.2, 0.4, samples))
    wanted = np.tile(nodal(space(), "sin(3*x) + y**2"), samples)
    return functions(Regression(K, wanted), space(), copies=samples, fails=False)


def variational(name: str) -> Setting:
    more: dict[str, dict[str, Any]] = {
        "reaction_diffusion": {"reaction": constant(0.7)},
        "semilinear": {"reaction": constant(0.7), "cubic": constant(2.0)},
        "p_laplacian": {"exponent": 3.0, "epsilon": 0.1},
    }
    given = Formula(lambda x, library: 0.3 + 0.5 * x[1])
    parts = CoefficientSpace(space().domain, 1, boundary=[Known(("left",), given)])
    functional = FUNCTIONALS[name](diffusivity=constant(1.3), source=constant(3.0), **more[name])
    conditions = [BoundaryCondition(("left",), "dirichlet", given)]
    energy = VariationalEnergy(
        functional, conditions, parts, lambda: LinearSolver(COMM, "direct", "test_ritz_")
    )
    return functions(Ritz(energy), parts, fails=True)


FEW = WaveNumbers(np.array([0.5, 3.0]), np.array([1.0, 2.0]))

SETTINGS: Mapping[str, Callable[[], Setting]] = {
    **{kind: lambda kind=kind: one_unknown(kind) for kind in EQUATIONS},
    "huber": lambda: one_unknown("diffusion", threshold=1.0),
    "two unknowns": two_unknowns,
    "backward Euler": lambda: transient("backward_euler", 2000.0),
    "Crank and Nicolson": lambda: transient("crank_nicolson", 2000.0),
    "states computed again": lambda: transient("crank_nicolson", little_memory()),
    "experiments that share": lambda: experiments("diffusion", "diffusion"),
    "experiments": lambda: experiments("diffusion", "nonlinear_diffusion"),
    "points": lambda: electrical(IN_THE_MESH, None),
    "points, wave numbers": lambda: electrical(FEW, None),
    "contacts": lambda: electrical(IN_THE_MESH, Contacts(0.26, 0.3)),
    "regression": lambda: regression(1),
    "family": lambda: regression(3),
    **{f"ritz, {name}": lambda name=name: variational(name) for name in FUNCTIONALS},
}
