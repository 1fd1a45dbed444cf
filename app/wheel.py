"""Import this before dolfinx, petsc4py and mpi4py: the pip wheel wants it so, and MPI is started here.

Not in app/__init__.py, since `--help` shall not start it. On conda there is no such module as the wheel's.
"""

import contextlib
import os
import tempfile
from pathlib import Path

try:
    Path.home()
except RuntimeError:  # DOLFINx wants one when it is imported
    os.environ["HOME"] = tempfile.gettempdir()

with contextlib.chdir("/"):  # UCX, below MPI, would read a ucx.conf of the working folder
    with contextlib.suppress(ModuleNotFoundError):
        import dolfinx_solver  # noqa: F401
    import mpi4py.MPI  # noqa: F401
