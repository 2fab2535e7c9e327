"""The objective sharded over Ray actors: each evaluates some setups, the driver sums them up.

An actor is a pure function of what it was given, so Ray may restart it at any moment, and the
setups are put back in their order, so any number of actors gives the bits of one process. The
driver imports neither Dr.Jit nor Sionna: a process without a GPU of its own would take GPU 0.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import pickle
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, get_args

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.distributed.metrics import STUDY_METRICS
from vlmrt_dist.distributed.scene_actor import ActorInfo, SceneActor
from vlmrt_dist.distributed.session import (
    CALL_DEADLINE,
    ActorOptions,
    brief,
    check_capacity,
    connect,
    needs_of,
    reserve,
)
from vlmrt_dist.distributed.watch import PULSE, Watch
from vlmrt_dist.errors import ActorFailure, ConfigurationError
from vlmrt_dist.field import (
    Engine,
    Levels,
    LinkOffsets,
    Materials,
    Observed,
    Parameter,
    PowerLoss,
    ValueAndGrad,
    measured_power,
)
from vlmrt_dist.paths import Poses
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

MAX_RESTARTS = 3
"""How often Ray restarts an actor by itself, and how often it repeats a call that died with one.

Never unlimited: with a full disk an actor would be restarted for ever.
"""

MAX_INLINE = 64 * 1024
"""Size of arguments [bytes] that surely travel with an actor's specification; Ray's own limit is
100 KiB."""

_log = logging.getLogger(__name__)


class ActorObjective:
    """An :class:`~vlmrt_dist.field.objective.Objective` whose setups are evaluated by Ray actors.

    Each actor evaluates a contiguous block of setups. With the replay engine the results have the
    same bits for any number of actors, and as
    :class:`~vlmrt_dist.field.evaluators.ReplayObjective` has on the same kind of device. A context
    manager; :meth:`close` ends the actors, but leaves Ray running, which is connected where it was
    not: see :func:`~vlmrt_dist.distributed.session.connect`.

    :param scene: scene of K objects
    :param campaign: M setups with their measured levels
    :param radio: radio configuration
    :param engine: "replay" or "retrace"
    :param measured: [S or 1, M, N] received powers in watts instead of the campaign's
    :param workers: number, resources and deadlines of the actors
    :param progress: called whenever an actor has become ready
    :raises CampaignError: if there is nothing measured, or what was cannot be fitted
    :raises ConfigurationError: if the engine is unknown, or the cluster can never hold the actors
    :raises ActorFailure: if no cluster answers, or the actors do not start
    :raises VlmrtError: an error that an actor raised while it built its share
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        *,
        engine: Engine = "replay",
        measured: FloatArray | None = None,
        workers: ActorOptions = ActorOptions(),
        progress: Progress | None = None,
    ) -> None:
        if engine not in get_args(Engine):
            raise ConfigurationError(f"engine must be replay or retrace; got {engine!r}")
        self.options = workers
        self._names = [name for name in (self.options.study, scene.name) if name]
        self._labels = (self.options.study or scene.name, str(engine))
        self.num_setups = campaign.num_setups
        self.num_objects = scene.num_objects
        power = measured_power(campaign, measured)
        connect()

        self._blocks = _blocks(self.num_setups, self.options.num_actors)
        if len(self._blocks) < self.options.num_actors:
            _log.warning(
                f"{workers.num_actors} actors were asked for, {len(self._blocks)} are started: "
                "one for each setup"
            )
        self._row_order = _row_order(campaign, self._blocks)
        self._needs = needs_of(self.options)
        check_capacity(len(self._blocks), self._needs)
        self._actors: list[Any] = []
        self._group: Any = None
        self._seconds: deque[float] = deque(maxlen=101)
        self._watch = Watch(workers.start_deadline)
        try:
            bundles = [self._needs] * len(self._blocks)
            self._group = reserve(bundles, self.options.placement, self.options.start_deadline)
            shared = _stored(scene)
            self._shares = [
                (
                    shared,
                    _stored(campaign.subset(range(*block))),
                    radio,
                    engine,
                    _stored(power[:, slice(*block)]),
                )
                for block in self._blocks
            ]
            self._actors = [self._create(index) for index in range(len(self._blocks))]
            started: list[ActorInfo] = self._gather("ready", starting=True, progress=progress)
        except BaseException:
            self.close()
            raise
        self.num_paths = sum(info.num_paths for info in started)
        self.complete_to = min(info.complete_to for info in started)
        self.num_fragile = sum(info.num_fragile for info in started)
        idle = [info for info in started if info.device.startswith("llvm")]
        if "GPU" in self._needs and idle:
            _log.warning(
                f"{len(idle)} actors hold a GPU but compute on the CPU, since CUDA does not answer "
                f"there; `vlmrt doctor` on {idle[0].node} tells more"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """See :meth:`~vlmrt_dist.field.objective.Objective.value_and_grad`."""
        parts: list[ValueAndGrad] = self._gather("value_and_grad", theta, loss)
        value = np.concatenate([p.loss for p in parts], axis=1)
        STUDY_METRICS.tell_iteration(*self._labels, float(value.sum(axis=1).min()))
        return ValueAndGrad(value, np.concatenate([p.gradient for p in parts], axis=1))

    def rss(self, theta: FloatArray) -> FloatArray:
        """See :meth:`~vlmrt_dist.field.objective.Objective.rss`."""
        return np.concatenate(self._gather("rss", theta), axis=1)

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """See :meth:`~vlmrt_dist.field.objective.Objective.log_jacobian`."""
        parts = self._gather("log_jacobian", theta)
        return np.concatenate([p[0] for p in parts]), sp.vstack([p[1] for p in parts], "csr")

    def levels(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        poses: Poses | None = None,
    ) -> Levels:
        """See :meth:`~vlmrt_dist.field.objective.Objective.levels`."""
        parts: list[Levels] = self._gather("levels", dict(materials), tuple(wanted), poses)
        by = {name: sp.vstack([p.by[name] for p in parts], "csr") for name in wanted}
        layers = {
            name: sp.vstack([p.layers[name] for p in parts], "csr") for name in parts[0].layers
        }
        posed = [p.by_pose for p in parts if p.by_pose is not None]
        by_pose = np.concatenate(posed) if posed else None
        return Levels(np.concatenate([p.rss for p in parts]), by, layers, by_pose)

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        poses: Poses | None = None,
    ) -> Observed:
        """See :meth:`~vlmrt_dist.field.objective.Objective.observe`."""
        parts: list[Observed] = self._gather(
            "observe", dict(materials), tuple(wanted), offsets, poses
        )
        order = self._row_order
        by = {
            name: np.concatenate([p.by[name] for p in parts], axis=1)[:, order] for name in wanted
        }
        value, by_delay, by_gain = (
            np.concatenate([getattr(p, field) for p in parts], axis=1)[:, order]
            for field in ("value", "by_delay", "by_gain")
        )
        posed = [p.by_pose for p in parts if p.by_pose is not None]
        by_pose = np.concatenate(posed, axis=1)[:, order] if posed else None
        return Observed(value, by, by_delay, by_gain, by_pose)

    def describe(self) -> list[ActorInfo]:
        """The contents of each actor, in the order of the setups."""
        return self._gather("ready")

    def on_each(self, function: Callable[[SceneActor], Any]) -> list[Any]:
        """Results of ``function`` called with each actor, there, in the order of the setups."""
        import ray

        calls = [actor.__ray_call__.remote(function) for actor in self._actors]
        return list(ray.get(calls, timeout=self.options.longest((), usually=CALL_DEADLINE)))

    def close(self) -> None:
        """End the actors and give back what was reserved for them; may be called again."""
        import ray
        from ray.util.placement_group import remove_placement_group

        actors, self._actors = self._actors, []
        group, self._group = self._group, None
        if not ray.is_initialized():
            return
        self._watch.close()
        for actor in actors:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor)
        if group is not None:
            remove_placement_group(group)

    def _create(self, index: int) -> Any:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        first, stop = self._range(index)
        actor = ray.remote(SceneActor).options(
            # Names are unique, and a successor may start before Ray has buried its predecessor.
            name=f"{'/'.join(self._names)}, setups {first} to {stop} #{secrets.token_hex(3)}",
            num_cpus=self._needs["CPU"],
            num_gpus=self._needs.get("GPU", 0),
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_RESTARTS,
            scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, index),
        )
        return actor.remote(
            *self._shares[index],
            first=self._blocks[index][0],
            study=self.options.study,
            threads=self.options.threads_per_actor,
            gpu="GPU" in self._needs,
            cache=self.options.cache,
        )

    def _gather(
        self,
        method: str,
        *arguments: Any,
        starting: bool = False,
        progress: Progress | None = None,
    ) -> list[Any]:
        """Results of a method of every actor, in the order of the setups.

        Ray repeats the calls of an actor that died, but never notices one that is stuck.
        """
        import ray

        if not self._actors:
            raise ActorFailure("the actors were closed; build the objective anew")
        calls = {i: getattr(a, method).remote(*arguments) for i, a in enumerate(self._actors)}
        results: dict[int, Any] = {}
        begun = time.monotonic()
        limit = self.options.start_deadline if starting else self._limit()
        for attempt in itertools.count(1):
            done = self._answered(calls, limit, starting, progress)
            problems = {}
            for index, call in calls.items():
                if call not in done:
                    problems[index] = f"no answer in {limit:g} s, and it does nothing"
                    continue
                try:
                    results[index] = ray.get(call)
                except ray.exceptions.RayTaskError as error:
                    raise _original(error) from error
                except ray.exceptions.RayError as error:
                    if starting:
                        raise ActorFailure(_never_started(error)) from error
                    problems[index] = brief(error)
            if not problems:
                if not starting:
                    self._seconds.append(time.monotonic() - begun)
                return [results[i] for i in range(len(self._actors))]
            first, problem = next(iter(problems.items()))
            name = "the actor of setups {} to {}".format(*self._range(first))
            if attempt == self.options.attempts:
                raise ActorFailure(
                    f"{name} failed {attempt} times, lastly: {problem}. Look at its machine "
                    "(memory, GPU) and at its log on Ray's dashboard"
                )
            _log.warning(f"{name}: {problem}; its setups are evaluated again")
            calls = {
                i: self._recover(i, calls[i] if calls[i] not in done else None, method, arguments)
                for i in problems
            }
            if not starting:
                limit = (
                    self.options.longest((), usually=CALL_DEADLINE) + self.options.start_deadline
                )
        raise AssertionError("unreachable")

    def _answered(
        self, calls: dict[int, Any], limit: float, starting: bool, progress: Progress | None
    ) -> set[Any]:
        """The calls that are answered within ``limit`` seconds, or later by actors that work."""
        done = set(_wait(list(calls.values()), limit, progress))
        stuck: set[int] = set()
        while late := [i for i, call in calls.items() if call not in done and i not in stuck]:
            stuck |= {i for i in late if self._watch.stuck(self._actors[i], starting=starting)}
            working = [calls[i] for i in late if i not in stuck]
            done |= set(_wait(working, PULSE, progress))
        for index in calls:
            self._watch.forget(self._actors[index])
        return done

    def _limit(self) -> float:
        """Time [s] after which a call is late."""
        return self.options.longest(self._seconds, usually=CALL_DEADLINE)

    def _recover(self, index: int, stuck: Any, method: str, arguments: tuple[Any, ...]) -> Any:
        """A call that stands for one that is stuck, or (None) that was lost with its actor."""
        import ray

        if stuck is not None:
            # Ray restarts the actor, and repeats the call there by itself.
            ray.kill(self._actors[index], no_restart=False)
            return stuck
        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(self._actors[index])
        self._actors[index] = self._create(index)
        STUDY_METRICS.tell_restart(*self._labels)
        return getattr(self._actors[index], method).remote(*arguments)

    def _range(self, index: int) -> tuple[int, int]:
        first, stop = self._blocks[index]
        return first + 1, stop


