"""What the laws of this folder hold of."""

from collections.abc import Iterator

import pytest
from posteriors import NAMES, Setting, setting_of


@pytest.fixture(params=NAMES)
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    """Each regularisation where the coefficient varies."""
    with setting_of(request.param) as made:
        yield made
