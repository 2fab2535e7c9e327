"""What a GPU does differently from the CPU, checked and timed in a few minutes.

Each part is run by itself, so that one that fails does not hide the others; nothing is begun that
may not end in time. On the CPU the same parts run as a rehearsal.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import ActorObjective, ActorOptions
from vlmrt_dist.engine import choose_variant, count_gpus, engine_versions
from vlmrt_dist.errors import NumericalError, VlmrtError
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import OWN_MARK, Ledger
from vlmrt_dist.studies.benchmarks.engine_timing import median_seconds
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.runs import run

TOLERANCE = 1e-6
"""Largest relative difference of replayed losses and gradients from the CPU's."""

SECONDS = 330.0
"""Parts that are not begun after this time are left out [s]."""

_PERTURBATION = 0.2


@dataclass(frozen=True)
class CheckedPart:
    """Outcome of one part.

    :param state: "passed", "failed" or "left out"
    :param text: what was found
    :param times: seconds by what took them
    """

    name: str
    state: str
    text: str
    seconds: float
    times: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class GpuCheck:
    """The paper's room with random positions, on which all parts are run.

    :param max_depth: most interactions of a path
    :param vectors: parameter vectors side by side
    :param repeats: calls whose median is a time
    :param points: estimations of the small study
    """

    max_depth: int = 4
    vectors: int = 64
    repeats: int = 20
    points: int = 8

    @cached_property
    def scene(self) -> SceneModel:
        """The paper's room, K = 9."""
        return box_room()

    @cached_property
    def radio(self) -> RadioConfig:
        """Every path up to the depth."""
        return RadioConfig(max_depth=self.max_depth)

    @cached_property
    def campaign(self) -> Campaign:
        """Positions, M = 3, N = 8."""
        return random_campaign(self.scene, 3, 8, seed=0)

    @cached_property
    def theta(self) -> FloatArray:
        """[S, K] conductivities [S/m]."""
        itu = self.scene.conductivity(self.radio.frequency)
        rng = np.random.default_rng(0)
        width = (1.0 - _PERTURBATION, 1.0 + _PERTURBATION)
        return np.asarray(itu * rng.uniform(*width, (self.vectors, len(itu))))

    @cached_property
    def measured(self) -> FloatArray:
        """[1, M, N] received powers [W]; any will do."""
        return np.full((1, *self.campaign.present.shape), 1e-8)

    @cached_property
    def table(self) -> Any:
        """All paths."""
        from vlmrt_dist.field import trace

        return trace(self.scene, self.campaign, self.radio, cache=False)

    @property
    def gpus(self) -> float:
        """Share of a GPU that each of two actors gets."""
        return 0.5 if choose_variant().startswith("cuda") else 0.0

    def run(self, tell: Callable[[CheckedPart], None] = lambda part: None) -> list[CheckedPart]:
        """All parts, one after another.

        :param tell: called with each when it has ended
        """
        parts = {
            "device": self.device,
            "exact search": self.search,
            "replay": self.replay,
            "retrace": self.retrace,
            "pinned actors": self.actors,
            "small study": self.study,
        }
        begin = time.perf_counter()
        found = []
        for name, part in parts.items():
            left = SECONDS - (time.perf_counter() - begin)
            found.append(_checked(name, part, left))
            tell(found[-1])
        return found

    def device(self) -> tuple[str, dict[str, float]]:
        """The variant that is in use, and how long a first kernel takes."""
        begin = time.perf_counter()
        from vlmrt_dist.paths import VARIANT, dr, mi

        loaded = time.perf_counter() - begin
        total = float(dr.sum(dr.arange(mi.Float, 1000))[0])
        if total != 499_500.0 or mi.variant() != choose_variant():
            raise NumericalError(f"{mi.variant()} adds 0 to 999 up to {total:g}")
        kernel = time.perf_counter() - begin - loaded
        return f"{VARIANT}, {count_gpus()} GPUs", {"import": loaded, "first kernel": kernel}

    def search(self) -> tuple[str, dict[str, float]]:
        """The exact search on the CPU, which feeds everything else."""
        begin = time.perf_counter()
        paths = self.table.num_paths
        first = time.perf_counter() - begin
        if paths == 0 or self.table.certificate != self.max_depth:
            raise NumericalError(f"{paths} paths, complete to depth {self.table.certificate}")
        text = f"{paths} paths, complete to depth {self.max_depth}"
        return text, {"with compiling": first, "search": float(self.table.seconds_in_solver.sum())}

    def replay(self) -> tuple[str, dict[str, float]]:
        """Losses and gradients of this device beside those of an actor on the CPU."""
        from vlmrt_dist.field import ReplayObjective

        here = ReplayObjective(self.scene, self.campaign, self.radio, self.table, self.measured)
        found = here.value_and_grad(self.theta)
        alone = ActorOptions(num_gpus=0.0, study="gpu-check", cache=False)
        with ActorObjective(self.scene, self.campaign, self.radio, measured=self.measured,
                            workers=alone) as reference:  # fmt: skip
            expected = reference.value_and_grad(self.theta)
            device = reference.describe()[0].device
        worst = max(_difference(*pair) for pair in zip(found, expected, strict=True))
        if not worst <= TOLERANCE:
            raise NumericalError(f"differs from {device} by {worst:.1e}, more than {TOLERANCE:g}")
        times = {
            f"step, S = {len(some)}": median_seconds(
                partial(here.value_and_grad, some), self.repeats
            )
            for some in (self.theta[:1], self.theta)
        }
        return f"equal to {device} to {worst:.1e}", times

    def retrace(self) -> tuple[str, dict[str, float]]:
        """One differentiated solve, as the paper's Algorithm 1 does in every step."""
        from vlmrt_dist.field import RetraceObjective

        objective = RetraceObjective(
            self.scene, self.campaign, RadioConfig.paper(max_depth=min(self.max_depth, 2)),
            self.measured,
        )  # fmt: skip
        begin = time.perf_counter()
        loss, gradient = objective.value_and_grad(self.theta[:1])
        first = time.perf_counter() - begin
        if not (np.isfinite(loss).all() and np.abs(gradient).max() > 0.0):
            raise NumericalError("its gradient is zero or not finite")
        begin = time.perf_counter()
        objective.value_and_grad(self.theta[:1])
        return "a finite gradient", {"first step": first, "step": time.perf_counter() - begin}

    def actors(self) -> tuple[str, dict[str, float]]:
        """Two actors that share a GPU, with the bits of this process."""
        from vlmrt_dist.field import ReplayObjective

        here = ReplayObjective(self.scene, self.campaign, self.radio, self.table, self.measured)
        workers = ActorOptions(num_actors=2, num_gpus=self.gpus, study="gpu-check", cache=False)
        begin = time.perf_counter()
        with ActorObjective(self.scene, self.campaign, self.radio, measured=self.measured,
                            workers=workers) as shared:  # fmt: skip
            start = time.perf_counter() - begin
            pairs = zip(shared.value_and_grad(self.theta), here.value_and_grad(self.theta),
                        strict=True)  # fmt: skip
            if not all(np.array_equal(*pair) for pair in pairs):
                raise NumericalError("two actors have other bits than one process")
            step = median_seconds(lambda: shared.value_and_grad(self.theta[:1]), self.repeats)
            devices = sorted({each.device for each in shared.describe()})
        text = f"2 actors of {self.gpus:g} GPUs each on {', '.join(devices)}, same bits"
        return text, {"start": start, "step, S = 1": step}

    def study(self) -> tuple[str, dict[str, float]]:
        """Random positions, exact paths, least squares, a row each, by two actors."""
        points = [
            Point("gpu_check", self.scene, random_campaign(self.scene, 3, 8, seed=k),
                  self.radio, ("levenberg_marquardt",), "itu", "same_paths", seeds=(0,))
            for k in range(self.points)
        ]  # fmt: skip
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rows = run(points, Ledger(folder), workers=ActorOptions(2, num_gpus=self.gpus))
        seconds = time.perf_counter() - begin
        error = float(np.median([row.mre for row in rows]))
        if len(rows) != self.points or not error < 0.1:
            raise NumericalError(f"{len(rows)} rows of {self.points}, median error {error:.2g}")
        text = f"{len(rows)} rows, median error {error:.1e}"
        return text, {"all": seconds, "fit of one": float(np.median([r.seconds_fit for r in rows]))}


