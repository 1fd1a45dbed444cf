"""Inner products of coefficients that are no regularisation's own: L2, H1, and both with a weight."""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Callable, Sequence
from functools import partial

import ufl

from app.mesh.fields import Field, in_ufl
from app.mesh.spaces import CoefficientSpace
from app.prior.forms import Gradients, arguments, assembled_matrix, compiled, constant
from app.prior.gram import GramMatrix, SolverFactory
from app.prior.roots import root_of
from app.prior.terms import Term, mass_term, stiffness_term


def of_form(
    space: CoefficientSpace, form: ufl.Form, solver: SolverFactory, terms: Sequence[Term] | None = None
) -> GramMatrix:
    """The inner product of a bilinear form that is symmetric and positive definite; samples can be drawn of
    it where the `terms` are given whose sum it is."""
    root = None if terms is None else partial(root_of, space, form, terms)
    return GramMatrix(space.comm, assembled_matrix(space, compiled(form)), solver, root)


def l2(space: CoefficientSpace, length: float, solver: SolverFactory) -> GramMatrix:
    """∫··, the mass matrix; ℓ plays no part."""
    u, v = arguments(space)
    return of_form(space, u * v * ufl.dx, solver, [mass_term(space, constant(space, 1.0))])


def h1(space: CoefficientSpace, length: float, solver: SolverFactory) -> GramMatrix:
    """∫∇·∇ + ℓ⁻²∫··."""
    (u, v), gradients, inverse_square = arguments(space), Gradients(space), constant(space, length**-2)
    form = gradients.product(u, v) * gradients.measure + inverse_square * u * v * ufl.dx
    terms = [stiffness_term(space, constant(space, 1.0)), mass_term(space, inverse_square)]
    return of_form(space, form, solver, terms)


def weighted_product(
    space: CoefficientSpace, weight: Field, length: float | None, solver: SolverFactory
) -> GramMatrix:
    """∫ω(∇·∇ + ℓ⁻²··), or ∫ω·· without a length ℓ, with a positive weight ω."""
    (u, v), x = arguments(space), space.domain.coordinates
    omega = in_ufl(weight, x)
    form = omega * u * v * ufl.dx(space.domain.mesh)
    if length is not None:
        inverse_square = constant(space, length**-2)
        form = omega * (ufl.inner(ufl.grad(u), ufl.grad(v)) + inverse_square * u * v) * ufl.dx
    return of_form(space, form, solver)


INNER_PRODUCTS: dict[str, Callable[[CoefficientSpace, float, SolverFactory], GramMatrix]] = {
    "l2": l2,
    "h1": h1,
}
