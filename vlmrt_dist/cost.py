"""What one estimation costs as a room grows: time and memory of each of its parts."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.rooms import box_room
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, misplaced
from vlmrt_dist.simulation import perturbed
from vlmrt_dist.units import watts_to_dbm

CANDIDATES = 192
"""Places that are tried for each antenna."""

REACH = 6.0
"""Boxes within this of those that a setup looks through [m] may stand in a link's way."""

FIXED_PATHS = 250
"""Paths that rooms of all sizes are compared with."""


@dataclass(frozen=True)
class Cost:
    """Wall seconds of each part at one K; NaN where not measured.

    :param scene: the room as a value, and live inside Sionna
    :param solve: in Sionna's path solver, all setups together
    :param extract: around it: paths read, unfolded, de-duplicated
    :param value: value and gradient of the loss, all links
    :param value_cpu: the same, processor time
    :param fixed: the same with :data:`FIXED_PATHS` paths
    :param jacobian: one sparse Jacobian
    :param fit: one estimation by Levenberg-Marquardt, paths at hand
    :param estimated: objects whose verdict is "estimated"
    :param seen: objects that some link depends on
    :param mre: mean relative error of the objects estimated
    :param peak: most memory that the process held [bytes]
    :param load: load average of the machine when it was measured
    """

    num_objects: int
    num_setups: int
    num_links: int
    num_paths: int
    scene: float
    solve: float
    extract: float
    value: float
    value_cpu: float
    fixed: float
    jacobian: float
    entries: int
    fit: float
    iterations: int
    outcome: str
    estimated: int
    seen: int
    mre: float
    peak: int
    load: float


