"""How forms are compiled: into a cache that an interruption cannot spoil, by options of the user's own.

FFCx reserves a form's place in the cache, compiles there, and waits for whoever has reserved it before: for
ever, where that process was killed. Here a form is compiled in a folder of its own and then takes its place
at once, with a checksum by which the reader knows that it is whole. It becomes a plain shared library; as an
extension of Python, which FFCx makes of it, it takes twice as long, most of that for Python's headers.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import dolfinx.jit
import ffcx.compiler
import ffcx.options
from ffcx.codegeneration import jit
from mpi4py import MPI

SUFFIX = ".so"

HEADERS = f"-I{Path(jit.__file__).parent}"
"""Where ufcx.h is."""

BEGUN, ABANDONED = "compiling-", 86400.0
"""What the name of a folder begins with in which a form is compiled, and seconds after which nobody is."""


@dataclass(frozen=True)
class Library:
    """What DOLFINx has in place of FFCx's modules."""

    ffi: Any
    """The types of its objects."""
    held: ctypes.CDLL
    """What the objects are in."""


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
    jit._load_objects = loaded


def cached(name: str, objects: Sequence[str], cache: str | Path, timeout: int) -> tuple[Any, Any]:
    """The objects of a compiled library and the library, in place of FFCx's: (None, None) where it is not
    there or not whole."""
    library = Path(cache) / f"{name}{SUFFIX}"
    try:
        if _digest(library) != _told(library).read_text():
            return None, None
        return loaded(cache, name, objects)
    except (OSError, ValueError):
        return None, None


def loaded(cache: str | Path, name: str, objects: Sequence[str]) -> tuple[list[Any], Library]:
    """The objects of a library that is there and the library, in place of FFCx's."""
    library = Library(_types(), ctypes.CDLL(str(Path(cache) / f"{name}{SUFFIX}")))
    kind = "ufcx_expression *" if "_expressions_" in name else "ufcx_form *"
    places = [ctypes.addressof(ctypes.c_char.in_dll(library.held, each)) for each in objects]
    return [library.ffi.cast(kind, place)[0] for place in places], library


@functools.cache
def _types() -> Any:
    """Those that FFCx declares."""
    ffi = cffi.FFI()
    ffi.cdef(jit.UFC_HEADER_DECL.format("float64"))
    ffi.cdef(jit.UFC_INTEGRAL_DECL + jit.UFC_FORM_DECL + jit.UFC_EXPRESSION_DECL)
    return ffi


def compiled(
    declared: str,
    forms: Any,
    objects: Any,
    name: str,
    options: Any,
    cache: Path,
    flags: Sequence[str],
    verbose: bool,
    debug: bool,
    libraries: Sequence[str] | None,
    visualise: bool = False,
) -> str:
    """Compile a library into the cache, in place of FFCx's; returns its code.

    Raises RuntimeError with what the compiler says.
    """
    files, _ = ffcx.compiler.compile_ufl_objects(forms, namespace=name, options=options, visualise=visualise)
    code: str = files[1]
    with tempfile.TemporaryDirectory(prefix=BEGUN, dir=cache) as folder:
        source, library = (Path(folder) / f"{name}{ending}" for ending in (".c", SUFFIX))
        source.write_text(code)
        linked = [f"-l{each}" for each in ("m", *(libraries or ()))]
        given = [*shlex.split(os.environ.get("CFLAGS", "")), "-std=c17", *flags, *["-g"] * debug]
        said = _call([*given, "-shared", "-fPIC", HEADERS, source, "-o", library, *linked])
        if verbose:
            print(said)
        _told(library).write_text(_digest(library))
        for part in (_told(library), library):
            part.replace(cache / part.name)
    return code


def _call(words: Sequence[str | Path]) -> str:
    """What the C compiler says, that of $CC or the one that Python was built with."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        done = subprocess.run([*compiler, *words], capture_output=True, text=True)
    except FileNotFoundError:
        found = f"found no C compiler {compiler[0]}"
        raise RuntimeError(f"{found}, expected one to compile forms: CC=... names another") from None
    if done.returncode:
        raise RuntimeError(f"the C compiler {compiler[0]} failed: {done.stderr.strip()}")
    return done.stdout + done.stderr


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