def _blocks(num_setups: int, num_actors: int) -> list[tuple[int, int]]:
    """Contiguous blocks of setups, none empty, their sizes differing by one at most.

    >>> _blocks(5, 2), _blocks(2, 4)
    ([(0, 2), (2, 5)], [(0, 1), (1, 2)])
    """
    count = min(num_setups, num_actors)
    edges = [num_setups * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def _row_order(campaign: Campaign, blocks: list[tuple[int, int]]) -> IntArray:
    """[R] where each row of the campaign's observables stands among those of the actors."""
    setups = [block.row_setup for block in campaign.observables]
    starts = np.cumsum([0, *map(len, setups)])
    theirs = [
        start + np.flatnonzero((rows >= first) & (rows < stop))
        for first, stop in blocks
        for start, rows in zip(starts.tolist(), setups, strict=False)
    ]
    return np.argsort(np.concatenate([*theirs, np.zeros(0, np.int64)]))


def _stored(value: Any) -> Any:
    """The argument to pass to actors: a small value itself, a reference to a large one.

    A restarted actor is built from its arguments again. Ray keeps small ones in the actor's
    specification, and large ones only as long as a process (here the driver) holds a reference.
    """
    import ray

    return value if len(pickle.dumps(value)) <= MAX_INLINE else ray.put(value)


def _wait(calls: list[Any], limit: float, progress: Progress | None) -> Iterator[Any]:
    """The calls that are answered within ``limit`` seconds, as they come."""
    import ray

    end = time.monotonic() + limit
    waiting, total = calls, len(calls)
    while waiting:
        count = 1 if progress else len(waiting)
        left = max(0.0, end - time.monotonic())
        done, waiting = ray.wait(waiting, num_returns=count, timeout=left)
        yield from done
        if progress and done:
            progress("trace", total - len(waiting), total)
        if len(done) < count:
            return


def _original(error: Any) -> Exception:
    """The error that the actor raised, as it would have been raised in this process."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception) and not type(cause).__module__.startswith("ray."):
        return cause
    return ActorFailure(f"an actor failed: {brief(error)}")


def _never_started(error: Exception) -> str:
    return (
        f"an actor did not start: {brief(error)}. Run `vlmrt doctor` on its machine; the package "
        "has to be installed there, or sent along (ray job submit --working-dir .)"
    )
