"""The device that Dr.Jit computes on: a GPU, or the CPU by a libLLVM that is chosen here.

Dr.Jit compiles its CPU kernels with a libLLVM shared library that it loads when it is imported,
and takes the first one on the loader's path. LLVM 14 is refused there, and 15 to 18 abort the
whole process (``LLVM ERROR: Cannot select``) on processors with AVX-512; 19 and newer work. So the
choice is made here, by standard library means only, and handed over in ``DRJIT_LIBLLVM_PATH``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlmrt_dist.errors import EngineUnavailable

MIN_VERSION = 19
"""Oldest major version of LLVM that compiles Sionna's kernels on every processor."""

LEAST_ADDRESS_SPACE = 2.5e9
"""Address space that compilers and their libraries need [bytes]; with 2e9 they do not load or end
the process."""

BESIDE_LLVM = "libatomic.so.1"
"""A library that Dr.Jit's wheel needs besides and a minimal Debian lacks."""

CUDA_VARIANT = "cuda_ad_mono_polarized"
LLVM_VARIANT = "llvm_ad_mono_polarized"

PATH_VARIABLE = "DRJIT_LIBLLVM_PATH"
VARIANT_VARIABLE = "VLMRT_VARIANT"
KERNELS_VARIABLE = "DRJIT_CACHE_DIR"

_PROBE_SECONDS = 60
_FILE_NAME = re.compile(r"libLLVM(?:-(?P<dashed>\d[\d.]*))?\.so(?:\.(?P<dotted>\d[\d.]*))?")

_ASK_VERSION = """
import ctypes, sys
v = [ctypes.c_uint() for _ in range(3)]
ctypes.CDLL(sys.argv[1]).LLVMGetVersion(*map(ctypes.byref, v))
print(*(x.value for x in v))
"""

# libnvoptix: Mitsuba's CUDA variants trace rays with OptiX, which containers often leave out.
_COUNT_GPUS = """
import ctypes, os
cuda = ctypes.CDLL(os.environ.get("DRJIT_LIBCUDA_PATH") or "libcuda.so.1")
ctypes.CDLL(os.environ.get("DRJIT_LIBOPTIX_PATH") or "libnvoptix.so.1")
count = ctypes.c_int()
assert cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
print(count.value)
"""


@dataclass(frozen=True)
class LlvmLibrary:
    """One libLLVM on this machine.

    :param path: the file as it was found, symbolic links not resolved
    :param version: (major, minor, patch) as far as the file name tells
    """

    path: Path
    version: tuple[int, ...]

    @property
    def usable(self) -> bool:
        """Whether the version is new enough for Dr.Jit and Sionna."""
        return bool(self.version) and self.version[0] >= MIN_VERSION

    @property
    def label(self) -> str:
        """``LLVM 19.1``, say."""
        return f"LLVM {'.'.join(map(str, self.version)) or '(version unknown)'}"

    def __str__(self) -> str:
        return f"{self.label}, {self.path}"


def unpack_folder() -> Path:
    """Folder that the set-up unpacks Debian's packages into when it may not install them."""
    return Path(sys.prefix) / "lib" / "llvm"


def version_from_name(name: str) -> tuple[int, ...] | None:
    """Version in a libLLVM file name, or None where the name carries none.

    >>> version_from_name("libLLVM.so.19.1"), version_from_name("libLLVM-15.so.1")
    ((19, 1), (15,))
    >>> version_from_name("libLLVM.so") is None
    True
    """
    match = _FILE_NAME.fullmatch(name)
    digits = match and (match["dashed"] or match["dotted"])
    return tuple(int(part) for part in digits.split(".") if part) if digits else None


def library_version(path: Path) -> tuple[int, ...]:
    """Version of a libLLVM: from its file name, else its own answer in a separate process.

    :returns: empty when the file cannot be loaded, or is too old to know its version (before 16)
    """
    for name in (path.resolve().name, path.name):
        if version := version_from_name(name):
            return version
    answer = _probe(_ASK_VERSION, str(path))
    return tuple(int(part) for part in answer.split()) if answer else ()


def find_llvm(folders: list[Path] | None = None) -> list[LlvmLibrary]:
    """Every libLLVM of this machine, the newest first; nothing is loaded into this process.

    :param folders: where to look; None: the environment's own unpacked one, the loader's cache,
        and the usual library folders
    """
    seen: dict[Path, LlvmLibrary] = {}
    for path in _candidates(folders):
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        if real not in seen:
            seen[real] = LlvmLibrary(path, library_version(path))
    # A stable sort: of two equal versions the one that was looked for first stays first.
    return sorted(seen.values(), key=lambda library: library.version, reverse=True)


