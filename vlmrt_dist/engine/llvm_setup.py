"""Install or unpack the libraries that Dr.Jit needs and a machine lacks.

Run as ``python -m vlmrt_dist.engine.llvm_setup``.

No wheel carries a libLLVM that Dr.Jit can load, so it comes from Debian's or Ubuntu's package
sources: installed when this is root, else unpacked into the virtual environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vlmrt_dist.engine.llvm import (
    BESIDE_LLVM,
    LLVM_VARIANT,
    MIN_VERSION,
    PATH_VARIABLE,
    LlvmLibrary,
    choose_variant,
    count_gpus,
    loads,
    unpack_folder,
    use_llvm,
)
from vlmrt_dist.errors import EngineUnavailable

Wanted = Sequence[Sequence[str]]
"""Choices of packages: of each the first that there is."""

PACKAGES = ("libllvm22", "libllvm21", "libllvm20", "libllvm19")
"""Debian's and Ubuntu's packages of a usable LLVM, the most wanted first."""


def set_up() -> LlvmLibrary | None:
    """Provide the libraries that Dr.Jit needs and its wheel does not bring.

    Missing ones are installed by root; any other user unpacks them, with their dependencies, into
    :func:`unpack_folder`.

    :returns: the libLLVM that will be used; None where a GPU computes and there is none
    :raises EngineUnavailable: neither was possible; the message names the one command to run
    """
    on_cpu = choose_variant() == LLVM_VARIANT
    wanted: list[Sequence[str]] = [] if use_llvm() or not on_cpu else [PACKAGES]
    if not loads(BESIDE_LLVM):
        wanted.append(("libatomic1",))
    if wanted:
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise EngineUnavailable(_remedy("this machine has no apt-get"))
        try:
            if os.geteuid() == 0:
                _install(wanted)
            else:
                _unpack(wanted)
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout or "").strip().splitlines()[-1:] or ["no word why"]
            raise EngineUnavailable(_remedy(f"apt-get failed: {last[0]}")) from error
    library = use_llvm()
    if (on_cpu and library is None) or not loads(BESIDE_LLVM):
        raise EngineUnavailable(_remedy("what apt-get gave does not load"))
    return library


def _install(wanted: Wanted) -> None:
    for lists_are_fresh in (False, True):
        if lists_are_fresh:
            _run("apt-get", "-q", "update")
        names = _pick(wanted)
        if not names:
            continue
        print(f"Installing {', '.join(names)} ...", flush=True)
        try:
            _run("apt-get", "-q", "-y", "--no-install-recommends", "install", *names)
            return
        except subprocess.CalledProcessError:
            if lists_are_fresh:
                raise
    raise EngineUnavailable(_remedy("no package source has it"))


def _unpack(wanted: Wanted) -> None:
    target = unpack_folder()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        # Lists that an ordinary user may write, for where the system's are empty or too old.
        own_lists = [
            *("-o", f"Dir::State::Lists={scratch}/lists"),
            *("-o", f"Dir::Cache={scratch}/cache"),
            *("-o", "Debug::NoLocking=1"),
        ]
        try:
            names = _download(wanted, scratch, [])
        except subprocess.CalledProcessError:
            names = []
        if not names:
            for folder in ("lists/partial", "cache/archives/partial"):
                Path(scratch, folder).mkdir(parents=True)
            _run("apt-get", "-q", *own_lists, "update")
            names = _download(wanted, scratch, own_lists)
        if not names:
            raise EngineUnavailable(_remedy("no package source has it"))
        print(f"Unpacking {', '.join(names)} into {target} ...", flush=True)
        unpacked = Path(scratch, "unpacked")
        for archive in Path(scratch).glob("*.deb"):
            _run("dpkg-deb", "-x", str(archive), str(unpacked))
        final = target / "-".join(choice[0] for choice in wanted)
        shutil.rmtree(final, ignore_errors=True)
        unpacked.rename(final)


def _download(wanted: Wanted, folder: str, options: Sequence[str]) -> list[str]:
    """Download what is wanted, and all that it needs that is not installed. Returns the names."""
    names = _pick(wanted, options)
    if not names:
        return []
    plan = _run("apt-get", "-s", *options, "--no-install-recommends", "install", *names)
    needed = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")] or names
    if any(package.split(":")[0] == "libc6" for package in needed):
        # A second C library in one process ends in a crash.
        raise EngineUnavailable(_remedy("it needs a newer C library than this machine's"))
    _run("apt-get", "-q", *options, "download", *needed, folder=folder)
    return needed


def _pick(wanted: Wanted, options: Sequence[str] = ()) -> list[str]:
    """Of each choice the first package that the lists know; empty when one choice has none."""
    listing = _run("apt-cache", *options, "pkgnames", "lib")
    known = set(listing.split())
    picked = [next((name for name in choice if name in known), None) for choice in wanted]
    return [name for name in picked if name] if None not in picked else []


def _run(*command: str, folder: str | None = None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=folder, env=environment
    )
    return done.stdout


def _remedy(why: str) -> str:
    commands = {
        "apt-get": f"apt-get install {PACKAGES[-1]} libatomic1",
        "dnf": "dnf install llvm-libs libatomic",
        "zypper": "zypper install libLLVM19 libatomic1",
        "pacman": "pacman -S llvm-libs",
    }
    command = next((text for tool, text in commands.items() if shutil.which(tool)), "")
    how = f"Run: sudo {command}" if command else "Install both."
    return (
        f"Dr.Jit needs LLVM {MIN_VERSION} or newer and {BESIDE_LLVM}, and this could not be set up "
        f"({why}). {how}\n(or name a libLLVM that you have: export {PATH_VARIABLE}=…)"
    )


def main() -> int:
    """Set the engine up and say what it will use; 1, with the remedy on standard error, if none."""
    try:
        library = set_up()
        if choose_variant() == LLVM_VARIANT:
            print(f"Engine: CPU, compiled by {library}.")
        else:
            print(f"Engine: CUDA on {count_gpus()} GPU(s); LLVM is not needed.")
    except EngineUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
