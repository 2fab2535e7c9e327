"""Whole estimations per second of a pool: random campaign, exact paths, fit, row published."""

from __future__ import annotations

import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from threading import Barrier

from vlmrt_dist.campaign import RadioConfig, random_campaign
from vlmrt_dist.distributed import BLOCK_SECONDS, ActorOptions, map_on_actors, prepare_actor_engine
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.scene import box_room
from vlmrt_dist.store import Ledger, Row
from vlmrt_dist.studies.evaluation import evaluate
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.runs import Publisher

WARM_UP = 10
"""Estimations of each actor before the clock starts: they load and compile kernels."""

NOISE_DB, WIDTH = 1.0, 0.5
"""Noise of the levels [dB], and width of the prior on ln σ."""


@dataclass(frozen=True)
class Throughput:
    """What a number of estimations took, those that warm the actors up left out.

    :param num_actors: actors, of one thread each
    :param block_seconds: blocks that estimations travel in took about so long [s]
    :param made: estimations in all
    :param estimations: how many of them were counted
    :param seconds: wall time [s]
    :param actors: processor time of the actors for them [s]
    :param driver: processor time of the driver meanwhile [s]
    :param search: wall time of path searches in the actors, all together [s]
    :param fit: the same of fits [s]
    :param inside: the same of whole estimations, the other columns of a row included [s]
    :param publishing: wall time of the driver in publishing rows [s]
    """

    num_actors: int
    block_seconds: float
    made: int
    estimations: int
    seconds: float
    actors: float
    driver: float
    search: float
    fit: float
    inside: float
    publishing: float

    @property
    def rate(self) -> float:
        """Estimations a second."""
        return self.estimations / self.seconds

    @property
    def processor(self) -> float:
        """Processor time of an estimation, the driver's share included [s]."""
        return (self.actors + self.driver) / self.estimations

    @property
    def waiting(self) -> float:
        """Time in which actors computed nothing: transfer, waiting for the driver and for
        processors, all together [s]."""
        return max(0.0, self.num_actors * self.seconds - self.inside)


@dataclass(frozen=True)
class _Done:
    """An estimation, and where its actor stood at its end.

    :param actor: machine and process
    :param processor: processor time of the process [s]
    :param seconds: wall time of the estimation [s]
    """

    row: Row
    actor: tuple[str, int]
    processor: float
    seconds: float


def estimations(count: int, first: int = 0) -> list[Point]:
    """Points of one seed each: the paper's room, M = 3, N = 8, D = 4, exact paths, a campaign of
    its own each, least squares with a prior.

    :param first: number of the first campaign
    """
    room, radio = box_room(), RadioConfig.paper(max_depth=4).replace(path_set="exact")
    return [
        Point(
            "throughput", room, random_campaign(room, 3, 8, seed=n), radio, ("map",), "itu",
            "same_paths", seeds=(n,), noise_db=NOISE_DB, prior_width=WIDTH,
        )
        for n in range(first, first + count)
    ]  # fmt: skip


def measure_throughput(
    points: Sequence[Point],
    workers: ActorOptions,
    block_seconds: float = BLOCK_SECONDS,
    progress: Callable[[int], None] | None = None,
) -> Throughput:
    """Estimate all points on a pool and publish their rows, in a temporary folder of this machine.

    :param points: of one row each, :data:`WARM_UP` and more for each actor
    :param workers: the actors
    :param progress: called with the number of rows so far
    """
    names = [str(point) for point in points]
    clock = _Clock(workers.num_actors)
    with tempfile.TemporaryDirectory() as folder, Publisher(Ledger(folder)) as publisher:
        results = map_on_actors(
            _estimated, points, workers, names=names, study="throughput",
            block_seconds=block_seconds,
        )  # fmt: skip
        for number, (_, done) in enumerate(results, start=1):
            begin = time.perf_counter()
            publisher.add([done.row])
            clock.tell(done, time.perf_counter() - begin)
            if progress is not None:
                progress(number)
        begin = time.perf_counter()
        publisher.flush()
        return clock.read(workers.num_actors, block_seconds, time.perf_counter() - begin)


class _Clock:
    """Adds up what estimations take once every actor is warm.

    :param num_actors: how many actors there are
    """

    def __init__(self, num_actors: int) -> None:
        self._cold = num_actors
        self._seen: dict[tuple[str, int], int] = {}
        self._first: dict[tuple[str, int], float] = {}
        self._last: dict[tuple[str, int], tuple[float, int]] = {}
        self._begin = self._driver = 0.0
        self._sums = [0.0] * 4
        self._count = 0

    def tell(self, done: _Done, publishing: float) -> None:
        """Count an estimation.

        :param publishing: wall time of publishing [s]
        """
        seen = self._seen[done.actor] = self._seen.get(done.actor, 0) + 1
        if self._cold > 0:
            self._cold -= seen == WARM_UP
            self._begin, self._driver = time.perf_counter(), time.process_time()
            return
        self._count += 1
        parts = (done.row.seconds_trace, done.row.seconds_fit, done.seconds, publishing)
        self._sums = [total + part for total, part in zip(self._sums, parts, strict=True)]
        if done.actor not in self._first:
            self._first[done.actor] = done.processor
            self._last[done.actor] = done.processor, 0
        self._last[done.actor] = done.processor, self._last[done.actor][1] + 1

    def read(self, num_actors: int, block_seconds: float, publishing: float) -> Throughput:
        """The sums.

        :param publishing: further wall time of publishing [s]
        :raises ConfigurationError: if there were too few estimations
        """
        # Of each actor the first estimation's beginning is not known: it is left out.
        between = sum(count - 1 for _, count in self._last.values())
        if self._cold > 0 or between < 1:
            raise ConfigurationError(
                f"an actor needs more than {WARM_UP} estimations until it is warm and is measured; "
                "give --each more"
            )
        spent = sum(end - self._first[actor] for actor, (end, _) in self._last.items())
        search, fit, inside, published = self._sums
        return Throughput(
            num_actors, block_seconds, sum(self._seen.values()), self._count,
            time.perf_counter() - self._begin,
            spent / between * self._count,
            time.process_time() - self._driver,
            search, fit, inside, published + publishing,
        )  # fmt: skip


def _estimated(point: Point) -> _Done:
    begin = time.perf_counter()
    (row,) = evaluate(point)
    actor = platform.node(), os.getpid()
    return _Done(row, actor, time.process_time(), time.perf_counter() - begin)


def rate_of_processes(points: Sequence[Point], count: int) -> float:
    """Estimations a second of plain processes side by side that share nothing and publish nothing,
    one thread each: as fast as this machine goes on so many cores, whatever a pool adds.

    :param points: of one row each, more than :data:`WARM_UP` for each process
    :param count: processes
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    shares = [points[i::count] for i in range(count)]
    with ProcessPoolExecutor(count, context, initializer=_keep, initargs=(barrier,)) as pool:
        # A process that waits at the barrier takes no second share.
        seconds = list(pool.map(_seconds_of, shares))
    return (len(points) - count * WARM_UP) / max(seconds)


class _Start:
    """Where a process waits until all are warm."""

    barrier: Barrier | None = None


def _keep(barrier: Barrier) -> None:
    _Start.barrier = barrier


def _seconds_of(points: Sequence[Point]) -> float:
    """Wall time of all but the first estimations [s]."""
    prepare_actor_engine(threads=1, gpu=False)
    for point in points[:WARM_UP]:
        evaluate(point)
    assert _Start.barrier is not None
    _Start.barrier.wait()
    begin = time.perf_counter()
    for point in points[WARM_UP:]:
        evaluate(point)
    return time.perf_counter() - begin
