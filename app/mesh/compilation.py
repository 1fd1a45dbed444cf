"""How forms are compiled: into a cache that an interruption cannot spoil, by options of the user's own.

FFCx reserves a form's place in the cache, compiles there, and waits for whoever has reserved it before: for
ever, where that process was killed. Here a form is compiled in a folder of its own and then takes its place
at once, with a checksum by which the reader knows that it is whole.
"""

import contextlib
import functools
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dolfinx.jit
import ffcx.options
from ffcx.codegeneration import jit
from mpi4py import MPI

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]

BEGUN, ABANDONED = "compiling-", 86400.0
"""What the name of a folder begins with in which a form is compiled, and seconds after which nobody is."""

_compile = jit._compile_objects


def install() -> None:
    """Let DOLFINx compile so in this process; warns on standard error where the cache cannot be used.

    The options are those that DOLFINx and FFCx read of the user's, but none of the working folder: whatever
    lies beside a case does not change how it runs.
    """
    with contextlib.chdir("/"):
        options = dolfinx.jit.get_options()
        ffcx.options.get_options()
    cache = Path(options["cache_dir"])
    try:
        _try(cache)
    except OSError as error:
        other = _of_this_user()
        told = f"compiled forms cannot be kept in {cache} ({error.strerror}): {other} is used instead"
        if MPI.COMM_WORLD.rank == 0:
            print(f"warning: {told} (XDG_CACHE_HOME names another place)", file=sys.stderr)
        cache = other
    dolfinx.jit._load_options()[0]["cache_dir"] = str(cache)
    jit.get_cached_module = cached
    jit._compile_objects = compiled  # type: ignore[assignment]


def cached(name: str, objects: Sequence[str], cache: str | Path, timeout: int) -> tuple[Any, Any]:
    """The objects of a compiled module and the module, in place of FFCx's: (None, None) where it is not
    there or not whole."""
    library = Path(cache) / f"{name}{SUFFIX}"
    try:
        if _digest(library) != _told(library).read_text():
            return None, None
        spec = importlib.util.spec_from_file_location(name, library)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return [getattr(module.lib, each) for each in objects], module
    except (OSError, ValueError, ImportError, AttributeError):
        return None, None


def compiled(
    declared: str, forms: Any, objects: Any, name: str, options: Any, cache: Path, *how: Any, **more: Any
) -> Any:
    """Compile a module into the cache, in place of FFCx's; returns its code."""
    with tempfile.TemporaryDirectory(prefix=BEGUN, dir=cache) as folder, _plug_ins_looked_up_once():
        code = _compile(declared, forms, objects, name, options, Path(folder), *how, **more)
        library = Path(folder) / f"{name}{SUFFIX}"
        _told(library).write_text(_digest(library))
        for part in (_told(library), library):
            part.replace(cache / part.name)
    return code


_entry_points: Callable[..., importlib.metadata.EntryPoints] = functools.cache(
    importlib.metadata.entry_points
)


@contextlib.contextmanager
def _plug_ins_looked_up_once() -> Iterator[None]:
    """setuptools, which calls the compiler, searches all installed packages for plug-ins six times a form:
    half of the time that a form takes in Python. Here it is told what was found the first time."""
    looked_up = importlib.metadata.entry_points
    importlib.metadata.entry_points = _entry_points
    try:
        yield
    finally:
        importlib.metadata.entry_points = looked_up


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _told(library: Path) -> Path:
    """Where its checksum is."""
    return library.with_name(f"{library.name}.sha256")


def _try(cache: Path) -> None:
    """Raise OSError where nothing can be compiled; what was left of compilations long ago is removed."""
    cache.mkdir(parents=True, exist_ok=True)
    Path(tempfile.mkdtemp(prefix=BEGUN, dir=cache)).rmdir()
    for left in cache.glob(f"{BEGUN}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left)


def _of_this_user() -> Path:
    """A folder for temporary files that nobody else can write."""
    own = Path(tempfile.gettempdir()) / f"enngf-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        own.mkdir(mode=0o700)
    found = own.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return own
    return Path(tempfile.mkdtemp(prefix="enngf-"))
