"""Inner products of coefficients, and the regularisations that are made of them.

What a case's schema asks for is here and needs neither PETSc nor DOLFINx; the inner products are in
`app.prior.inner_products`, `app.prior.gram` and `app.prior.stacked`.
"""

from app.prior.bilaplacian import Bilaplacian
from app.prior.edge_preserving import EdgePreserving
from app.prior.h1 import H1
from app.prior.kinds import (
    AnyParameter,
    CandidateSpec,
    Kind,
    Option,
    Parameter,
    Tensor,
    Value,
    effective_length,
    values_of,
)
from app.prior.matern import Matern
from app.prior.trilaplacian import Trilaplacian

REGULARISATIONS: dict[str, Kind] = {
    "h1": H1,
    "edge_preserving": EdgePreserving,
    "bilaplacian": Bilaplacian,
    "trilaplacian": Trilaplacian,
    "matern": Matern,
}


def parameter_names() -> list[str]:
    """Names of the parameters of all kinds."""
    return list(dict.fromkeys(one.name for kind in REGULARISATIONS.values() for one in kind.parameters))


__all__ = [
    "REGULARISATIONS",
    "AnyParameter",
    "CandidateSpec",
    "Kind",
    "Option",
    "Parameter",
    "Tensor",
    "Value",
    "effective_length",
    "parameter_names",
    "values_of",
]
