"""As the bilaplacian, for coefficients that are smoother still."""

from app.prior.bilaplacian import Bilaplacian
from app.prior.kinds import CandidateSpec


class Trilaplacian(Bilaplacian):
    """R = F M⁻¹ F M⁻¹ F."""

    considered = tuple(CandidateSpec(share) for share in (0.05, 0.1, 0.2, 0.4))
    order = 3