def _checked(
    name: str, part: Callable[[], tuple[str, dict[str, float]]], left: float
) -> CheckedPart:
    if left <= 0.0:
        return CheckedPart(name, "left out", f"more than {SECONDS:g} s have passed", 0.0)
    begin = time.perf_counter()
    try:
        text, times = part()
        state = "passed"
    except (VlmrtError, ImportError, RuntimeError, ValueError, OSError) as error:
        # The others still run: what the device can do is what is asked.
        state, text, times = "failed", f"{type(error).__name__}: {str(error)[:300]}", {}
    return CheckedPart(name, state, text, time.perf_counter() - begin, times)


def _difference(found: FloatArray, expected: FloatArray) -> float:
    """Largest difference, as a share of the largest value of the same parameter vector."""
    scale = np.abs(expected).reshape(len(expected), -1).max(axis=1)
    apart = np.abs(found - expected).reshape(len(expected), -1).max(axis=1)
    return float((apart / np.where(scale > 0.0, scale, 1.0)).max())


def machine() -> dict[str, str]:
    """Names of the GPUs, their driver, the processor, and versions."""
    names = "none"
    if choose_variant().startswith("cuda") and (tool := shutil.which("nvidia-smi")):
        query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
        names = "; ".join(done.stdout.splitlines()) or "unknown"
    versions = ", ".join(f"{name} {number}" for name, number in engine_versions().items())
    return {
        "variant": choose_variant(),
        "GPU": names,
        "processor": f"{_processor()}, {usable_cores()} cores",
        "versions": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = next((line for line in file if line.startswith("model name")), "")
    except OSError:
        found = ""
    return found.partition(":")[2].strip() or platform.machine()


def check_as_json(parts: list[CheckedPart], where: dict[str, str]) -> bytes:
    """JSON object of all parts and the machine."""
    document = {"program": OWN_MARK, "machine": where, "parts": [vars(part) for part in parts]}
    return (json.dumps(document, indent=1) + "\n").encode()


def check_as_markdown(parts: list[CheckedPart], where: dict[str, str]) -> bytes:
    """The same as tables."""
    rehearsed = not where["variant"].startswith("cuda")
    lines = [f"# Check of {'the CPU, a rehearsal: CUDA was not run' if rehearsed else 'a GPU'}", ""]
    lines += [f"- {name}: {text}" for name, text in {**where, "program": OWN_MARK}.items()]
    lines += ["", "| part | | found | s |", "|---|---|---|---|"]
    lines += [f"| {p.name} | {p.state} | {p.text} | {p.seconds:.1f} |" for p in parts]
    lines += ["", "| time of | s |", "|---|---|"]
    lines += [f"| {p.name}: {what} | {t:.3g} |" for p in parts for what, t in p.times.items()]
    return ("\n".join(lines) + "\n").encode()
