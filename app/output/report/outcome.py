"""What was asked and what came out, in sentences of plain words."""

from collections.abc import Mapping

from app.output.report.results import Results
from app.output.report.wording import counted, listed, number, sentence
from app.types import Json

WHY = {
    "discrepancy": "the misfit reached its target",
    "minimum": "the energy could not be lowered any more",
    "noise_not_met": "the energy could not be lowered any more, though the misfit is above its target",
    "tolerance": "the result is within the tolerance of the best",
    "stalled": "further iterations gained next to nothing",
    "no_accepted_step": "no step lowered the energy",
    "max_iterations": "the case allows no more iterations",
    "interrupted": "it was interrupted",
    "time_limit": "its time was up",
    "error": "a computation failed",
    "near": "the misfit came near its target",
}
"""Why a run ended, after `because`, by StopReason."""

GOALS = {
    "inverse": "recover {}",
    "regression": "fit a given function by {}",
    "ritz": "minimise the energy of {}",
    "reduction": "learn the solutions at all parameters as {}",
}
"""What a run of each kind of energy is to do with its unknowns."""


NAMED = 4
"""Observations that are named at most."""


def sentences(run: Results) -> list[str]:
    """Four at most: whether the fit is as it should be, what was asked, how the run ended, and how sure the
    result is."""
    told = (_verdict(run), _asked(run), _ended(run), _sure(run))
    return [sentence(each) for each in told if each]


def unknowns_of(run: Results) -> list[str]:
    """Each unknown with what it is."""
    return [f"{name}, {what_it_is(each)}" for name, each in run.sections("unknowns").items()]


def what_it_is(unknown: Json) -> str:
    """An unknown in words: the case's label, else its role."""
    told = unknown if isinstance(unknown, Mapping) else {}
    if told.get("label"):
        return str(told["label"])
    role = str(told.get("role") or "")
    of = _words(role.removeprefix("log_"))
    if not role:
        return "a function of place"
    return f"the logarithm of the {of}" if role.startswith("log_") else f"the {of}"


def _verdict(run: Results) -> str:
    """That of the summary; of runs without one what the misfit or the distance is."""
    if said := run.told("verdict", "sentence"):
        return str(said)
    misfit, target = run.told("misfit"), run.told("misfit_target")
    if target:
        chi2 = run.told("chi2")
        of_each = "" if chi2 is None else f", chi² a reading is {number(chi2, 3)}"
        return f"the misfit is {number(misfit)}, where {number(target)} is its target{of_each}"
    if run.told("distance") is not None:
        return f"the relative distance to the best is {number(run.told('distance'), 2)}"
    return ""


def _asked(run: Results) -> str:
    unknowns = unknowns_of(run)
    if not unknowns:
        return ""
    goal = GOALS.get(run.energy, GOALS["inverse"])
    setting = [f"{name} {_words(kind)}" for name in ("equation", "mesh") if (kind := run.asked(name, "kind"))]
    within = f" ({', '.join(setting)})" if setting else ""
    return f"the run was asked to {goal.format(listed(unknowns))}{within}{_data(run)}"


def _data(run: Results) -> str:
    """How many readings of which kinds there are, and in how many experiments."""
    sections = list(run.sections("observations").items())
    experiments = run.sections("experiments")
    for experiment in experiments:
        sections += run.sections("experiments", experiment, "observations").items()
    names = list(dict.fromkeys(_observation(name, each) for name, each in sections))
    if not names:
        return ""
    total = run.told("verdict", "readings")
    what = f"{counted(total, 'reading')}, " if isinstance(total, int) else ""
    told = f", from {what}{listed(_few(names))}"
    return f"{told}, in {counted(len(experiments), 'experiment')}" if experiments else told


def _few(names: list[str]) -> list[str]:
    """The first of many."""
    return names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"]


def _ended(run: Results) -> str:
    status, reason = str(run.told("status") or "ended"), str(run.told("stop_reason") or "")
    iterations, seconds = run.told("outer_iterations"), run.told("wall_seconds")
    after = []
    if isinstance(iterations, int):
        after.append(counted(iterations, "iteration"))
    if seconds is not None:
        after.append(f"{number(seconds, 3)} seconds")
    why = WHY.get(reason, "")
    verb = {"failed": "failed", "interrupted": "was interrupted", "stopped": "stopped"}.get(status, status)
    said = f"it {verb}" + (f" after {listed(after)}" if after else "")
    if why and status != "interrupted":
        said += f", because {why}"
    return said + _error(run.told("relative_error"))


def _error(error: Json) -> str:
    """How far the truth is, where it is known."""
    if error is None:
        return ""
    if isinstance(error, Mapping):
        each = [f"{number(value, 3)} of {name}" for name, value in error.items()]
        return f"; the relative error against the truth is {listed(each)}"
    return f"; the relative error against the truth is {number(error, 3)}"


def _sure(run: Results) -> str:
    """On which part of the domain the data say more than was assumed."""
    share = run.told("posterior", "determined")
    if share is None:
        return ""
    each = share if isinstance(share, Mapping) else {"the unknown": share}
    said = f"the readings determine {listed([f'{name} on {_percent(part)}' for name, part in each.items()])}"
    said += " of the domain"
    if any(_percent(part) != "100 %" for part in each.values()):
        said += "; elsewhere it is what the regularisation assumes"
    covered = run.told("posterior", "covered")
    if isinstance(covered, float):
        said += f"; the truth lies within the bounds of 90 % at {_percent(covered)} of the nodes"
    return said


def _percent(share: Json) -> str:
    return f"{100 * share:.0f} %" if isinstance(share, int | float) else number(share)


def _observation(name: str, section: Json) -> str:
    kind = section.get("kind") if isinstance(section, Mapping) else None
    return f"{name} ({_words(kind)})" if kind else name


def _words(kind: Json) -> str:
    return str(kind).replace("_", " ")
