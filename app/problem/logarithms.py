"""References of logarithms that are none: numbers whose exponential nothing has."""

import numpy as np
from mpi4py import MPI

from app.case import Case, CaseError
from app.equations.terms import prefix_of, stands_for

IMPOSSIBLE = float(np.log(1e30))
"""No coefficient has a size of 1e30, or 1e-30, in the units that people work with."""

UNUSUAL = float(np.log(1e-24)), float(np.log(1e12))
"""Physical constants lie between these in SI units: permeabilities of rock are above 1e-24 m², resistivities
of what conducts at all below 1e12 Ωm."""


def check_logarithm(case: Case, comm: MPI.Comm, name: str, reference: np.ndarray) -> None:
    """Raise CaseError on all ranks where the exponential of a reference, owned values, is of a size that
    nothing has; collective."""
    if not prefix_of(case.unknowns[name].role):
        return
    most = _extreme(comm, reference)
    if abs(most) > IMPOSSIBLE:
        raise CaseError([_said(case, name, most)])


def unusual_logarithm(case: Case, comm: MPI.Comm, name: str, reference: np.ndarray) -> list[str]:
    """What is said of a reference whose exponential is unusual; collective."""
    if not prefix_of(case.unknowns[name].role):
        return []
    most = _extreme(comm, reference)
    return [] if UNUSUAL[0] <= most <= UNUSUAL[1] else [_said(case, name, most)]


def _extreme(comm: MPI.Comm, values: np.ndarray) -> float:
    """The value that is largest in size, alike on all ranks."""
    low: float = comm.allreduce(float(values.min(initial=np.inf)), op=MPI.MIN)
    high: float = comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX)
    return high if abs(high) >= abs(low) else low


def _said(case: Case, name: str, value: float) -> str:
    """What was found, what that would be, and what was meant perhaps."""
    term = stands_for(case.unknowns[name].role)
    found = f"found {value:.6g} for the natural logarithm of the {term}"
    found += f", which is 1e{value / np.log(10):+.0f} then"
    meant = f": that of {value:.6g} is {np.log(value):.4g}" if value > 0 else ""
    return f"{case.where('unknowns', name, 'reference')}: {found}, expected a logarithm{meant}"
