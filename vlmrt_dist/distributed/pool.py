"""A pool of long-lived Ray actors that call plain functions on plain values."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from vlmrt_dist.distributed.actor_engine import prepare_actor_engine
from vlmrt_dist.distributed.metrics import STUDY_METRICS
from vlmrt_dist.distributed.session import (
    ITEM_DEADLINE,
    ActorOptions,
    brief,
    check_capacity,
    connect,
    needs_of,
    reserve,
    room_for,
)
from vlmrt_dist.distributed.watch import PULSE, Watch, announce
from vlmrt_dist.errors import ActorFailure, VlmrtError

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK_SECONDS = 1.0
"""Items that are quick are sent to an actor in blocks that take about so long [s]: a call of Ray
takes milliseconds itself."""

HOMELESS = 30.0
"""Time after which what an actor was given goes to another, if its node was lost and no other has
room for it [s]."""

GLANCE = 10.0
"""Longest time between two looks at whether all actors have a node [s]."""

RECENT = 101
"""So many latest blocks tell how long an item takes."""

_log = logging.getLogger(__name__)


def restarts() -> int:
    """Restarts of the pool actor that runs this, by Ray or by its driver, since it last finished an
    item; 0 outside a pool."""
    starts = _Starts.of_this_actor()
    return 0 if starts is None else starts.untold


class Worker:
    """One actor of the pool."""

    def __init__(self, label: str, threads: int, gpu: bool) -> None:
        announce()
        self._starts = _Starts.count()
        self._threads, self._gpu = threads, gpu
        self._label = label
        STUDY_METRICS.tell_actor_start(label.partition("/")[0], "pool")

    def __repr__(self) -> str:
        return self._label

    def call(self, function: Callable[[Item], Result], items: Sequence[Item]) -> _Answer[Result]:
        """``function`` of each item with this actor's share of the processor."""
        prepare_actor_engine(threads=self._threads, gpu=self._gpu)
        results: list[Result] = []
        begin = time.perf_counter()
        problem = None
        try:
            for item in items:
                results.append(function(item))
                self._starts.tell()
        except Exception as error:
            if not results:
                raise
            problem = error
        return _Answer(results, time.perf_counter() - begin, problem)


@dataclass(frozen=True)
class _Answer(Generic[Result]):
    """Results of some items.

    :param seconds: time that they took in all
    :param problem: error that the item after them raised
    """

    results: list[Result]
    seconds: float
    problem: Exception | None


class _Starts:
    """Starts of one actor, counted in Ray's own key-value table, which outlives its process.

    :param key: the actor's entry in that table
    :param starts: all of them
    :param told: those that belong to items that are done
    """

    def __init__(self, key: str, starts: int, told: int) -> None:
        self._key, self._starts, self._told = key, starts, told

    @classmethod
    def of_this_actor(cls) -> _Starts | None:
        """As they stand in the table; None where no actor runs this, or one that has not been
        counted."""
        if "ray" not in sys.modules or not sys.modules["ray"].is_initialized():
            return None
        from ray.experimental import internal_kv

        key = _starts_key()
        kept = internal_kv._internal_kv_get(key)
        return cls(key, *map(int, kept.split())) if kept else None

    @classmethod
    def count(cls) -> _Starts:
        """Count a start of the actor that runs this."""
        before = cls.of_this_actor()
        if before is None:
            found = cls(_starts_key(), 1, 1)
        else:
            found = cls(before._key, before._starts + 1, before._told)
        found._keep()
        return found

    @property
    def untold(self) -> int:
        """Starts beyond the first since :meth:`tell`."""
        return self._starts - self._told

    def tell(self) -> None:
        """Attribute what has been counted to an item that is done."""
        if self.untold:
            self._told = self._starts
            self._keep()

    def _keep(self) -> None:
        from ray.experimental import internal_kv

        internal_kv._internal_kv_put(self._key, f"{self._starts} {self._told}")


