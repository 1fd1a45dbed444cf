"""The program: `python -m app CASE.yaml` or `python -m app COMMAND`, alone or under mpirun."""

import sys
from collections.abc import Sequence

from app.cli import UsageError, parse
from app.cli.ending import end
from app.cli.exits import BAD_INPUT, CONVERGED, INTERNAL
from app.cli.ranks import speaks
from app.cli.streams import keep, lost
from app.supervisor import alone, supervise
from app.types import Done


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words of a command line ask for, by default this process's; returns the exit code."""
    own = words is None
    if own:
        keep()
    done: Done = alone
    try:
        command, options = parse(sys.argv[1:] if words is None else words)
        if own and command.supervised:
            done = supervise()
    except UsageError as error:
        if speaks():
            print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        code = command.answer(options)
    except BaseException as error:
        return end(error, done, debug=options.debug)
    if own and code == CONVERGED and not command.outlasts_output and (reason := lost()):
        print(f"standard output did not take all results ({reason})", file=sys.stderr)
        code = INTERNAL
    return done(code)


if __name__ == "__main__":
    sys.exit(main())
