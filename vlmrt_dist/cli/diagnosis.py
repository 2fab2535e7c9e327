"""``vlmrt doctor``: what was found on this machine, and what to do when the engine cannot run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlmrt_dist import __version__
from vlmrt_dist.command_line import described, leave
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import (
    OPEN_REMEDY,
    SECRETS,
    asks_for_token,
    host_and_port,
    is_this_machine,
)
from vlmrt_dist.engine import (
    CUDA_VARIANT,
    KERNELS_VARIABLE,
    choose_variant,
    count_gpus,
    find_llvm,
    use_llvm,
)
from vlmrt_dist.errors import ActorFailure, EngineUnavailable

Status = Literal["ok", "info", "warn", "fail"]

_ENGINE_SECONDS = 120
_STYLE = {"ok": "green", "info": "cyan", "warn": "yellow", "fail": "bold red"}

# Maximum and minimum are what LLVM 15 to 18 abort on; the ray needs Embree or OptiX.
_TRY_ENGINE = """
import json, sys, time
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.errors import EngineUnavailable
try:
    variant = prepare_engine()
except EngineUnavailable as error:
    print(json.dumps({"unavailable": str(error)}))
    sys.exit()
start = time.perf_counter()
import drjit as dr, mitsuba as mi
mi.set_variant(variant)
x = dr.maximum(dr.opaque(mi.Float, 3.0, 1024), 0.5) + dr.minimum(dr.opaque(mi.Float, 4.0, 1024), 9)
scene = mi.load_dict({"type": "scene", "ball": {"type": "sphere"}})
hit = scene.ray_intersect(mi.Ray3f(mi.Point3f(0, 0, -3), mi.Vector3f(0, 0, 1)))
print(json.dumps({"sum": dr.sum(x)[0], "distance": hit.t[0], "variant": variant,
                  "seconds": time.perf_counter() - start}))
"""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    :param name: what was looked at
    :param status: "fail" only where nothing can be computed on this machine
    :param found: what is there
    :param remedy: what to do about it; empty where nothing is to be done
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def diagnose(address: str | None = None) -> list[Check]:
    """Look at everything an estimation needs; the engine is tried in a process of its own.

    :param address: a Ray cluster to look at as well
    Nothing here raises, initialises CUDA in this process, or shows the value of a key.
    """
    return [
        _package(),
        Check("Python", "info", f"{platform.python_version()}, {sys.executable}"),
        _compiler(),
        _engine(),
        _gpus(),
        _ray(),
        _cores(),
        _memory(),
        _keys(),
        *([check_cluster(address)] if address else []),
    ]


def render(checks: Sequence[Check], console: Console) -> None:
    """Print the checks as a table, and below it the remedies."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("what")
    table.add_column("found", overflow="fold")
    for check in checks:
        table.add_row(
            Text(check.status, style=_STYLE[check.status]), Text(check.name), Text(check.found)
        )
    console.print(table)
    for check in checks:
        if check.remedy:
            console.print(Text(f"{check.name}: {check.remedy}", style=_STYLE[check.status]))


