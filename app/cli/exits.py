"""Exit codes, alike on all ranks."""

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
    "without reaching the stopping test, 130 interrupted."
)
