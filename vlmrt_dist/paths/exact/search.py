"""The exact path search of a campaign's setups: limits, threads, budgets, sorted rows.

Rows are sorted as a :class:`~vlmrt_dist.paths.path_table.PathTable` is, so they are the
same bits for any number of threads and however setups are split over calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.campaign import MeasurementSetup
from vlmrt_dist.cores import own_cores
from vlmrt_dist.paths.exact.antennas import check_antennas, empty_bodies
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.image_tree import STRAIGHT, explore, make_ends
from vlmrt_dist.paths.exact.limits import MAX_STEPS, IncompleteSearch, Limits, SearchLimits
from vlmrt_dist.paths.exact.margins import edge_margins
from vlmrt_dist.paths.exact.packing import packed
from vlmrt_dist.paths.exact.proposals import proposed_paths
from vlmrt_dist.paths.exact.records import Faces
from vlmrt_dist.paths.path_table import FRAGILE, NONE, REFLECTION, TRANSMISSION

_GIVEN_UP = 2**62


@dataclass(frozen=True, eq=False)
class ExactPaths:
    """P paths of M setups, W interactions at most, sorted by setup, receiver and interactions.

    :param setup: [P] setup of each path
    :param receiver: [P] receiver within the setup
    :param kind: [P, W] NONE, REFLECTION or TRANSMISSION
    :param object: [P, W] object interacted with (0 where there is none)
    :param plane: [P, W] plane of it, as in :attr:`PreparedScene.planes` (0 where there is none)
    :param margin: [P] distance from gaining or losing an interaction [m]
    :param complete_to: [M] depth to which each setup's set is complete; less than what was asked
        for where a budget was passed. Deeper paths are then those that launched rays proposed
    :param steps: [M] steps that the search of each setup took
    """

    setup: NDArray[np.int32]
    receiver: NDArray[np.int32]
    kind: NDArray[np.uint8]
    object: NDArray[np.int32]
    plane: NDArray[np.int32]
    margin: NDArray[np.float64]
    complete_to: NDArray[np.int32]
    steps: NDArray[np.int64]

    @property
    def num_fragile(self) -> int:
        """How many paths pass within :data:`FRAGILE` of an edge."""
        return int((self.margin < FRAGILE).sum())


def search_paths(
    scene: PreparedScene,
    setups: Sequence[MeasurementSetup],
    limits: SearchLimits,
    *,
    threads: int | None = None,
) -> ExactPaths:
    """Every specular path of every link of ``setups``.

    Warns with :class:`IncompleteSearch` where a budget was passed.

    :param threads: how many to use; default: one for each core of this process, see
        :func:`~vlmrt_dist.cores.own_cores`
    :raises CampaignError: if an antenna is not finite, on a surface, or on the link's other end
    """
    places = [(setup.tx - scene.shift, setup.rx - scene.shift) for setup in setups]
    for m, (tx, rx) in enumerate(places):
        check_antennas(scene, tx, rx, m)
    number = threads or own_cores()
    # Few setups are split by their first reflections; of many, only some are held at a time.
    together = 4 * number
    tasks = 1 if number == 1 or len(places) >= together else together
    done: list[_Search] = []
    with ThreadPoolExecutor(number) as pool:
        for begin in range(0, len(places), together):
            part = [_Search(scene, *place, limits) for place in places[begin : begin + together]]
            try:
                _search_all(part, tasks, pool)
            except BaseException:  # an interrupt: threads in compiled code end by themselves only
                for search in part:
                    search.give_up()
                pool.shutdown(cancel_futures=True)
                raise
            done += part
    complete = np.array([search.depth for search in done], np.int32)
    _warn_of_budgets(complete, limits)
    return _joined(scene, done, complete)


def _search_all(part: list[_Search], tasks: int, pool: ThreadPoolExecutor) -> None:
    """Search some setups side by side, each in ``tasks`` tasks."""
    list(pool.map(_Search.prepare, part))
    waiting = part
    while waiting:  # one more time, less deep, where a budget was passed
        work = [(search, k, tasks) for search in waiting for k in range(tasks)]
        found = list(pool.map(_explore, work))
        for i, search in enumerate(waiting):
            search.gather(found[i * tasks : (i + 1) * tasks])
        waiting = [search for search in waiting if search.rows is None]
    list(pool.map(_Search.finish, part))


class _Search:
    """The search of one setup, in tasks that any thread may do."""

    def __init__(
        self,
        scene: PreparedScene,
        tx: NDArray[np.float64],
        rx: NDArray[np.float64],
        limits: SearchLimits,
    ) -> None:
        self.faces = scene.faces
        self.tx, self.rx = tx, rx
        self.limits = limits
        self.depth = limits.max_depth
        self.steps = 0
        self.rows: NDArray[np.int32] | None = None
        self.margin = np.zeros(0)
        self._spent = np.zeros(1, np.int64)

    def give_up(self) -> None:
        """Make the tasks that run end soon, as if the budget were passed."""
        self._spent[0] = _GIVEN_UP

    def prepare(self) -> None:
        """Make what all tasks share."""
        self._convex = empty_bodies(self.faces, self.tx, self.rx)
        limits = self.limits.at_depth(self.depth)
        self._spent = np.zeros(1, np.int64)
        self._listeners, self._roots = make_ends(self.faces, self._convex, self.tx, self.rx, limits)

    def explore(self, task: int, tasks: int) -> tuple[NDArray[np.int32], int]:
        """Rows and number of steps of every ``tasks``-th first reflection."""
        limits = self.limits.at_depth(self.depth)
        roots = self._roots[task::tasks].copy()
        rows, steps = explore(
            self.faces, self._listeners, self._convex, self.tx, roots, limits, self._spent
        )
        return rows, int(steps)

    def gather(self, found: list[tuple[NDArray[np.int32], int]]) -> None:
        """Put the tasks' rows together, or go back by one interaction where there are too many."""
        steps = sum(count for _, count in found)
        self.steps += steps
        number = sum(len(rows) for rows, _ in found)
        limits = self.limits
        if self.depth > 0 and (steps > limits.max_steps or number > limits.max_paths):
            self.depth -= 1
            self.prepare()
            return
        self.rows = np.concatenate([rows for rows, _ in found])

    def finish(self) -> None:
        """Add proposed and long straight paths, sort the rows and find their margins."""
        assert self.rows is not None
        if self.depth < self.limits.max_depth:
            self.rows = self._with_proposed(self.rows)
        if self.limits.line_of_sight == "always":
            self.rows = self._with_straight(self.rows)
        self.rows = _sorted(self.faces, self.rows)
        self.margin = edge_margins(self.faces, self.tx, self.rx, self.rows)
        del self._listeners

    def _with_proposed(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """``rows`` with deeper paths that launched rays propose."""
        limits = self.limits.at_depth(self.limits.max_depth)
        deeper = proposed_paths(
            self.faces, self._listeners, self.tx, limits, self.depth, self._given_up
        )
        if len(deeper) == 0:
            return rows
        width = deeper.shape[1] - rows.shape[1]
        return np.concatenate([np.pad(rows, ((0, 0), (0, width))), deeper])

    def _given_up(self) -> bool:
        return bool(self._spent[0] >= _GIVEN_UP)

    def _with_straight(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """``rows`` with the straight paths that pass through more surfaces than paths may."""
        surfaces = len(self.faces.first) - 1  # a segment passes through each of them once
        limits = Limits(surfaces, 0, surfaces, MAX_STEPS, len(self.rx))
        root = np.array([STRAIGHT], np.int32)
        spent = np.zeros(1, np.int64)
        long, _ = explore(self.faces, self._listeners, self._convex, self.tx, root, limits, spent)
        bent = rows[(_kinds(rows) == REFLECTION).any(axis=1)]
        width = max(rows.shape[1], 2 + int(long[:, 1].max(initial=0)))
        joined = np.zeros((len(bent) + len(long), width), np.int32)
        joined[: len(bent), : rows.shape[1]] = bent
        joined[len(bent) :, : min(width, long.shape[1])] = long[:, :width]
        return joined


def _explore(work: tuple[_Search, int, int]) -> tuple[NDArray[np.int32], int]:
    search, task, tasks = work
    return search.explore(task, tasks)


def _kinds(rows: NDArray[np.int32]) -> NDArray[np.uint8]:
    """[P, W] kinds of the interactions of rows."""
    code = rows[:, 2:]
    kind = np.full(code.shape, REFLECTION, np.uint8)
    kind[code % 2 == 1] = TRANSMISSION
    kind[np.arange(code.shape[1]) >= rows[:, 1:2]] = NONE
    return kind


def _sorted(faces: Faces, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Rows by receiver, kinds, objects and planes, as path tables are sorted."""
    kind = _kinds(rows)
    piece = np.where(kind != NONE, rows[:, 2:] // 2, 0)
    plane = np.where(kind != NONE, faces.piece["plane"][piece], 0)
    owner = np.where(kind != NONE, faces.piece["object"][piece], 0)
    words = packed([rows[:, 0], *kind.T, *owner.T, *plane.T])
    return rows[np.lexsort(words[::-1])]


def _joined(scene: PreparedScene, done: list[_Search], complete: NDArray[np.int32]) -> ExactPaths:
    """The rows of all setups as one value."""
    width = max([search.rows.shape[1] for search in done if search.rows is not None], default=2)
    parts = [np.zeros((0, width), np.int32)]
    for search in done:
        assert search.rows is not None
        parts.append(np.pad(search.rows, ((0, 0), (0, width - search.rows.shape[1]))))
    rows = np.concatenate(parts)
    kind = _kinds(rows)
    piece = np.where(kind != NONE, rows[:, 2:] // 2, 0)
    records = scene.faces.piece
    sizes = [len(part) for part in parts[1:]]
    return ExactPaths(
        setup=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        receiver=rows[:, 0].copy(),
        kind=kind,
        object=np.where(kind != NONE, records["object"][piece], np.int32(0)),
        plane=np.where(kind != NONE, records["plane"][piece], np.int32(0)),
        margin=np.concatenate([np.zeros(0), *(search.margin for search in done)]),
        complete_to=complete,
        steps=np.array([search.steps for search in done], np.int64),
    )


def _warn_of_budgets(complete: NDArray[np.int32], limits: SearchLimits) -> None:
    short = np.flatnonzero(complete < limits.max_depth)
    if len(short) == 0:
        return
    named = ", ".join(f"{m + 1} (depth {complete[m]})" for m in short[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    warnings.warn(
        f"the search of {len(short)} setups passed its budget of {limits.max_steps:,} steps or "
        f"{limits.max_paths:,} paths before depth {limits.max_depth}; complete to a lower depth "
        f"are the paths of setups {named}{more}. Deeper paths of theirs are those that launched "
        "rays met: each is exact, but some may be missing. Lower max_depth or max_reflections, or "
        "give setups fewer receivers, for complete sets",
        IncompleteSearch,
        stacklevel=3,
    )
