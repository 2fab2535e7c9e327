"""Cost of one estimation by the number of objects: time and memory of each of its parts."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import VlmrtError
from vlmrt_dist.field import perturbed
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import empty_cache
from vlmrt_dist.studies.benchmarks.box_links import looking_through
from vlmrt_dist.units import watts_to_dbm

FIXED_PATHS = 250
"""Paths that rooms of all sizes are compared with."""

LINKS = 4
"""Links that are placed for each object. A few have no path: a box that is farther from a setup
than :data:`~vlmrt_dist.studies.benchmarks.box_links.REACH` may stand in the way."""

COST_VERSION = 3
"""Part of what is measured: raise it when something else is."""

REPEATS, SECONDS, WARM_UP = 400, 2.0, 10
"""Calls of which the median is taken, as many as fit into so many seconds but nine at least; and
those before them that do not count."""


@dataclass(frozen=True)
class Cost:
    """Wall seconds of each part at one K; NaN where not measured.

    :param scene: the room as a value, and its faces prepared for the search
    :param search: searching for the paths, all setups together
    :param around: around it: geometry of the paths, table
    :param complete_to: depth to which every path is held
    :param fragile: paths within 0.1 mm of an edge
    :param value: value and gradient of the loss, all links
    :param value_cpu: the same, processor time
    :param jacobian: one sparse Jacobian
    :param entries: numbers that it holds
    :param fit: one estimation by Levenberg-Marquardt with its uncertainty, paths at hand, without
        cross-validation
    :param whole: the same with everything that an estimation does by default
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
    search: float
    around: float
    complete_to: int
    fragile: int
    value: float
    value_cpu: float
    jacobian: float
    entries: int
    fit: float
    whole: float
    iterations: int
    outcome: str
    estimated: int
    seen: int
    mre: float
    peak: int
    load: float


def measure_replay(num_objects: int, radio: RadioConfig, num_receivers: int, seed: int) -> Cost:
    """Every part of an estimation in ``box_room``, with 4 links an object (protocol exact).

    Everything is traced anew, after a small room that has the compiled functions loaded.
    """
    _load_compiled(radio)
    with empty_cache():
        return _measured(num_objects, radio, num_receivers, seed)


def _load_compiled(radio: RadioConfig) -> None:
    """Search a small room, so that the compiled search is taken from the cache that there is."""
    from vlmrt_dist.field import trace

    small = box_room(1)
    trace(small, random_campaign(small, 1, 2, seed=0), radio, cache=False)


def _measured(num_objects: int, radio: RadioConfig, num_receivers: int, seed: int) -> Cost:
    from vlmrt_dist.field import Materials, Replay, ReplayObjective, trace
    from vlmrt_dist.inference import PRIOR_WIDTH, LevenbergMarquardt, Prior, estimate
    from vlmrt_dist.paths import prepare_scene

    begin = time.perf_counter()
    room = box_room(num_objects - 5)
    prepare_scene(room)
    scene = time.perf_counter() - begin
    campaign = _campaign(room, num_receivers, seed)
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
    prior, solvers = Prior(PRIOR_WIDTH), (LevenbergMarquardt(folds=n) for n in (0, 5))
    fit, whole = (
        estimate(room, measured, radio=radio, prior=prior, solver=solver, seed=seed)
        for solver in solvers
    )
    sure = np.array([v == "estimated" for v in fit.verdict])
    error = np.abs(fit.fitted - truth)[sure] / truth[sure]
    return Cost(
        num_objects=room.num_objects,
        num_setups=table.num_setups,
        num_links=int(heard.sum()),
        num_paths=table.num_paths,
        scene=scene,
        search=float(table.seconds_in_solver.sum()),
        around=float((table.seconds - table.seconds_in_solver).sum()),
        complete_to=table.certificate,
        fragile=table.num_fragile,
        value=value,
        value_cpu=value_cpu,
        jacobian=jacobian,
        entries=matrix.nnz,
        fit=fit.seconds["fit"] + fit.seconds["uncertainty"],
        whole=whole.seconds["fit"] + whole.seconds["uncertainty"],
        iterations=fit.iterations,
        outcome=fit.outcome,
        estimated=int(sure.sum()),
        seen=int((matrix.getnnz(axis=0) > 0).sum()),
        mre=float(error.mean()) if sure.any() else float("nan"),
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        load=os.getloadavg()[0],
    )


