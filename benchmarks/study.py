"""A study is a table: cases × methods with overrides, seeds and draws, and the columns that are read from the
results. Each is a file of `studies`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.bars import Bar
from benchmarks.columns import COLUMNS
from benchmarks.harness import ROOT, Job

FOLDER = Path(__file__).parent / "studies"
NAMES = (
    "compare", "quickstart", "bars", "jacobian", "flow_matrix", "trunk", "cavity", "hybrid", "hybrid-noise",
    "inner-product", "ritz", "growth", "reduction", "defaults", "gallery", "scaling", "posterior",
    "predictions", "chains", "sharp",
)  # fmt: skip
"""All studies, in the order of the report."""
BEFORE = "the case before"


@dataclass(frozen=True)
class Case:
    """A file, by default cases/NAME.yaml, overrides, and what makes its data, see benchmarks.data."""

    file: str = ""
    set: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    large: bool = False  # whether it is run with --large only


@dataclass(frozen=True)
class Method:
    """A way to solve it. {case}, {draw} and {file} are filled here, other {words} by harness.Job."""

    program: str = "app"
    set: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    seeds: int | None = None  # so many at most of 0, 1, ...; 0 is a method without chance, which runs once
    draws: tuple[int, ...] = ()  # numbers that stand for {draw} in the words that make data
    cases: tuple[str, ...] = ()  # all by default
    data: tuple[str, ...] = ()  # what makes its data, if not the case's
    after: str = ""  # the method whose results it needs, on the same case, draw and seed
    beside: str = ""  # the method, or `the case before`, that columns of pairs compare with
    ranks: int = 1
    hidden: bool = False  # whether it has no row


@dataclass(frozen=True)
class Row:
    """A line of a table: jobs, each with the one it is compared with if there is one."""

    case: str
    method: str
    jobs: list[Job]
    beside: list[Job | None]


@dataclass(frozen=True)
class Study:
    """`what` is a sentence, `quick` what --quick overrides, on `quick_cases` and without bars."""

    what: str
    cases: dict[str, Case]
    methods: dict[str, Method]
    columns: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    # Headings of the labels; without one for the case each has a table.
    head: dict[str, str] = field(default_factory=lambda: {"case": "case", "method": "method"})
    quick: tuple[str, ...] = ()
    quick_cases: tuple[str, ...] = ()
    figure: dict[str, Any] = field(default_factory=dict)  # see report.draw

    def rows(self, cases: Sequence[str] = (), methods: Sequence[str] = (), seeds: int = 5) -> list[Row]:
        """The rows of these cases and methods, all by default; raises ValueError for one unknown."""
        _known(cases, self.cases, "--cases")
        _known(methods, self.methods, "--methods")
        cases = list(cases or self.cases)
        before = {b: a for a, b in pairwise(cases)}
        found = []
        for case in cases:
            for name, method in self.methods.items():
                if method.hidden or (methods and name not in methods) or case not in (method.cases or cases):
                    continue
                count = seeds if method.seeds is None else min(seeds, method.seeds)
                chances = [(s, d) for d in method.draws or (None,) for s in range(count) or (None,)]
                versus = (before.get(case), name) if method.beside == BEFORE else (case, method.beside)
                jobs = [self.job(case, name, *chance) for chance in chances]
                beside = [self.job(*versus, *chance) for chance in chances]
                found.append(Row(case, name, [job for job in jobs if job], beside))
        return found

    def job(self, case: str | None, name: str, seed: int | None, draw: int | None) -> Job | None:
        """A method on a case; None without one of the two."""
        if not case or not name:
            return None
        problem, method = self.cases[case], self.methods[name]

        def said(words: Sequence[str]) -> tuple[str, ...]:
            return tuple(word.replace("{case}", case).replace("{draw}", str(draw)) for word in words)

        data, chance = said(method.data or problem.data), [] if method.seeds == 0 else [f"seed={seed}"]
        return Job(
            program=method.program,
            case=problem.file or f"cases/{case}.yaml",
            settings=said((*problem.set, *method.set, *self.quick, *chance)),
            options=said(method.options),
            ranks=method.ranks,
            data=Job("data", options=data) if data else None,
            after=self.job(case, method.after, seed, draw),
        )


def load(name: str, file: str = "", quick: bool = False, large: bool = True) -> Study:
    """The study of this name, with the name of a file of data, all of it, or without its large cases, or what
    --quick runs of it.

    Raises ValueError naming file and key where it is not as it should be.
    """
    path = FOLDER / f"{name}.yaml"
    where = path.relative_to(ROOT).as_posix()
    content = YAML(typ="safe").load(path.read_text().replace("{file}", file))
    for key, kind in (("cases", Case), ("methods", Method)):
        named = content[key]
        if named == "all":
            named = sorted(each.stem for each in (ROOT / "cases").glob("*.yaml"))
        given = named if isinstance(named, dict) else dict.fromkeys(named)
        content[key] = {n: _made(kind, value or {}, f"{where}: {key}.{n}") for n, value in given.items()}
    content["bars"] = [_made(Bar, each, f"{where}: bars") for each in content.get("bars", ())]
    study = _made(Study, content, where)
    _known([*study.columns, *(bar.measure for bar in study.bars)], COLUMNS, f"{where}: columns")
    for n, method in study.methods.items():
        named = [other for other in (method.after, method.beside) if other and other != BEFORE]
        _known(named, study.methods, f"{where}: methods.{n}")
    if not large:
        study = replace(study, cases={n: case for n, case in study.cases.items() if not case.large})
    if not quick:
        return replace(study, quick=())
    methods = {n: replace(method, draws=method.draws[:1]) for n, method in study.methods.items()}
    cases = {n: study.cases[n] for n in study.quick_cases or study.cases}
    return replace(study, cases=cases, methods=methods, bars=())


def _made(kind: Any, content: dict[str, Any], where: str) -> Any:
    """Lists become tuples, overrides KEY=VALUE."""
    _known(content, [each.name for each in fields(kind)], where)
    made: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}
    for key in ("set", "quick"):
        settings = made.get(key, {}).items()
        made[key] = tuple(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings)
    return kind(**{key: value for key, value in made.items() if value != () or key in content})


def _known(found: Any, expected: Any, where: str) -> None:
    for name in found:
        if name not in expected:
            raise ValueError(f"{where}: found {name}, expected one of {', '.join(expected)}")
