"""Cost of tracing by the number of links: search, table, memory, files."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import box_room
from vlmrt_dist.studies.benchmarks.engine_timing import median_seconds
from vlmrt_dist.studies.benchmarks.path_sets import only_one_has
from vlmrt_dist.units import watts_to_dbm

BOXES = 4
"""Boxes of the paper's room, K = 9."""

_seconds = partial(median_seconds, count=9)


@dataclass(frozen=True)
class TracingCost:
    """One size, traced with nothing in the cache. Times are wall seconds.

    :param num_links: links that some path joins
    :param search: searching for the paths, all setups together
    :param around: around it: geometry of the paths, table, file
    :param processor: processor seconds of both, all threads together
    :param complete_to: depth to which every path is held
    :param fragile: paths within 0.1 mm of an edge
    :param peak: most memory that the process held while it traced [bytes]
    :param file: size of the streamed file [bytes]
    :param load: reading the file by memory map and comparing it with its content hash
    :param one: the same for one setup of it
    :param copy: load, with every column copied into memory of its own
    :param load_memory: memory of its own that the process got by ``load`` [bytes]
    :param copy_memory: the same by ``copy``
    :param value: value and gradient of the loss, all links
    :param jacobian: one sparse Jacobian
    :param only_exact: paths that a union of Sionna's solves lacks; None: not asked
    :param only_sampled: paths that only that union has
    :param difference_db: largest difference of a link's power between the two sets [dB]
    :param busy: load average of the machine when it was measured
    """

    num_setups: int
    num_receivers: int
    num_objects: int
    num_links: int
    num_paths: int
    search: float
    around: float
    processor: float
    complete_to: int
    fragile: int
    peak: int
    file: int
    load: float
    one: float
    copy: float
    load_memory: int
    copy_memory: int
    value: float
    jacobian: float
    only_exact: int | None
    only_sampled: int | None
    difference_db: float | None
    busy: float


def campaign_of(num_setups: int, num_receivers: int, seed: int) -> Campaign:
    """Random positions in the paper's room."""
    return random_campaign(box_room(BOXES), num_setups, num_receivers, seed=seed)


def measure_tracing(
    num_setups: int, num_receivers: int, radio: RadioConfig, seed: int, compared: bool
) -> TracingCost:
    """Trace, stream to a file, load and evaluate M · N links of the paper's room.

    Meant for a process of its own, as the memory of the process is measured.

    :param seed: of the positions
    :param compared: compare with a union of Sionna's solves
    """
    from vlmrt_dist.field import trace
    from vlmrt_dist.paths import load_paths

    room, campaign = box_room(BOXES), campaign_of(num_setups, num_receivers, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paths.arrow"
        # Functions and modules that were never loaded are no part of what is asked.
        trace(room, campaign.subset([0]), radio, cache=False, keep=Path(folder) / "first.arrow")
        begin, start = time.perf_counter(), time.process_time()
        traced = trace(room, campaign, radio, cache=False, keep=path)
        total, processor = time.perf_counter() - begin, time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        search = float(traced.seconds_in_solver.sum())
        size = path.stat().st_size
        del traced
        one = _seconds(lambda: load_paths(path, [num_setups - 1]))
        load = _seconds(lambda: load_paths(path))
        before = own_memory()
        table = load_paths(path)
        mapped = own_memory()
        copy = _seconds(lambda: _copied(load_paths(path)))
        start = own_memory()
        private = _copied(table)
        copied = own_memory()
        assert private.num_paths == table.num_paths
        del private
    value, jacobian = _evaluations(campaign, radio, table)
    differences = _compared(campaign, radio, table) if compared else (None, None, None)
    return TracingCost(
        num_setups=num_setups,
        num_receivers=num_receivers,
        num_objects=room.num_objects,
        num_links=int((table.paths_per_link > 0).sum()),
        num_paths=table.num_paths,
        search=search,
        around=total - search,
        processor=processor,
        complete_to=table.certificate,
        fragile=table.num_fragile,
        peak=peak,
        file=size,
        load=load,
        one=one,
        copy=copy,
        load_memory=mapped - before,
        copy_memory=copied - start,
        value=value,
        jacobian=jacobian,
        only_exact=differences[0],
        only_sampled=differences[1],
        difference_db=differences[2],
        busy=os.getloadavg()[0],
    )


def _compared(campaign: Campaign, radio: RadioConfig, table: PathTable) -> tuple[int, int, float]:
    """Paths that only ``table`` has, that only a union of Sionna's solves has, and the largest
    difference of a link's power between them [dB]."""
    from vlmrt_dist.field import own_power, trace

    room = box_room(BOXES)
    other = trace(room, campaign, radio.replace(path_set="united_solves"), cache=False)
    power = [own_power(room, radio, t) for t in (table, other)]
    both = (power[0] > 0.0) & (power[1] > 0.0)
    one, two = (watts_to_dbm(p[both]) for p in power)
    difference = float(np.abs(one - two).max(initial=0.0))
    return *only_one_has(table, other), difference


def _evaluations(campaign: Campaign, radio: RadioConfig, table: PathTable) -> tuple[float, float]:
    """Seconds of a value with its gradient, and of a Jacobian."""
    from vlmrt_dist.field import ReplayObjective

    room = box_room(BOXES)
    measured = campaign.with_rss(np.where(campaign.present, -60.0, np.nan))
    objective = ReplayObjective(room, measured, radio, table)
    sigma = room.conductivity(radio.frequency)
    return (
        _seconds(lambda: objective.value_and_grad(sigma[None])),
        _seconds(lambda: objective.log_jacobian(sigma)),
    )


def _copied(table: PathTable) -> PathTable:
    values: dict[str, Any] = {f.name: getattr(table, f.name) for f in fields(table)}
    values |= {n: a.copy() for n, a in values.items() if isinstance(a, np.ndarray)}
    return PathTable(**values)


def own_memory() -> int:
    """Memory of this process that no other one can share [bytes]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
