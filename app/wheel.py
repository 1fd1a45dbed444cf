"""Import this before dolfinx, petsc4py and mpi4py: the pip wheel wants it so.

Not in app/__init__.py, since it starts MPI, which `--help` shall not. On conda there is no such module.
"""

import contextlib

with contextlib.suppress(ModuleNotFoundError):
    import dolfinx_solver  # noqa: F401
