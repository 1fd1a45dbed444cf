"""What is known at a coefficient stays true, whatever is evaluated meanwhile: laws of every energy and every
forward map, on any number of ranks."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from elliptic import COMM, gathered, variants
from evaluation_table import SETTINGS, Setting

from app.parallel import LinearSolver, SolveFailed
from app.pde import TransientModel

TRIED = variants(
    list(SETTINGS),
    in_parallel=[
        "diffusion",
        "nonlinear_diffusion",
        "two unknowns",
        "states computed again",
        "experiments that share",
        "points, wave numbers",
        "contacts",
        "ritz, semilinear",
    ],
)
"""On several ranks one of a kind."""


@pytest.fixture(params=TRIED)
def setting(request: pytest.FixtureRequest) -> Setting:
    return made_once(request.param)


@cache
def made_once(name: str) -> Setting:
    return SETTINGS[name]()


def block(setting: Setting) -> np.ndarray:
    """This rank's rows of three random vectors, alike on any number of ranks up to their order."""
    return np.asfortranarray(np.random.default_rng(COMM.rank).standard_normal((len(setting.here), 3)))


def figures(at: Any, delta: np.ndarray) -> dict[str, np.ndarray]:
    """All that an evaluation answers, coefficients gathered from all ranks."""
    found = {"m": gathered(at.m), "value": np.array(at.value), "derivative": gathered(at.derivative())}
    if hasattr(at, "jvp"):
        y = np.random.default_rng(1).standard_normal((len(at.residual), 2))
        found |= {"residual": at.residual, "jvp": at.jvp(delta[:, 0]), "jvp of a block": at.jvp(delta)}
        found |= {"vjp": gathered(at.vjp(y[:, 0])), "vjp of a block": gathered(at.vjp(y))}
    if hasattr(at, "hessian"):
        K = at.hessian()
        found |= {"K": gathered(K.apply(delta)), "K⁻¹": gathered(K.riesz(delta)), "square": K.square(delta)}
        found["residual"] = gathered(at.residual)
    return found


def assert_same(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], setting: Setting, rounding: float = 1e-10
) -> None:
    """To the last bit where that is due, else relative to the largest entry."""
    for name, value in expected.items():
        if setting.linear and COMM.size == 1:
            np.testing.assert_array_equal(found[name], value, err_msg=name)
        else:
            scale = np.abs(value).max(initial=0.0)
            np.testing.assert_allclose(found[name], value, rtol=0, atol=rounding * scale, err_msg=name)


def leave(setting: Setting) -> None:
    """Evaluate where there is nothing, on all ranks."""
    if setting.nowhere is not None:
        with pytest.raises(SolveFailed):
            setting.energy.at(setting.nowhere)


@pytest.mark.serial
def test_an_evaluation_stays_true(setting: Setting) -> None:
    """Value, residual, derivative and products of A are those of a fresh evaluation, after another one was
    made and asked, and after one that failed; so are those of the other one then."""
    delta, energy = block(setting), setting.energy
    one, other = energy.at(setting.here), energy.at(setting.there)
    at_other = figures(other, delta)
    leave(setting)
    at_one = figures(one, delta)
    assert_same(figures(other, delta), at_other, setting)
    assert_same(at_one, figures(energy.at(setting.here), delta), setting)
    assert_same(at_other, figures(energy.at(setting.there), delta), setting)
    if setting.nowhere is not None:  # elsewhere it is another one
        assert np.abs(at_one["derivative"] - at_other["derivative"]).max() > 1e-6 * np.abs(at_one["m"]).max()


@pytest.mark.serial
def test_evaluations_answer_in_turns(setting: Setting) -> None:
    """One product of each after the other: as if each were alone."""
    delta, energy = block(setting), setting.energy
    pair = energy.at(setting.here), energy.at(setting.there)
    alone = [figures(energy.at(m), delta) for m in (setting.here, setting.there)]
    y = np.random.default_rng(1).standard_normal((len(pair[0].residual), 2))
    for _ in range(2):
        for at, expected in zip(pair, alone, strict=True):
            found = {"derivative": gathered(at.derivative())}
            if hasattr(at, "jvp"):
                found |= {"jvp": at.jvp(delta[:, 0]), "vjp of a block": gathered(at.vjp(y))}
            if hasattr(at, "hessian"):
                found["K⁻¹"] = gathered(at.hessian().riesz(delta))
            assert_same(found, {name: expected[name] for name in found}, setting)


@pytest.mark.serial
def test_evaluating_does_not_change_what_is_given(setting: Setting) -> None:
    """Neither the coefficient nor blocks and data."""
    here, delta = setting.here.copy(), block(setting)
    kept = delta.copy()
    at = setting.energy.at(here)
    figures(at, delta)
    np.testing.assert_array_equal(here, setting.here)
    np.testing.assert_array_equal(delta, kept)


@pytest.mark.serial
def test_near_only_says_where_to_seek(setting: Setting) -> None:
    """What is known at a coefficient is the same wherever it was sought from, to rounding; where nothing is
    sought, to the last bit."""
    energy, delta = setting.energy, block(setting)
    near = energy.at(setting.there)
    assert_same(
        figures(energy.at(setting.here, near), delta), figures(energy.at(setting.here), delta), setting
    )


@pytest.mark.parametrize("name", [name for name in TRIED if name.startswith("ritz")])
def test_a_hessian_that_fails_leaves_the_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One held from before, and one that is asked for again."""
    setting = SETTINGS[name]()
    delta, one, other = block(setting), setting.energy.at(setting.here), setting.energy.at(setting.there)
    held = one.hessian()
    expected = {"K": gathered(held.apply(delta)), "K⁻¹": gathered(held.riesz(delta))}

    def fail(solver: LinearSolver, matrix: Any) -> None:
        raise SolveFailed("the operator is not definite")

    with monkeypatch.context() as patch:
        patch.setattr(LinearSolver, "set_matrix", fail)
        if not name.endswith("reaction_diffusion"):  # whose one Hessian is everywhere
            with pytest.raises(SolveFailed):
                other.hessian()
    for K in (held, one.hessian()):
        assert_same({"K": gathered(K.apply(delta)), "K⁻¹": gathered(K.riesz(delta))}, expected, setting)


@pytest.mark.parametrize("name", ["diffusion", "nonlinear_diffusion", "states computed again", "contacts"])
def test_states_are_those_of_the_evaluation(name: str) -> None:
    """The function of a state, and the states in time, of the one that is asked, whatever came later."""
    setting = made_once(name)
    model = setting.energy.forward
    one, other = (setting.energy.at(m).forward for m in (setting.here, setting.there))

    def told(found: Any) -> np.ndarray:
        owned = len(getattr(found, "state", model.state.x.array))
        last = model.function(found).x.array[:owned].copy()
        if not isinstance(model, TransientModel):
            return last
        moments = [model.state.x.array[:owned].copy() for _ in model.moments(found, 3)]
        return np.concatenate([last, *model.states(found), *moments])

    at_other, at_one = told(other), told(one)
    leave(setting)
    scale = np.abs(at_one).max(initial=0.0)
    assert COMM.allreduce(float(np.abs(at_one - at_other).max(initial=0.0))) > 1e-6
    for found, expected in (
        (one, at_one),
        (other, at_other),
        (setting.energy.at(setting.here).forward, at_one),
    ):
        np.testing.assert_allclose(told(found), expected, rtol=0, atol=1e-10 * scale)
