"""Inner products of coefficients, and the regularisations that are made of them."""

import app.wheel  # noqa: F401

# isort: split
from app.prior.inner_products import (
    EDGE_SHARE,
    EDGE_SHARES,
    INNER_PRODUCTS,
    LENGTH_SHARES,
    REGULARISATIONS,
    EdgePreserving,
    GramMatrix,
    effective_length,
    weighted_product,
)
from app.prior.stacked import StackedInnerProduct, StackedRegularisation

__all__ = [
    "EDGE_SHARE",
    "EDGE_SHARES",
    "INNER_PRODUCTS",
    "LENGTH_SHARES",
    "REGULARISATIONS",
    "EdgePreserving",
    "GramMatrix",
    "StackedInnerProduct",
    "StackedRegularisation",
    "effective_length",
    "weighted_product",
]