@described
def doctor(
    *,
    address: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """State of this machine, with remedies; exit code 1 if the engine cannot run.

    :param address: look at this Ray cluster as well, host:port of its head
    :param as_json: print JSON for programs: usable, and name, status (ok, info, warn or fail),
        found and remedy of each check
    """
    leave(main(address, as_json))


def main(address: str | None = None, as_json: bool = False) -> int:
    """Diagnose and print. Returns 1 when the engine cannot run here, else 0."""
    checks = diagnose(address)
    usable = all(check.status != "fail" for check in checks)
    if as_json:
        print(json.dumps({"usable": usable, "checks": [asdict(c) for c in checks]}, indent=2))
    else:
        render(checks, Console())
    return int(not usable)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _package() -> Check:
    engines = ", ".join(
        f"{name} {_version(name) or 'missing'}" for name in ("sionna-rt", "mitsuba", "drjit")
    )
    complete = "missing" not in engines
    return Check(
        "vlmrt_dist",
        "info" if complete else "fail",
        f"{__version__}, {Path(__file__).parents[1]}; {engines}",
        "" if complete else "run: make setup",
    )


def _compiler() -> Check:
    try:
        library = use_llvm()
    except EngineUnavailable as error:
        return Check("LLVM", "warn", "unusable", str(error))
    if library:
        return Check("LLVM", "ok", str(library))
    old = "; ".join(str(found) for found in find_llvm())
    return Check("LLVM", "warn", f"none that is usable{f' ({old})' if old else ''}")


def _engine() -> Check:
    """Compile and run a small kernel and trace one ray.

    A libLLVM that does not fit ends its process with words that help nobody, so that process is
    not this one and its words are not passed on.
    """
    name = "Engine"
    try:
        variant = choose_variant()
    except EngineUnavailable as error:
        return Check(name, "fail", "none", str(error))
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    try:
        # A kernel cache of its own: one that was compiled earlier would prove nothing.
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                [sys.executable, "-c", _TRY_ENGINE],
                capture_output=True,
                text=True,
                timeout=_ENGINE_SECONDS,
                check=False,
                env={**os.environ, "PYTHONPATH": path, KERNELS_VARIABLE: cache},
            )
    except subprocess.TimeoutExpired:
        return Check(name, "fail", f"{variant}: no answer in {_ENGINE_SECONDS} s", "try again")
    if done.returncode == 0:
        answer = json.loads(done.stdout.splitlines()[-1])
        if "unavailable" in answer:
            return Check(name, "fail", f"{variant}: cannot run", answer["unavailable"])
        right = answer["sum"] == 1024 * 7.0 and abs(answer["distance"] - 2.0) < 1e-3
        found = f"{variant}: a kernel and a ray in {answer['seconds']:.1f} s"
        if right:
            return Check(name, "ok", found)
        return Check(name, "fail", f"{found}, with wrong results", _engine_remedy(variant))
    if done.returncode < 0:
        why = f"its process was ended by signal {-done.returncode}"
    else:
        why = (done.stderr.strip().splitlines() or ["no word why"])[-1]
    return Check(name, "fail", f"{variant}: {why}", _engine_remedy(variant))


def _engine_remedy(variant: str) -> str:
    if variant == CUDA_VARIANT:
        return "update the NVIDIA driver, or compute on the CPU: export VLMRT_VARIANT=llvm"
    return f"set the compiler up again: {sys.executable} -m vlmrt_dist.engine.llvm_setup"


def _gpus() -> Check:
    usable = count_gpus()
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    tool = shutil.which("nvidia-smi")
    listed = _answer([tool, *query]).splitlines() if tool else []
    if usable:
        return Check("GPUs", "ok", "; ".join(listed) or f"{usable}, found through CUDA")
    if listed:
        return Check(
            "GPUs",
            "warn",
            "; ".join(listed) + " (CUDA or OptiX does not answer)",
            "mend the driver (in a container: NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility)",
        )
    return Check("GPUs", "info", "none; the CPU computes")


def _ray() -> Check:
    version = _version("ray")
    if not version:
        remedy = "for actors and clusters: pip install 'vlmrt_dist[ray]'"
        return Check("Ray", "info", "not installed; one process works without", remedy)
    address = os.environ.get("RAY_ADDRESS")
    return Check("Ray", "info", f"{version}, " + (f"cluster at {address}" if address else "local"))


def check_cluster(address: str) -> Check:
    """Whether the cluster at an address answers, and whether it lets strangers in."""
    name = "Cluster"
    try:
        closed = asks_for_token(address)
    except ActorFailure as error:
        return Check(name, "warn", str(error))
    if closed:
        return Check(name, "ok", f"{address} asks for a token")
    host = (host_and_port(address) or (address, 0))[0]
    if is_this_machine(host):
        return Check(name, "info", f"{address}, on this machine, asks nobody for a token")
    return Check(name, "warn", f"{address} answers without a token", OPEN_REMEDY)


def _cores() -> Check:
    return Check("Cores", "info", f"{usable_cores()} usable of {os.cpu_count()}")


def _memory() -> Check:
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = (os.sysconf(k) * page / 2**30 for k in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    return Check("Memory", "info", f"{total:.1f} GiB, {free:.1f} GiB of it free")


def _keys() -> Check:
    present = [name for name in SECRETS if os.environ.get(name)]
    return Check("API keys", "info", ", ".join(present) or f"none ({' or '.join(SECRETS)})")


def _answer(command: Sequence[str]) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=True
        ).stdout.strip()
    except (subprocess.SubprocessError, OSError):
        return ""