def looking_through(
    scene: SceneModel, num_setups: int, num_receivers: int, seed: int = 0
) -> Campaign:
    """A campaign whose links look through the scene's closed objects, each object in its turn.

    Boxes are walked through row by row, a setup for ``num_receivers`` turns: its transmitter stands
    among its boxes, and each receiver where the straight line crosses the box whose turn it is,
    and no other one, if such a place is found. So M·N links give each of K objects M·N/K of them.

    :param scene: a room of boxes
    :param num_setups: M
    :param num_receivers: N
    """
    rng = np.random.default_rng(seed)
    low, high = scene.bounding_boxes[scene.solids].swapaxes(0, 1)
    centre = (low + high) / 2.0
    inner_low, inner_high = scene.bounds[0] + 0.3, scene.bounds[1] - [0.3, 0.3, 0.2]
    row = np.rint(centre[:, 1])
    order = np.lexsort((np.where(row % 2 == 0, centre[:, 0], -centre[:, 0]), row))
    links = num_setups * num_receivers
    turns = order[np.arange(links) * len(order) // links].reshape(num_setups, num_receivers)
    tx, rx, present = [], [], []
    for turn in turns:
        middle = centre[turn].mean(0)
        west, east = (f(centre[turn], axis=0)[:2] for f in (np.min, np.max))
        around = (centre[:, :2] > west - REACH) & (centre[:, :2] < east + REACH)
        near = np.flatnonzero(around.all(1))

        def free(points: NDArray[np.float64], near: NDArray[np.int64] = near) -> Any:
            inside = (points[:, None] > low[near] - 0.1) & (points[:, None] < high[near] + 0.1)
            return ((points > inner_low) & (points < inner_high)).all(1) & ~inside.all(2).any(1)

        some = middle + rng.uniform([-3.0, -3.0, -0.2], [3.0, 3.0, 1.2], (CANDIDATES, 3))
        start = some[np.argmax(free(some))]
        tx.append(start)
        for box in turn:
            aim = low[box] + (high[box] - low[box]) * rng.uniform(0.1, 0.9, (CANDIDATES, 3))
            end = start + (aim - start) * rng.uniform(1.05, 2.2, (CANDIDATES, 1))
            beside = rng.uniform([-1.5, -2.0, -0.3], [1.5, 2.0, 1.0], (CANDIDATES // 2, 3))
            end[::2] = centre[box] + beside
            step = (end - start)[:, None]
            one, other = (low[near] - start) / step, (high[near] - start) / step
            enter, leave = np.minimum(one, other).max(2), np.maximum(one, other).min(2)
            hit = (enter < leave) & (leave > 0.0) & (enter < 1.0)
            cost = 2.0 * hit.sum(1) - 3.0 * hit[:, near == box].any(1) + 1e3 * ~free(end)
            best = np.argmin(cost)
            rx.append(end[best])
            present.append(bool(cost[best] < 500.0 and free(start[None])[0]))
    there = np.array(present).reshape(num_setups, num_receivers)
    # The boxes far from a setup were not asked, and floors and walls only by their distance.
    places = np.array(rx).reshape(num_setups, num_receivers, 3)
    for at in misplaced(scene, Campaign(np.array(tx), places)):
        there[at.setup, slice(None) if at.receiver is None else at.receiver] = False
    kept = there.any(1)
    return Campaign(
        np.array(tx)[kept], np.where(there[..., None], places, np.nan)[kept], present=there[kept]
    )


def measure_replay(num_objects: int, radio: RadioConfig, num_receivers: int, seed: int) -> Cost:
    """Every part of an estimation in ``box_room``, with 4 links an object (protocol same_paths)."""
    from vlmrt_dist.estimation import estimate
    from vlmrt_dist.objective import ReplayObjective
    from vlmrt_dist.path_table import concatenate_setups
    from vlmrt_dist.replay import Materials, Replay
    from vlmrt_dist.sionna_scene import LiveScene
    from vlmrt_dist.tracing import trace

    begin = time.perf_counter()
    room = box_room(num_objects - 5)
    LiveScene(room, radio)
    scene = time.perf_counter() - begin
    setups = max(3, -(-4 * num_objects // num_receivers))
    campaign = looking_through(room, setups, num_receivers, seed)
    table = trace(room, campaign, radio)
    sigma = room.conductivity(radio.frequency)
    truth = perturbed(sigma, seed)
    materials = Materials(truth, room.relative_permittivity(radio.frequency), room.thickness)
    power = Replay(table, radio).rss(materials)[0]
    heard = power > 0.0
    # Links without a path say nothing: a level below any floor, which is left out.
    level = np.where(heard, watts_to_dbm(np.where(heard, power, 1.0)), -300.0)
    level = np.where(campaign.present, level, np.nan)
    silent = campaign.present & ~heard
    measured = dataclasses.replace(campaign, rss_dbm=level, censored=silent)
    objective = ReplayObjective(room, measured, radio, table)
    value, value_cpu = _median(lambda: objective.value_and_grad(sigma[None]))
    jacobian, _ = _median(lambda: objective.log_jacobian(sigma))
    matrix = objective.log_jacobian(sigma)[1]
    count = int(np.searchsorted(np.cumsum(table.paths_per_link.sum(1)), FIXED_PATHS)) + 1
    few = list(range(min(count, table.num_setups)))
    parts = concatenate_setups([table.setups(few)])
    part = parts.rows(np.arange(min(FIXED_PATHS, parts.num_paths)))
    small = ReplayObjective(room, measured.subset(few), radio, part)
    fixed, _ = _median(lambda: small.value_and_grad(sigma[None]))
    found = estimate(room, measured, radio=radio, truth=truth, folds=0, seed=seed)
    sure = np.array([v == "estimated" for v in found.verdict])
    error = np.abs(found.fitted - truth)[sure] / truth[sure]
    solving, around = _split(room, measured, radio)
    return Cost(
        num_objects=room.num_objects,
        num_setups=table.num_setups,
        num_links=int(heard.sum()),
        num_paths=table.num_paths,
        scene=scene,
        solve=float(table.seconds.sum()) * solving / (solving + around),
        extract=float(table.seconds.sum()) * around / (solving + around),
        value=value,
        value_cpu=value_cpu,
        fixed=fixed,
        jacobian=jacobian,
        entries=matrix.nnz,
        fit=found.seconds["fit"] + found.seconds["uncertainty"],
        iterations=found.iterations,
        outcome=found.outcome,
        estimated=int(sure.sum()),
        seen=int((matrix.getnnz(axis=0) > 0).sum()),
        mre=float(error.mean()) if sure.any() else float("nan"),
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        load=os.getloadavg()[0],
    )


def measure_retrace(num_objects: int, radio: RadioConfig, num_receivers: int, seed: int) -> float:
    """Wall seconds of value and gradient of one setup by tracing anew, kernels warm."""
    from vlmrt_dist.objective import RetraceObjective

    room = box_room(num_objects - 5)
    setups = max(3, -(-4 * num_objects // num_receivers))
    campaign = looking_through(room, setups, num_receivers, seed).subset([0])
    measured = campaign.with_rss(np.where(campaign.present, -60.0, np.nan))
    objective = RetraceObjective(room, measured, radio)
    sigma = room.conductivity(radio.frequency)[None]
    objective.value_and_grad(sigma)
    return _median(lambda: objective.value_and_grad(sigma), 2)[0]


def in_own_process(
    work: Callable[..., Any], *arguments: Any, seconds: float | None = None
) -> Any | None:
    """``work(*arguments)`` in a fresh process, so that its memory is its own.

    :param seconds: None is returned after so many, and the process is ended
    :raises RuntimeError: if it ends without an answer
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, work, arguments))
    process.start()
    send.close()
    try:
        if not receive.poll(seconds):
            return None
        try:
            return receive.recv()
        except EOFError:
            process.join()
            raise RuntimeError(
                f"{work.__name__}{arguments[:1]} ended with exit code {process.exitcode}; its "
                "message stands above"
            ) from None
    finally:
        if process.is_alive():
            process.terminate()
        process.join()


def _answer(send: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    send.send(work(*arguments))
    send.close()


def _split(room: SceneModel, campaign: Campaign, radio: RadioConfig) -> tuple[float, float]:
    """Seconds of one solve of one setup inside Sionna, and of everything around it."""
    from vlmrt_dist import tracing
    from vlmrt_dist.planes import planes_of
    from vlmrt_dist.sionna_scene import LiveScene, dr

    live, planes, inside = LiveScene(tracing._sheets(room), radio), planes_of(room), 0.0
    solve = live.solve

    def timed(*arguments: Any) -> Any:
        nonlocal inside
        begin = time.perf_counter()
        paths = solve(*arguments)
        dr.sync_thread()
        inside += time.perf_counter() - begin
        return paths

    live.solve = timed  # type: ignore[method-assign, assignment]
    tracing._solve(live, planes, campaign.setups[0], 1, 0)  # warms up
    inside, begin = 0.0, time.perf_counter()
    for seed in (2, 3, 4):
        tracing._solve(live, planes, campaign.setups[0], seed, 0)
    return inside, time.perf_counter() - begin - inside


def _median(work: Callable[[], Any], repeats: int = 9) -> tuple[float, float]:
    """Median wall and processor seconds of ``work``, after one call that warms up."""
    work()
    wall, processor = [], []
    for _ in range(repeats):
        begin, start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - start)
    return float(np.median(wall)), float(np.median(processor))