def loads(library: str) -> bool:
    """Whether the loader opens a shared library, named by its path or by its name alone."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def use_llvm() -> LlvmLibrary | None:
    """Choose the newest usable libLLVM and name it to Dr.Jit, which must not be imported yet.

    Calling it again, or in a child process, changes nothing. The library is opened here, with the
    libraries it needs before it, so that one which cannot be loaded is passed over.

    :returns: what was taken, None when this machine has no usable one
    :raises EngineUnavailable: ``DRJIT_LIBLLVM_PATH`` names a library that does not work, or drjit
        was imported before with one that does not
    """
    if "drjit" in sys.modules:
        return _already_loaded()
    _open_unpacked()
    if named := os.environ.get(PATH_VARIABLE):
        library = LlvmLibrary(Path(named), library_version(Path(named)))
        problem = _open(library)
        if problem:
            raise EngineUnavailable(
                f"{PATH_VARIABLE} names {named}, which cannot be used: {problem}. "
                f"Unset it, or name an LLVM {MIN_VERSION} or newer."
            )
        return library
    for library in find_llvm():
        if library.usable and not _open(library):
            os.environ[PATH_VARIABLE] = str(library.path)
            return library
    return None


@functools.cache
def count_gpus() -> int:
    """NVIDIA GPUs that can run Sionna; CUDA is asked in a separate process, never in this one."""
    answer = _probe(_COUNT_GPUS)
    return int(answer) if answer and answer.strip().isdigit() else 0


def choose_variant() -> str:
    """Mitsuba variant for this machine: CUDA where an NVIDIA GPU works, else LLVM.

    ``VLMRT_VARIANT`` (``cuda``, ``llvm`` or a variant's full name) decides when it is set.

    :raises EngineUnavailable: ``VLMRT_VARIANT`` is none of these, or wants a GPU that is not there
    """
    wanted = os.environ.get(VARIANT_VARIABLE, "")
    names = {"": "", "cuda": CUDA_VARIANT, "llvm": LLVM_VARIANT}
    variant = names.get(wanted, wanted)
    if variant not in ("", CUDA_VARIANT, LLVM_VARIANT):
        raise EngineUnavailable(f"{VARIANT_VARIABLE}={wanted!r} is unknown; say cuda or llvm.")
    if variant == CUDA_VARIANT and not count_gpus():
        raise EngineUnavailable(
            f"{VARIANT_VARIABLE} asks for CUDA, but no NVIDIA GPU with CUDA and OptiX answers "
            "here. Unset it, or repair the driver (in a container: "
            "NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility)."
        )
    return variant or (CUDA_VARIANT if count_gpus() else LLVM_VARIANT)


def check_address_space() -> None:
    """Refuse a limit of memory under which compilers end the process without a word.

    :raises EngineUnavailable: if the limit is below :data:`LEAST_ADDRESS_SPACE`
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise EngineUnavailable(
            f"a process may have {limit / 1e9:.2g} GB of address space here (ulimit -v), and the "
            f"compilers of paths and kernels need {LEAST_ADDRESS_SPACE / 1e9:g} GB; raise it with "
            "ulimit -v unlimited, or ask the batch system for more memory"
        )


def prepare_engine() -> str:
    """Choose device and libLLVM; to be called before drjit or mitsuba is imported.

    :returns: the Mitsuba variant to set
    :raises EngineUnavailable: neither a GPU nor a usable libLLVM; the message says what to do
    """
    check_address_space()
    variant = choose_variant()
    if "drjit" not in sys.modules:
        _keep_kernels()
    if variant == CUDA_VARIANT and "drjit" in sys.modules:
        return variant
    # With CUDA too: Dr.Jit opens some libLLVM at import all the same, so better a good one.
    library = use_llvm()
    missing = None
    if variant == LLVM_VARIANT and library is None:
        old = ", ".join(str(found) for found in find_llvm()) or "none at all"
        missing = f"an NVIDIA GPU or LLVM {MIN_VERSION} or newer (found: {old})"
    elif not loads(BESIDE_LLVM):
        missing = BESIDE_LLVM
    if missing:
        raise EngineUnavailable(
            f"Dr.Jit needs {missing}. To get it: {sys.executable} -m vlmrt_dist.engine.llvm_setup"
        )
    return variant


def _keep_kernels() -> None:
    """Let Dr.Jit keep its kernels in the package's cache folder, which has a limit, unless
    ``DRJIT_CACHE_DIR`` names another one."""
    from vlmrt_dist.store import cache_folder, trim_cache

    # Without a home, or where nothing can be written, Dr.Jit finds its own way.
    with contextlib.suppress(OSError, RuntimeError):
        folder = cache_folder() / "kernels"
        if KERNELS_VARIABLE not in os.environ:
            folder.mkdir(parents=True, exist_ok=True)
            os.environ[KERNELS_VARIABLE] = str(folder)
        if os.environ[KERNELS_VARIABLE] == str(folder):
            trim_cache()


def _candidates(folders: list[Path] | None) -> Iterator[Path]:
    """Files that may be a libLLVM, the most trusted place first."""
    if folders is None:
        yield from sorted(unpack_folder().rglob("libLLVM*.so*"))
        yield from _loader_cache()
        folders = [Path(sys.prefix) / "lib", *_system_folders()]
    for folder in folders:
        if folder.is_dir():
            yield from (p for p in sorted(folder.glob("libLLVM*.so*")) if _FILE_NAME.match(p.name))


def _loader_cache() -> Iterator[Path]:
    # An ordinary user's PATH often has no sbin.
    ldconfig = shutil.which("ldconfig") or shutil.which("ldconfig", path="/usr/sbin:/sbin")
    if ldconfig:
        listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False)
        for line in listing.stdout.splitlines():
            name, arrow, path = line.strip().partition(" => ")
            if arrow and name.startswith("libLLVM"):
                yield Path(path)


