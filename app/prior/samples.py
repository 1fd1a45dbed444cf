"""Draws of N(0, K⁻¹) from white noise that every rank draws alike."""

from collections.abc import Callable

import numpy as np

from app.parallel.blocks import slices

HELD = 2**23
"""Numbers of white noise (64 MB) that are held at once."""


def draws(
    coloured: Callable[[np.ndarray], np.ndarray], noise: int, rng: np.random.Generator, count: int
) -> np.ndarray:
    """S @ ξ of `count` columns ξ of white noise, which `coloured` takes to blocks; collective."""
    strips = slices(count, max(1, HELD // max(1, noise)))
    blocks = [coloured(rng.standard_normal((part.stop - part.start, noise)).T) for part in strips]
    return np.asfortranarray(np.concatenate(blocks, axis=1))
