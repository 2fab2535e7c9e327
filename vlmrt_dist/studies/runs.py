"""Many points, evaluated here or on a pool of Ray actors; rows are published as they come."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import pyarrow as pa

from vlmrt_dist.distributed import STUDY_METRICS, ActorOptions
from vlmrt_dist.errors import StorageError
from vlmrt_dist.progress import Progress
from vlmrt_dist.store import Ledger, Row
from vlmrt_dist.studies.evaluation import evaluate_together
from vlmrt_dist.studies.point import Point

PATIENCE = 0.5
"""Seconds after which rows that wait for others are published."""

MOST_SEEDS = 50
"""Most seeds of points that are evaluated together."""


def run(
    points: Sequence[Point],
    ledger: Ledger,
    *,
    workers: ActorOptions | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Evaluate what the ledger does not hold yet, and return the rows of all points.

    Rows are published as they come, not held, and read again when all are there: with their errors
    and losses along the iterations they would fill the memory of a long run.

    A run that was killed goes on where it stopped when it is started again; half a second of its
    work is lost at most. What a point lacks, such as seeds that are new, is evaluated as one batch;
    what it has is not done again.

    :param points: what to evaluate
    :param ledger: where rows are looked up and published
    :param workers: Ray actors that evaluate points; None: this process does
    :param progress: called with the point, the points done and the points in all
    :raises StorageError: if the place cannot be read or written to, or loses rows meanwhile
    """
    keys = [list(point.row_keys) for point in points]
    there = {study: ledger.keys(study) for study in dict.fromkeys(p.study for p in points)}
    parts = [
        (i, part)
        for i, point in enumerate(points)
        if (missing := {key for key in keys[i] if key not in there[point.study]})
        for part in point.parts(missing)
    ]
    left = [0] * len(points)
    for index, _ in parts:
        left[index] += 1
    complete = left.count(0)
    if progress is not None:
        progress("", complete, len(points))
    together = companions([part for _, part in parts])
    groups = [[parts[number][1] for number in numbers] for numbers in together]
    if workers is not None:
        evaluations = _on_actors(groups, workers)
    else:
        evaluations = enumerate(map(evaluate_together, groups))
    with _memory_given_back(), Publisher(ledger) as publisher:
        for group, each in evaluations:
            for number, rows in zip(together[group], each, strict=True):
                index, part = parts[number]
                publisher.add(rows)
                left[index] -= 1
                if left[index] == 0:
                    complete += 1
                    if progress is not None:
                        progress(str(part), complete, len(points))
    return _published(points, keys, ledger)


@contextlib.contextmanager
def _memory_given_back() -> Iterator[None]:
    """Have Arrow allocate from the system: its own allocator keeps some 35 MiB for every thousand
    rows with long histories, which nothing uses any more."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _published(points: Sequence[Point], keys: Sequence[Sequence[str]], ledger: Ledger) -> list[Row]:
    """The rows of all points, as the ledger holds them.

    :param keys: of each point's rows
    """
    asked: dict[str, list[str]] = {}
    for point, own in zip(points, keys, strict=True):
        asked.setdefault(point.study, []).extend(own)
    found = {study: ledger.read(study, wanted) for study, wanted in asked.items()}
    lost = sum(key not in found[study] for study, wanted in asked.items() for key in wanted)
    if lost:
        raise StorageError(
            f"{lost} rows were published and are no longer in {ledger.storage}; run it again to "
            "compute them anew"
        )
    return [found[p.study][key] for p, own in zip(points, keys, strict=True) for key in own]


def companions(points: Sequence[Point]) -> list[list[int]]:
    """Indices of points in groups that are evaluated together: those that differ only in their
    start, with at most :data:`MOST_SEEDS` seeds in all, beyond which nothing is saved."""
    groups: dict[tuple[str, str], list[list[int]]] = {}
    for index, point in enumerate(points):
        many = 2 * len(point.seeds) > MOST_SEEDS
        alike = groups.setdefault((point.study, str(index) if many else point.companions), [])
        if not alike or (len(alike[-1]) + 1) * len(point.seeds) > MOST_SEEDS:
            alike.append([])
        alike[-1].append(index)
    return sorted(group for alike in groups.values() for group in alike)


class Publisher:
    """Publishes rows together that come shortly after each other: a file takes longer to write than
    a row to compute. At the end of its block, however that ends, the last ones.

    :param ledger: where to
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[str, list[Row]] = {}
        self._last = -PATIENCE

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, rows: Sequence[Row]) -> None:
        """Publish the rows of a point, now or with those that follow, and tell the metrics."""
        _tell(rows)
        self._waiting.setdefault(rows[0].study, []).extend(rows)
        if time.monotonic() - self._last >= PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Publish the rows that wait."""
        for study in list(self._waiting):
            self._ledger.publish(study, self._waiting[study])
            del self._waiting[study]
        self._last = time.monotonic()


def publish(ledger: Ledger, rows: Sequence[Row]) -> None:
    """Keep the rows of a point that is done, and tell the metrics."""
    _tell(rows)
    ledger.publish(rows[0].study, rows)


def _tell(rows: Sequence[Row]) -> None:
    for row in rows:
        STUDY_METRICS.tell_estimation(
            row.study,
            row.engine,
            loss=row.loss,
            mre=row.mre,
            iterations=row.iterations,
            seconds=row.seconds_fit,
        )
    STUDY_METRICS.tell_tracing(
        rows[0].study, rows[0].engine, rows[0].num_paths, rows[0].seconds_trace
    )


def _on_actors(
    groups: Sequence[Sequence[Point]], workers: ActorOptions
) -> Iterator[tuple[int, list[list[Row]]]]:
    """Evaluate groups of points on a pool of Ray actors; yields them by their number, as they
    come."""
    from vlmrt_dist.distributed import map_on_actors

    if groups:
        names, study = ["; ".join(map(str, group)) for group in groups], groups[0][0].study
        yield from map_on_actors(evaluate_together, groups, workers, names=names, study=study)