def _system_folders() -> list[Path]:
    usr = Path("/usr")
    return [
        *sorted(usr.glob("lib/llvm-*/lib"), reverse=True),
        *(Path(f) for f in os.environ.get("LD_LIBRARY_PATH", "").split(":") if f),
        *sorted(usr.glob("lib/*-linux-gnu")),
        usr / "lib64",
        usr / "lib",
        usr / "local" / "lib",
    ]


def _open(library: LlvmLibrary) -> str:
    """Load the library as Dr.Jit will. Returns what is wrong with it, empty when nothing is."""
    if not library.path.is_file():
        return "there is no such file"
    if not library.usable:
        return f"it is {library.label}, and {MIN_VERSION} is the oldest that works"
    major, rest = ctypes.c_uint(), ctypes.c_uint()
    try:
        ctypes.CDLL(str(library.path)).LLVMGetVersion(
            ctypes.byref(major), ctypes.byref(rest), ctypes.byref(rest)
        )
    except (OSError, AttributeError) as error:
        return str(error)
    return "" if major.value >= MIN_VERSION else f"it is LLVM {major.value} under another name"


def _open_unpacked() -> None:
    """Load the libraries that the set-up unpacked because this machine lacks them, libLLVM apart.

    The loader does not look into that folder, and reads LD_LIBRARY_PATH only when a process
    starts; but it takes by its name what is open already. The libraries need each other too, and
    their order is found by trying: one that comes too early fails cleanly and has another turn.
    """
    waiting = [
        path
        for path in unpack_folder().rglob("lib*.so.*")
        if path.is_file() and not path.is_symlink() and not _FILE_NAME.match(path.name)
    ]
    while waiting:
        failed = [path for path in waiting if not loads(str(path))]
        if len(failed) == len(waiting):
            return
        waiting = failed


def _already_loaded() -> LlvmLibrary:
    """The library that Dr.Jit loaded when it was imported; it cannot be changed any more."""
    drjit = sys.modules["drjit"]
    path = Path(os.environ.get(PATH_VARIABLE) or "libLLVM.so")
    version: tuple[int, ...] = ()
    if drjit.has_backend(drjit.JitBackend.LLVM):
        version = tuple(drjit.detail.llvm_version())
    library = LlvmLibrary(path, version)
    if not library.usable:
        raise EngineUnavailable(
            f"drjit was imported before a libLLVM was chosen, and took {library}. "
            "Call vlmrt_dist.engine.llvm.prepare_engine() before drjit or mitsuba is imported."
        )
    return library


def _probe(code: str, *arguments: str) -> str:
    """Standard output of some Python run in a process of its own; empty when it failed."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return ""
    return done.stdout
