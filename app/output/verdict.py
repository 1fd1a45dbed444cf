"""The verdict on the fit in lines, the last of a run."""

from app.types import Summary


def verdict_lines(summary: Summary) -> list[str]:
    """Whether the fit is as good as the noise allows; if not, the worst readings and what would help."""
    told = summary.get("verdict")
    if not told:
        return []
    lines = [f"verdict: {told['sentence']}"]
    if told["worst"]:
        lines.append("  the worst readings, predicted less read in sigma:")
        lines += [f"    {_reading(each)}" for each in told["worst"]]
    helps = "  what would help: " if told["kind"] == "worse" else "  to be known: "
    return [*lines, *(f"{helps}{advice}" for advice in told["advice"])]


def _reading(worst: Summary) -> str:
    place = f" at {worst['place']}" if worst["place"] else ""
    return f"{worst['file']}:{worst['line']}{place}: {worst['residual']:+.3g}"