def _starts_key() -> str:
    import ray

    return f"vlmrt_starts_{ray.get_runtime_context().get_actor_id()}"


def call(function: Callable[[], Result], name: str, workers: ActorOptions | None) -> Result:
    """``function()`` on one actor, so that the driver neither imports Dr.Jit nor holds a GPU.

    :param name: name of the call on Ray's dashboard
    :param workers: resources of the actor, however many it states; None: call it in this process
    """
    if workers is None:
        return function()
    one = dataclasses.replace(workers, num_actors=1)
    [(_, result)] = map_on_actors(_call, [function], one, names=[name])
    return result


def _call(function: Callable[[], Result]) -> Result:
    return function()


def map_on_actors(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: ActorOptions,
    *,
    names: Sequence[str],
    study: str = "",
    block_seconds: float = BLOCK_SECONDS,
) -> Iterator[tuple[int, Result]]:
    """``function`` of every item over a pool of actors: (index of the item, result), as they come.

    Items that take milliseconds travel in blocks, as far as their number allows. A caller can keep
    each result at once, and loses none that is there when it is told to stop. An actor that dies,
    or is late and does nothing (:mod:`vlmrt_dist.distributed.watch`), is restarted and its items
    done again, ``workers.attempts`` times at most.

    :param workers: number, resources and deadlines of the actors
    :param names: name of each item on Ray's dashboard
    :param study: name of the actors there; default: that of ``workers``
    :param block_seconds: blocks take about so long [s]
    :raises ActorFailure: if an item outlasts its deadline, or its actor dies too often
    :raises ConfigurationError: if the cluster has no room for the actors
    """
    if items:
        most = dataclasses.replace(workers, num_actors=min(workers.num_actors, len(items)))
        queue = _Queue(items, names, most.num_actors, block_seconds)
        for block, answer in _answers(function, queue.ask, most, study, queue.seconds):
            yield from zip((index for index, _ in block), answer.results, strict=False)
            if answer.problem is not None:
                raise answer.problem


