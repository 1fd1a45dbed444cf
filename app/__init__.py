"""Recover unknown coefficients of partial differential equations by expansive natural gradient flows."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    # One thread a rank unless the user says otherwise; BLAS reads these when it is first loaded.
    os.environ.setdefault(_variable, "1")

__version__ = "0.1.0"