def measure_fixed(
    sizes: Sequence[int], radio: RadioConfig, num_receivers: int, seed: int
) -> dict[int, float]:
    """Median seconds of value and gradient with :data:`FIXED_PATHS` paths in rooms of each size.

    The rooms take turns, call by call, so that other load of the machine affects all of them.
    """
    from vlmrt_dist.field import ReplayObjective, trace
    from vlmrt_dist.paths import concatenate_setups

    _load_compiled(radio)
    calls: dict[int, Callable[[], Any]] = {}
    with empty_cache():
        for k in sizes:
            room = box_room(k - 5)
            campaign = _campaign(room, num_receivers, seed)
            tables = []
            for m in range(campaign.num_setups):
                tables.append(trace(room, campaign.subset([m]), radio))
                if sum(t.num_paths for t in tables) >= FIXED_PATHS:
                    break
            table = concatenate_setups(tables)
            few = campaign.subset(range(len(tables)))
            objective = ReplayObjective(
                room,
                few.with_rss(np.where(few.present, -60.0, np.nan)),
                radio,
                table.rows(np.arange(min(FIXED_PATHS, table.num_paths))),
            )
            sigma = room.conductivity(radio.frequency)[None]
            calls[k] = partial(objective.value_and_grad, sigma)
    seconds: dict[int, list[float]] = {k: [] for k in calls}
    for _ in range(REPEATS):
        for k, call in calls.items():
            begin = time.perf_counter()
            call()
            seconds[k].append(time.perf_counter() - begin)
    return {k: float(np.median(times[WARM_UP:])) for k, times in seconds.items()}


def _campaign(room: SceneModel, num_receivers: int, seed: int) -> Campaign:
    setups = max(3, math.ceil(LINKS * room.num_objects / num_receivers))
    return looking_through(room, setups, num_receivers, seed)


def measure_retrace(num_objects: int, radio: RadioConfig, num_receivers: int, seed: int) -> float:
    """Wall seconds of value and gradient by tracing anew, kernels warm: one setup's, times M."""
    from vlmrt_dist.field import RetraceObjective

    room = box_room(num_objects - 5)
    every = _campaign(room, num_receivers, seed)
    campaign = every.subset([0])
    measured = campaign.with_rss(np.where(campaign.present, -60.0, np.nan))
    objective = RetraceObjective(room, measured, radio)
    sigma = room.conductivity(radio.frequency)[None]
    objective.value_and_grad(sigma)
    return every.num_setups * _median(lambda: objective.value_and_grad(sigma), 2)[0]


def in_own_process(
    work: Callable[..., Any], *arguments: Any, seconds: float | None = None
) -> Any | None:
    """``work(*arguments)`` in a fresh process, so that its memory is its own.

    :param seconds: deadline after which the process is ended and None returned [s]
    :raises VlmrtError: whatever ``work`` raised
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
            answer = receive.recv()
        except EOFError:
            process.join()
            raise RuntimeError(
                f"{work.__name__}{arguments[:1]} ended with exit code {process.exitcode}; its "
                "message stands above"
            ) from None
        if isinstance(answer, VlmrtError):
            raise answer
        return answer
    finally:
        if process.is_alive():
            process.terminate()
        process.join()


def _answer(send: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answer = work(*arguments)
    except VlmrtError as error:
        answer = error
    send.send(answer)
    send.close()


def _median(work: Callable[[], Any], least: int = 9) -> tuple[float, float]:
    """Median wall and processor seconds of ``work``, after some calls that warm up."""
    begin = time.perf_counter()
    work()
    first = time.perf_counter() - begin
    wall, processor = [], []
    count = min(max(int(SECONDS / first), least), REPEATS)
    for _ in range(count if count == least else WARM_UP + count):
        begin, start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - start)
    return float(np.median(wall[-count:])), float(np.median(processor[-count:]))
