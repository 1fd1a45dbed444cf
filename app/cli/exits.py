"""Exit codes, alike on all ranks."""

from app.types import Summary

CONVERGED, INTERNAL, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130
BY_STATUS = {
    "converged": CONVERGED,
    "failed": INTERNAL,
    "stopped": STOPPED,
    "interrupted": INTERRUPTED,
}
"""By the summary's status."""

MEANING = (
    "Exit codes: 0 converged (or in order, or done), 1 internal failure, 2 bad case or data, 3 stopped "
    "without reaching the stopping test, or a fit that the stated noise does not explain, 130 interrupted."
)


def of_run(summary: Summary) -> int:
    """The exit code of a run: one that converged to a fit that the stated noise does not explain has code 3
    too, unless the case calls that noise a guess."""
    verdict = summary.get("verdict") or {}
    unexplained = verdict.get("kind") == "worse" and not verdict["guess"]
    code = BY_STATUS[summary["status"]]
    return STOPPED if code == CONVERGED and unexplained else code
