"""The Ray actor of a shared objective: a scene, and the paths of some of the setups."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.distributed.actor_engine import prepare_actor_engine
from vlmrt_dist.distributed.metrics import STUDY_METRICS
from vlmrt_dist.distributed.session import SECRETS
from vlmrt_dist.distributed.watch import announce
from vlmrt_dist.engine import LLVM_VARIANT
from vlmrt_dist.field import (
    Engine,
    Levels,
    LinkOffsets,
    Materials,
    Observed,
    Parameter,
    PowerLoss,
    ValueAndGrad,
)
from vlmrt_dist.paths import NOT_PROVEN, Poses
from vlmrt_dist.scene import SceneModel

if TYPE_CHECKING:
    from vlmrt_dist.field import Objective


class ActorInfo(NamedTuple):
    """Contents of one actor.

    :param setups: first setup, and the one after the last
    :param num_paths: stored paths (0 with the retrace engine, which stores none)
    :param complete_to: depth to which the path sets hold every path; -1: sampled
    :param num_fragile: paths within 0.1 mm of an edge
    :param trace_seconds: time that tracing, or loading the scene, took [s]
    :param device: Mitsuba variant that computes, with the GPU or the threads it has
    :param node: host name of the machine
    :param pid: process identifier there
    """

    setups: tuple[int, int]
    num_paths: int
    complete_to: int
    num_fragile: int
    trace_seconds: float
    device: str
    node: str
    pid: int


class SceneActor:
    """The work of one Ray actor: a scene, and the paths of some setups of a campaign.

    A failure to build is kept and raised by every method, because Ray would reduce an exception of
    a constructor to text and give the actor up.

    :param scene: scene of K objects
    :param campaign: the m setups of this actor
    :param radio: radio configuration
    :param engine: "replay" or "retrace"
    :param measured: [S or 1, m, N] received powers [W]
    :param first: number of the first setup within the whole campaign
    :param study: a name for the dashboard
    :param threads: CPU threads of Dr.Jit
    :param gpu: whether Ray gave this actor a GPU or a part of one
    :param cache: read and write path tables on disk
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        engine: Engine,
        measured: FloatArray,
        *,
        first: int = 0,
        study: str = "",
        threads: int = 1,
        gpu: bool = False,
        cache: bool = True,
    ) -> None:
        for name in SECRETS:
            os.environ.pop(name, None)
        announce()
        self._label = "/".join(filter(None, (study, scene.name)))
        self._metric_labels = (study or scene.name, str(engine))
        STUDY_METRICS.tell_actor_start(*self._metric_labels)
        self._setups = (first, first + campaign.num_setups)
        self._receivers = campaign.num_receivers
        self._objective: Objective | None = None
        self._info: ActorInfo | None = None
        self._problem: Exception | None = None
        try:
            self._build(scene, campaign, radio, engine, measured, threads, gpu, cache)
        except Exception as error:
            self._problem = error

    def __repr__(self) -> str:
        first, stop = self._setups
        state = f"{self._info.num_paths} paths" if self._info else "failed"
        return f"{self._label}, setups {first + 1} to {stop}, {state}"

    def ready(self) -> ActorInfo:
        """Contents of this actor, when it is built."""
        self._built()
        assert self._info is not None
        return self._info

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """Losses [S, m] and gradients [S, m, K] of conductivities [S, K]."""
        start = time.perf_counter()
        result = self._built().value_and_grad(theta, loss)
        STUDY_METRICS.tell_evaluation(*self._metric_labels, time.perf_counter() - start)
        return result

    def rss(self, theta: FloatArray) -> FloatArray:
        """Received powers [S, m, N] in watts of conductivities [S, K]."""
        return self._built().rss(theta)

    def levels(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        poses: Poses | None = None,
    ) -> Levels:
        """Received powers [m, N] in watts of any materials, and derivatives [m · N, K].

        :param poses: of the whole campaign
        """
        own = None if poses is None else poses.of_setups(slice(*self._setups))
        return self._built().levels(materials, wanted, own)

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        poses: Poses | None = None,
    ) -> Observed:
        """Values of the setups' observables, and their derivatives.

        :param offsets: of the links of all setups, those of other actors too
        """
        first, stop = (m * self._receivers for m in self._setups)
        own = LinkOffsets(*(each[:, first:stop] for each in offsets))
        turned = None if poses is None else poses.of_setups(slice(*self._setups))
        return self._built().observe(materials, wanted, own, turned)

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """Received powers [m, N] in watts, and derivatives [m · N, K] of the levels by ln σ."""
        return self._built().log_jacobian(theta)

    def _built(self) -> Objective:
        if self._problem is not None:
            raise self._problem
        assert self._objective is not None
        return self._objective

    def _build(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        engine: Engine,
        measured: FloatArray,
        threads: int,
        gpu: bool,
        cache: bool,
    ) -> None:
        variant = prepare_actor_engine(threads=threads, gpu=gpu)
        start = time.perf_counter()
        from vlmrt_dist.field import ReplayObjective, RetraceObjective

        num_paths, complete_to, num_fragile = 0, NOT_PROVEN, 0
        if engine == "retrace":
            self._objective = RetraceObjective(scene, campaign, radio, measured)
        else:
            from vlmrt_dist.field import trace

            table = trace(scene, campaign, radio, cache=cache, threads=threads)
            num_paths, num_fragile = table.num_paths, table.num_fragile
            complete_to = table.certificate
            self._objective = ReplayObjective(scene, campaign, radio, table, measured)
        STUDY_METRICS.tell_tracing(*self._metric_labels, num_paths, time.perf_counter() - start)
        on_cpu = variant == LLVM_VARIANT
        held = f"{threads} threads" if on_cpu else os.environ.get("CUDA_VISIBLE_DEVICES", "any")
        self._info = ActorInfo(
            self._setups,
            num_paths,
            complete_to,
            num_fragile,
            time.perf_counter() - start,
            f"{variant} ({held})",
            os.uname().nodename,
            os.getpid(),
        )
