"""A run in numbers: what is told of each, and set side by side of several."""

from collections.abc import Callable, Mapping

from app.output.report.results import Results
from app.output.report.wording import counted, number
from app.types import Json


def facts(run: Results) -> dict[str, str]:
    """By what they are; those that are not known are left out."""
    return {name: text for name, fact in FACTS.items() if (text := fact(run))}


def _status(run: Results) -> str:
    reason = run.told("stop_reason")
    return number(run.told("status")) + (f" ({str(reason).replace('_', ' ')})" if reason else "")


def _misfit(run: Results) -> str:
    misfit, target = run.told("misfit"), run.told("misfit_target")
    return "" if target is None else f"{number(misfit)}, target {number(target)}"


def _energy(run: Results) -> str:
    energy, part = run.told("energy"), run.told("regularisation")
    of = f", of it {number(part)} regularisation" if part else ""
    return "" if energy is None else f"{number(energy)}{of}"


def _noise(run: Results) -> str:
    level, found = run.told("noise_level"), run.told("noise_level_found")
    return "" if level is None else number(level) + (f"; from the residuals {number(found)}" if found else "")


def _regularisation(run: Results) -> str:
    kind = run.told("regularisation_kind")
    if kind is None:
        return ""
    found = [str(kind).replace("_", " ")]
    for name, key in (("length", "length_scale"), ("weight", "regularisation_weight")):
        if (value := run.told(key)) is not None:
            found.append(f"{name} {number(value)}")
    return ", ".join(found)


def _representation(run: Results) -> str:
    parameters, widths = run.told("parameters"), widths_of(run.told("widths"))
    if parameters is None:
        return ""
    what = f"network of width {widths}, " if widths else "nodal values, "
    return f"{what}{counted(parameters, 'parameter')}"


def _mesh(run: Results) -> str:
    sizes = [(run.told(f"{name}_dofs"), name) for name in ("state", "coefficient")]
    return ", ".join(f"{number(size)} {name} dofs" for size, name in sizes if size is not None)


def _work(run: Results) -> str:
    solves, sides, units = (run.told(name) for name in ("state_solves", "linear_solves", "work_units"))
    found = [f"{number(solves)} state solves, {number(sides)} right-hand sides"] if solves else []
    found += [f"{number(units)} work units"] if units is not None else []
    return ", ".join(found)


def _determined(run: Results) -> str:
    share = run.told("posterior", "determined")
    each = share if isinstance(share, Mapping) else {"": share}
    known = {name: part for name, part in each.items() if isinstance(part, int | float)}
    return ", ".join(f"{name} {100 * part:.0f} % of the domain".lstrip() for name, part in known.items())


def _time(run: Results) -> str:
    seconds, ranks = run.told("wall_seconds"), run.told("ranks")
    on = f" on {counted(ranks, 'rank')}" if isinstance(ranks, int) else ""
    return "" if seconds is None else f"{number(seconds, 3)} s{on}"


def _memory(run: Results) -> str:
    memory = run.told("peak_memory_mb")
    return "" if memory is None else f"{number(memory, 3)} MB"


def _value(*path: str) -> Callable[[Results], str]:
    """A number of the summary, empty where it has none."""
    return lambda run: "" if run.told(*path) is None else number(run.told(*path))


def widths_of(told: Json) -> str:
    """Of the hidden layers, `10-5`; of several networks by their names; empty of nodal values."""
    if isinstance(told, Mapping):
        return ", ".join(f"{name} {widths_of(each)}" for name, each in told.items() if each)
    return "-".join(map(str, told)) if isinstance(told, list) else ""


FACTS: dict[str, Callable[[Results], str]] = {
    "ended": _status,
    "misfit": _misfit,
    "χ² a reading": _value("chi2"),
    "noise level": _noise,
    "energy": _energy,
    "relative error": _value("relative_error"),
    "relative distance to the best": _value("distance"),
    "regularisation": _regularisation,
    "coefficient": _representation,
    "determined by the readings": _determined,
    "degrees of freedom": _value("posterior", "freedom"),
    "mesh": _mesh,
    "iterations": _value("outer_iterations"),
    "work": _work,
    "time": _time,
    "memory": _memory,
    "seed": _value("seed"),
}
"""What each is, and how it is read; empty where it is not known."""
