"""Compiled forms are put into the cache whole, and are compiled anew where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import ufl
from basix.ufl import element
from dolfinx import jit
from mpi4py import MPI

from app.mesh import compilation

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="of one process")


def compiled(cache: Path) -> object:
    """A form in a cache; raises where that is not possible."""
    mesh = ufl.Mesh(element("Lagrange", "interval", 1, shape=(1,)))
    return jit.ffcx_jit(MPI.COMM_SELF, ufl.Constant(mesh) * ufl.dx, jit_options={"cache_dir": cache})


def test_a_form_that_is_not_whole_is_compiled_anew(tmp_path: Path) -> None:
    """Empty, cut off, altered, without its checksum, or half of it by FFCx's own ways; nothing else stays."""
    compiled(tmp_path)
    (library,) = tmp_path.glob("*.so")
    told, whole = tmp_path / f"{library.name}.sha256", library.read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted([library, told])

    def damaged(content: bytes) -> None:
        library.unlink()  # it is loaded
        library.write_bytes(content)
        name = library.name.partition(".")[0]
        assert compilation.cached(name, [], tmp_path, 0) == (None, None)

    for content in (b"", whole[: len(whole) // 2], whole[:-1] + b"x"):
        damaged(content)
    damaged(whole + b"x")
    library.with_name(f"{library.name.partition('.')[0]}.c").touch()  # another process was killed there
    compiled(tmp_path)
    assert library.stat().st_size == len(whole)
    told.unlink()
    compiled(tmp_path)
    assert told.exists()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CC", "no-such-compiler", "found no C compiler no-such-compiler, expected one to compile forms"),
        ("CFLAGS", "-no-such-option", "(?s)the C compiler .* failed: .*no-such-option"),
    ],
)
def test_a_compiler_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """With what it says; nothing of the form stays."""
    monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match=told):
        compiled(tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_the_cache_cannot_be_used_there_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of this user's alone; one that others can write is not taken."""
    monkeypatch.setattr(compilation.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        compilation._try(tmp_path / "file" / "cache")
    first = compilation._of_this_user()
    assert first == compilation._of_this_user() and first.stat().st_mode & 0o777 == 0o700
    first.chmod(0o777)
    assert compilation._of_this_user() != first
