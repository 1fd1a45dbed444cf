"""Exit codes, alike on all ranks, and what is said of an error."""

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


def explained(error: Exception) -> tuple[int, str]:
    """The exit code of an error, and the message about it."""
    from app.case import InputError

    if isinstance(error, InputError):
        return BAD_INPUT, str(error)
    return INTERNAL, f"internal failure: {type(error).__name__}: {error} (--debug shows where)"
