"""The program: `python -m app CASE.yaml` or `python -m app COMMAND`, alone or under mpirun."""

import sys
import traceback
from collections.abc import Sequence

from app.cli import UsageError, parse
from app.cli.exits import BAD_INPUT, INTERNAL, INTERRUPTED, explained
from app.cli.ranks import speaks, world
from app.supervisor import supervise


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words of a command line ask for, by default this process's; returns the exit code."""
    try:
        command, options = parse(sys.argv[1:] if words is None else words)
        if words is None and command.supervised:
            supervise()
    except UsageError as error:
        if speaks():
            print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        return command.answer(options)
    except UsageError as error:
        if speaks():
            print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return _ended(INTERRUPTED)
    except Exception as error:
        code, message = explained(error)
        alone = code == INTERNAL and not getattr(error, "agreed", False)  # perhaps this rank's only
        if speaks() or alone:
            if options.debug:
                traceback.print_exc()
            print(message, file=sys.stderr, flush=True)
        return _ended(code) if alone else code


def _ended(code: int) -> int:
    """The exit code of a rank that stops where the others may be waiting for it: they are ended too."""
    comm = world()
    if comm is not None and comm.size > 1:
        comm.Abort(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
