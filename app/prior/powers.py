"""Powers R = F(M⁻¹F)^(order − 1) of an elliptic operator F and the lumped mass M."""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import ufl

from app.mesh.spaces import CoefficientSpace
from app.prior import forms
from app.prior.gram import GramMatrix, PowerGram, SolverFactory
from app.prior.roots import diagonal_root, root_of
from app.prior.terms import Term


@dataclass(frozen=True)
class Factor:
    """F without the mass in it."""

    form: ufl.Form
    terms: Sequence[Term]
    """Whose sum the form is."""


def power_gram(
    space: CoefficientSpace,
    factor: Factor,
    order: int,
    solver: SolverFactory,
    name: Hashable,
    scale: float = 1.0,
) -> PowerGram:
    """scale · F(M⁻¹F)^(order − 1), where F is the factor plus M; powers of the same F and M have one `name`.

    The form of the factor is `scale` times what it is in F.
    """
    matrix = forms.assembled_matrix(space, forms.compiled(factor.form))
    lumped = scale * lumped_mass(space)
    diagonal = matrix.getDiagonal()
    diagonal.array[:] += lumped
    matrix.setDiagonal(diagonal)
    diagonal.destroy()
    root = partial(root_of, space, factor.form, factor.terms, lumped=lumped)
    mass_root = partial(diagonal_root, space, lumped)
    return PowerGram(GramMatrix(space.comm, matrix, solver, root), lumped, order, name, mass_root)


def lumped_mass(space: CoefficientSpace) -> np.ndarray:
    """Owned entries of the lumped mass matrix: its diagonal, scaled to the volume (Hinton, Rock and
    Zienkiewicz 1976); for linear elements the row sums, which for higher ones are not positive."""
    u, v = forms.arguments(space)
    mass = forms.assembled_matrix(space, forms.compiled(u * v * ufl.dx))
    lumped, ones, volume = mass.getDiagonal(), mass.createVecRight(), mass.createVecLeft()
    ones.set(1.0)
    mass.mult(ones, volume)
    entries: np.ndarray = lumped.array * (volume.sum() / lumped.sum())
    for done in (mass, lumped, ones, volume):
        done.destroy()
    return entries
