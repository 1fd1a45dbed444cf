"""−∇·(exp(m) ∇u) + rate u³ = supply: a substance of which three parts meet to react."""

from typing import Any

import ufl


def residual(u: Any, v: Any, coefficients: Any, data: Any) -> Any:
    flux = ufl.exp(coefficients["m"]) * ufl.grad(u)
    return (ufl.inner(flux, ufl.grad(v)) + data["rate"] * u**3 * v - data["supply"] * v) * ufl.dx


def dirichlet(x: Any, data: Any) -> Any:
    return {"rim": 0.5 * x[0]}