class _Queue(Generic[Item]):
    """Items in blocks whose size follows from the time that the items before have taken.

    :param num_actors: actors that share the items
    :param block_seconds: time that a block is to take [s]
    """

    def __init__(
        self, items: Sequence[Item], names: Sequence[str], num_actors: int, block_seconds: float
    ) -> None:
        self._items, self._names, self._num_actors = items, names, num_actors
        self._block_seconds = block_seconds
        self._next = 0
        self.seconds: deque[float] = deque(maxlen=RECENT)

    def ask(self) -> tuple[str, list[tuple[int, Item]]] | None:
        """The next block, as numbered items, and its name on Ray's dashboard."""
        first, left = self._next, len(self._items) - self._next
        if not left:
            return None
        size = 1
        if self.seconds:
            size = int(self._block_seconds / max(statistics.median(self.seconds), 1e-6))
        # Towards the end blocks get smaller, so that no actor has to wait for another.
        size = max(1, min(size, left // (2 * self._num_actors)))
        self._next += size
        name = self._names[first] + (f" and {size - 1} more" if size > 1 else "")
        return name, [(i, self._items[i]) for i in range(first, first + size)]


def feed_actors(
    function: Callable[[Item], Result],
    ask: Callable[[], tuple[str, Item] | None],
    workers: ActorOptions,
    *,
    study: str = "",
) -> Iterator[tuple[Item, Result]]:
    """As :func:`map_on_actors`, for items that depend on results: each with its result.

    :param ask: gives an item and its name on Ray's dashboard whenever an actor is free; None: none
        for now, to be asked again after the next result, and, if none is awaited, none any more
    """

    def block() -> tuple[str, list[tuple[int, Item]]] | None:
        asked = ask()
        return None if asked is None else (asked[0], [(0, asked[1])])

    for [(_, item)], answer in _answers(function, block, workers, study, deque(maxlen=RECENT)):
        yield item, answer.results[0]


def _answers(
    function: Callable[[Item], Result],
    ask: Callable[[], tuple[str, list[tuple[int, Item]]] | None],
    workers: ActorOptions,
    study: str,
    seconds: deque[float],
) -> Iterator[tuple[list[tuple[int, Item]], _Answer[Result]]]:
    """Blocks of numbered items with their answers, as they come.

    :param seconds: gets the time of an item of each block [s]
    """
    started = connect()
    import ray
    from ray.util.placement_group import remove_placement_group

    try:
        bundles = _bundles(workers)
        group = reserve(bundles, workers.placement, workers.start_deadline)
        label = study or workers.study or "study"
        actors = [
            _actor(ray, group, index, f"{label}/worker {index + 1}", needs, workers)
            for index, needs in enumerate(bundles)
        ]
        try:
            crew = _Crew(ray, actors, group, ray.put(function), workers, seconds)
            yield from crew.work(ask)
        finally:
            for actor in actors:
                ray.kill(actor)
            remove_placement_group(group)
    finally:
        if started:
            ray.shutdown()


def _bundles(options: ActorOptions) -> list[dict[str, float]]:
    """Resources of each actor: a GPU as long as there are any, unless ``num_gpus`` is stated."""
    needs, count = needs_of(options), options.num_actors
    with_gpu = min(count, room_for(needs)) if options.num_gpus is None else count
    if "GPU" not in needs or with_gpu == count:
        check_capacity(count, needs)
        return [needs] * count
    without = {"CPU": needs["CPU"]}
    check_capacity(count, without)  # each of them holds a core as well
    return [needs] * with_gpu + [without] * (count - with_gpu)


def _actor(
    ray: Any,
    group: Any,
    index: int,
    label: str,
    needs: dict[str, float],
    workers: ActorOptions,
) -> Any:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    actor = ray.remote(Worker).options(
        name=f"{label} #{secrets.token_hex(3)}",
        num_cpus=needs["CPU"],
        num_gpus=needs.get("GPU", 0.0),
        max_restarts=workers.attempts - 1,
        max_task_retries=workers.attempts - 1,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group, index),
    )
    return actor.remote(label, threads=workers.threads_per_actor, gpu="GPU" in needs)


@dataclass
class _Running:
    """Items that an actor works on.

    :param since: when they were given, or their actor was last started again or seen to work
    :param attempts: how often they have begun, as far as the driver knows
    """

    name: str
    items: list[Any]
    actor: Any
    since: float
    attempts: int = 1


class _Crew:
    """The actors of a pool at work: one block of items each at a time, the next as soon as it is
    free.

    :param group: the placement group whose bundles the actors have, in their order
    :param function: what they call, in Ray's store
    :param seconds: gets the time of an item of each block [s]
    """

    def __init__(
        self, ray: Any, actors: list[Any], group: Any, function: Any, workers: ActorOptions,
        seconds: deque[float],
    ) -> None:  # fmt: skip
        self._ray, self._group, self._function, self._workers = ray, group, function, workers
        self._seconds = seconds
        self._actors, self._idle = actors, list(actors)
        self._running: dict[Any, _Running] = {}
        self._lost: dict[Any, Any] = {}
        self._again: deque[_Running] = deque()
        self._homeless: dict[int, float] = {}

    def work(
        self, ask: Callable[[], tuple[str, list[Any]] | None]
    ) -> Iterator[tuple[list[Any], Any]]:
        """Blocks of items with their answers, until there are no further ones."""
        with contextlib.closing(Watch(self._workers.start_deadline)) as watch:
            while True:
                self._give(ask)
                if not self._running and not self._again:
                    return
                late, limit = self._oldest()
                left = GLANCE if late is None else late.since + limit - time.monotonic()
                calls = [*self._running, *self._lost]
                timeout = min(max(0.0, left), GLANCE)
                done, _ = self._ray.wait(calls, num_returns=1, timeout=timeout)
                if not done:
                    self._rehome()
                    if late is not None and left <= timeout and late in self._running.values():
                        _look_after(self._ray, late, limit, self._workers.attempts, watch)
                    continue
                if done[0] in self._lost:  # there is room for it again; others did its work
                    self._idle.append(self._lost.pop(done[0]))
                    continue
                finished = self._running.pop(done[0])
                answer = _result(self._ray, done[0], finished, self._workers.attempts)
                watch.forget(finished.actor)
                self._seconds.append(answer.seconds / len(answer.results))
                self._idle.append(finished.actor)
                yield finished.items, answer

    def _give(self, ask: Callable[[], tuple[str, list[Any]] | None]) -> None:
        """Give idle actors what others have lost, then what is asked for."""
        while self._idle:
            if self._again:
                block = self._again.popleft()
            elif (asked := ask()) is not None:
                block = _Running(*asked, actor=None, since=0.0)
            else:
                return
            block.actor, block.since = self._idle.pop(0), time.monotonic()
            plain = [item for _, item in block.items]
            call = block.actor.call.options(name=block.name).remote(self._function, plain)
            self._running[call] = block

    def _oldest(self) -> tuple[_Running | None, float]:
        """The block that has run for longest, and the time after which it is late [s]."""
        if not self._running:
            return None, 0.0
        oldest = min(self._running.values(), key=lambda each: each.since)
        earlier = [each * len(oldest.items) for each in self._seconds]
        return oldest, self._workers.longest(earlier, usually=ITEM_DEADLINE)

    def _rehome(self) -> None:
        """Have others do what actors were given whose node is lost and that no other has room for.

        :raises ActorFailure: if that is so of all actors for as long as a start may take
        """
        now = time.monotonic()
        there = self._ray.util.placement_group_table(self._group)["bundles_to_node_id"]
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        away = {i for i in range(len(self._actors)) if there.get(i) not in alive}
        self._homeless = {i: self._homeless.get(i, now) for i in away}
        if len(away) == len(self._actors):
            if now - max(self._homeless.values()) > self._workers.start_deadline:
                raise ActorFailure(
                    f"the nodes of all actors ({len(away)}) were lost, and for "
                    f"{self._workers.start_deadline:g} s no other has had room for one; add nodes "
                    "to the cluster and start again, what is finished is kept"
                )
            return
        gone = [self._actors[i] for i, since in self._homeless.items() if now - since > HOMELESS]
        for call, block in list(self._running.items()):
            if any(block.actor is actor for actor in gone):
                _log.warning(
                    f"{block.name}: the node of its actor was lost, and no other has room for it; "
                    "another actor does it"
                )
                self._lost[call] = self._running.pop(call).actor
                self._again.append(block)


def _result(ray: Any, call: Any, finished: _Running, attempts: int) -> Any:
    """The answer of an actor.

    :raises ActorFailure: if it was lost too often
    """
    try:
        return ray.get(call)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, VlmrtError) else error from None
    except ray.exceptions.RayError as error:
        raise ActorFailure(
            f"{finished.name} lost its actor {attempts} times: {brief(error)}. "
            "Look at its machine (memory, GPU) and at its log on Ray's dashboard"
        ) from error


def _look_after(ray: Any, late: _Running, limit: float, attempts: int, watch: Watch) -> None:
    """Leave an actor alone that is late and works; start it again if it does nothing, and Ray
    repeats the call by itself.

    :raises ActorFailure: if that has been tried often enough
    """
    if not watch.stuck(late.actor):
        late.since = time.monotonic() - limit + PULSE
        return
    if late.attempts >= attempts:
        raise ActorFailure(
            f"{late.name} took more than {limit:.0f} s and its actor did nothing, {late.attempts} "
            "times; look at the actor's log and machine on Ray's dashboard"
        )
    _log.warning(
        f"{late.name}: no answer in {limit:.0f} s, and its actor does nothing; it is done again"
    )
    ray.kill(late.actor, no_restart=False)
    watch.forget(late.actor)
    late.attempts += 1
    late.since = time.monotonic()
