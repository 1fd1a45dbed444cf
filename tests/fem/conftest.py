"""What the mesh files of these tests need."""

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def gmsh() -> ModuleType:
    """gmsh, whose wheel needs X11 and OpenGL libraries that a bare machine lacks."""
    try:
        import gmsh
    except OSError as error:
        pytest.skip(f"gmsh does not load here: {error}")
    return gmsh
