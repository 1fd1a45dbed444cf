"""What the comparison runs: the suite's cases, and the methods as data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CASES = (
    "quickstart", "inclusions", "sparse", "noisy", "precise", "lshape", "hippylib_poisson", "peer64",
    "channels", "cube",
)  # fmt: skip

Program = Literal["app", "newton_cg", "training", "peer", "oracle"]

PROGRAMS: dict[Program, tuple[str, ...]] = {
    "app": ("app",),
    "newton_cg": ("benchmarks.baselines", "newton_cg"),
    "training": ("benchmarks.baselines", "training"),
    "peer": ("benchmarks.baselines", "peer"),
    "oracle": ("benchmarks.oracle",),
}
"""Words between `python -m` and the case."""


@dataclass(frozen=True)
class Method:
    """A way to recover the coefficient.

    {weight} and {widths} stand for those that the run `after` ended with.
    """

    program: Program = "app"
    settings: tuple[str, ...] = ()
    """Each behind --set."""
    options: tuple[str, ...] = ()
    """Of the program."""
    seeds: int | None = None
    """So many at most, of the seeds 0, 1, ...; 0 is a method without chance, which runs once."""
    cases: tuple[str, ...] = CASES
    withheld: bool = False
    """Whether the readings' noise is kept from the program."""
    after: str | None = None
    """A method that has to have run on the case, with the same seed if it has seeds."""

    def wants(self, count: int) -> list[int | None]:
        """Seeds to run where `count` are asked for; None is a run without one."""
        if self.seeds == 0:
            return [None]
        return list(range(count if self.seeds is None else min(count, self.seeds)))


DISCREPANCY = ("regularisation.m.kind=h1", "regularisation.m.weight=discrepancy")
NODAL = ("unknowns.m.representation.kind=nodal",)
COARSE = ("mesh.cells=[32, 32]",)
TRAINED = ("quickstart", "inclusions", "peer64")
PLAIN = (
    *DISCREPANCY, "flow.step=plain", "expansion.strategy=none", "unknowns.m.representation.hidden=[40]",
    "flow.max_iterations=300",
)  # fmt: skip


def _plain(inner_product: str) -> Method:
    """The paper's basic flow: natural gradient, explicit steps, a network of fixed width."""
    settings = (*PLAIN, f"flow.inner_product={inner_product}")
    return Method(settings=settings, seeds=1, cases=("quickstart", "inclusions"))


def _nodal(kind: str) -> Method:
    weight = "regularisation.m.weight=discrepancy"
    return Method(settings=(*NODAL, f"regularisation.m.kind={kind}", weight), seeds=0)


def _trained(optimiser: str) -> Method:
    options = ("--optimiser", optimiser, "--weight", "{weight}", "--solves", "1000")
    return Method("training", COARSE, options, seeds=1, cases=TRAINED, after="nodal h1")


METHODS: dict[str, Method] = {
    "default": Method(),
    "nodal": Method(settings=NODAL, seeds=0),
    "nodal h1": _nodal("h1"),
    "discrepancy": Method(settings=DISCREPANCY),
    "withheld": Method(withheld=True),
    "oracle": Method("oracle", seeds=0),
    "newton_cg a": Method("newton_cg", options=("--weight", "{weight}"), seeds=0, after="nodal h1"),
    "newton_cg b": Method("newton_cg", options=("--weight", "discrepancy"), seeds=0),
    "newton_cg c": Method("newton_cg", options=("--weight", "oracle"), seeds=0),
    "nodal edge_preserving": _nodal("edge_preserving"),
    "nodal bilaplacian": _nodal("bilaplacian"),
    "random growth": Method(settings=(*DISCREPANCY, "expansion.strategy=random")),
    "fixed network": Method(
        settings=(*DISCREPANCY, "expansion.strategy=none", "unknowns.m.representation.hidden={widths}"),
        after="default",
    ),
    "default@32": Method(settings=COARSE, cases=TRAINED),
    "discrepancy@32": Method(settings=(*DISCREPANCY, *COARSE), cases=TRAINED),
    "lbfgs": _trained("lbfgs"),
    "adam": _trained("adam"),
    "plain l2": _plain("l2"),
    "plain h1": _plain("h1"),
    "plain gauss_newton": _plain("gauss_newton"),
    "peer": Method("peer", seeds=0, cases=("peer64",)),
}
"""In the order in which they run and are shown; a method comes behind the one it is `after`."""


def command(
    method: Method,
    case: str,
    seed: int | None,
    *,
    earlier: Mapping[str, Any] | None = None,
    extra: Sequence[str] = (),
) -> list[str]:
    """Words behind `python`, but for --out; `earlier` is the summary of the run it comes after.

    `extra` are further settings. Raises KeyError where `earlier` does not tell what the method asks for.
    """
    settings = [*method.settings, *extra, *([] if seed is None else [f"seed={seed}"])]
    words = ["-m", *PROGRAMS[method.program], (Path("cases") / f"{case}.yaml").as_posix()]
    words += [_filled(word, earlier or {}) for word in method.options]
    for setting in settings:
        words += ["--set", _filled(setting, earlier or {})]
    return words


def _filled(word: str, earlier: Mapping[str, Any]) -> str:
    """The word with what the earlier run ended with in place of {weight} and {widths}."""
    if "{weight}" in word:
        word = word.replace("{weight}", repr(float(earlier["regularisation_weight"])))
    if "{widths}" in word:
        word = word.replace("{widths}", json.dumps(earlier["widths"]))
    return word
