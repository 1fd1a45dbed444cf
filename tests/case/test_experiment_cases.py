"""Cases of several experiments: each is a case of its own, and says where it is wrong."""

from pathlib import Path

import pytest

from app.case import CaseError, effective_yaml, load_case

CASE = """\
mesh: {kind: rectangle, cells: [4, 4]}
equation:
  kind: diffusion
  source: "1"
  boundary:
    rim: {on: all, kind: dirichlet, value: "0"}
unknowns:
  m: {role: log_diffusivity}
experiments:
  one:
    equation: {wells: {a: {at: [0.5, 0.5], rate: -1}}}
    observations: {heads: {kind: points, file: one.csv}}
  two:
    equation:
      boundary:
        rim: {value: "x"}
    observations: {heads: {kind: points, file: two.csv}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("x,y,value\n.5,.5,1\n")
    path = tmp_path / "case.yaml"
    path.write_text(CASE)
    return path


def test_each_experiment_is_a_case(file: Path) -> None:
    """What it says is merged into the equation key by key, and nothing else changes."""
    case = load_case(file)
    one, two = case.parts["one"], case.parts["two"]
    assert one.equation.wells["a"].rate == -1 and not two.equation.wells
    assert str(one.equation.boundary["rim"].value) == "0" and str(two.equation.boundary["rim"].value) == "x"
    assert two.equation.boundary["rim"].kind == "dirichlet"
    assert [str(part.observations["heads"].file) for part in (one, two)] == ["one.csv", "two.csv"]
    assert one.unknowns == two.unknowns == case.unknowns and not one.experiments


def test_a_case_without_experiments_is_its_only_part(file: Path) -> None:
    text = CASE[: CASE.index("experiments")] + "observations: {heads: {kind: points, file: one.csv}}\n"
    file.write_text(text)
    case = load_case(file)
    assert list(case.parts.values()) == [case]


def test_the_effective_case_loads_again(file: Path, tmp_path: Path) -> None:
    """Overrides are written as they were said, files by paths from where it lies."""
    again = tmp_path / "elsewhere" / "case.yaml"
    again.parent.mkdir()
    again.write_text(effective_yaml(load_case(file), again.parent))
    assert load_case(again) == load_case(file)
    assert load_case(again).parts == load_case(file).parts


def test_the_command_line_reaches_an_experiment(file: Path) -> None:
    case = load_case(file, ["experiments.one.equation.wells.a.rate=-3", "equation.source=2"])
    assert case.parts["one"].equation.wells["a"].rate == -3
    assert str(case.parts["two"].equation.source) == "2"


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("rate: -1", "rate: fast", ":11: experiments.one.equation.wells.a.rate: found 'fast', expected"),
        ("at: [0.5, 0.5], ", "", ":11: experiments.one.equation.wells.a.at: found nothing"),
        ('value: "x"', 'valeu: "x"', ":16: experiments.two.equation.boundary.rim.valeu: found unknown key"),
        ("wells: {a", "kind: heat, wells: {a", ":11: experiments.one.equation.kind: found another kind"),
        ("file: two.csv", "file: no.csv", ":17: experiments.two.observations.heads.file: found 'no.csv'"),
        ("experiments:", "observations: {}\nexperiments:\n  none: {}", "experiments.none.observations"),
        (
            "experiments:",
            "observations: {h: {kind: points, file: one.csv}}\nexperiments:",
            ":9: observations: found observations beside experiments",
        ),
    ],
)
def test_mistakes_are_told_where_they_are(file: Path, old: str, new: str, said: str) -> None:
    """With the line of the experiment's own key, or of the rest of the case."""
    file.write_text(CASE.replace(old, new, 1))
    with pytest.raises(CaseError) as error:
        load_case(file)
    (problem,) = error.value.problems
    assert said in problem
