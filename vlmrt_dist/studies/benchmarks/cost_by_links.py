"""Cost of tracing by the number of links: time inside Sionna and around it, memory, files."""

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
from vlmrt_dist.units import watts_to_dbm

BOXES = 4
"""Boxes of the paper's room, K = 9."""

_seconds = partial(median_seconds, count=9)


@dataclass(frozen=True)
class TracingCost:
    """One size, traced with nothing in the cache. Times are wall seconds.

    :param num_links: links that some path joins
    :param solver: inside Sionna's path solver, all setups together
    :param around: around it: the scene placed, paths read, unfolded, united, weighed, written
    :param solves: solves of all setups together
    :param incomplete: largest share of a link's power that the last solve still added
    :param peak: most memory that the process held while it traced [bytes]
    :param file: size of the streamed file [bytes]
    :param load: reading the file by memory map and comparing it with its content hash
    :param one: the same for one setup of it
    :param copy: load, with every column copied into memory of its own
    :param load_memory: memory of its own that the process got by ``load`` [bytes]
    :param copy_memory: the same by ``copy``
    :param value: value and gradient of the loss, all links
    :param jacobian: one sparse Jacobian
    :param only_one: paths that only one of two sets has whose solves share no seed; None: not asked
    :param difference_db: largest difference of a link's power between these two [dB]
    :param busy: load average of the machine when it was measured
    """

    num_setups: int
    num_receivers: int
    num_objects: int
    num_links: int
    num_paths: int
    solver: float
    around: float
    solves: int
    incomplete: float
    peak: int
    file: int
    load: float
    one: float
    copy: float
    load_memory: int
    copy_memory: int
    value: float
    jacobian: float
    only_one: int | None
    difference_db: float | None
    busy: float


def campaign_of(num_setups: int, num_receivers: int, seed: int) -> Campaign:
    """Random positions in the paper's room."""
    return random_campaign(box_room(BOXES), num_setups, num_receivers, seed=seed)


def measure_tracing(
    num_setups: int, num_receivers: int, radio: RadioConfig, seed: int, twice: bool
) -> TracingCost:
    """Trace, stream to a file, load and evaluate M · N links of the paper's room.

    Meant for a process of its own, as the memory of the process is measured.

    :param seed: of the positions
    :param twice: trace once more, with other seeds of Sionna's sampling, and compare
    """
    from vlmrt_dist.field import trace
    from vlmrt_dist.paths import load_paths

    room, campaign = box_room(BOXES), campaign_of(num_setups, num_receivers, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paths.arrow"
        # Kernels that Dr.Jit has never compiled are no part of what is asked.
        trace(room, campaign.subset([0]), radio, cache=False, max_solves=1)
        begin = time.perf_counter()
        traced = trace(room, campaign, radio, cache=False, keep=path)
        total = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        solver = float(traced.seconds_in_solver.sum())
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
    only_one, difference = _compared(campaign, radio, table) if twice else (None, None)
    return TracingCost(
        num_setups=num_setups,
        num_receivers=num_receivers,
        num_objects=room.num_objects,
        num_links=int((table.paths_per_link > 0).sum()),
        num_paths=table.num_paths,
        solver=solver,
        around=total - solver,
        solves=int(table.num_solves.sum()),
        incomplete=table.incomplete,
        peak=peak,
        file=size,
        load=load,
        one=one,
        copy=copy,
        load_memory=mapped - before,
        copy_memory=copied - start,
        value=value,
        jacobian=jacobian,
        only_one=only_one,
        difference_db=difference,
        busy=os.getloadavg()[0],
    )


def _compared(campaign: Campaign, radio: RadioConfig, table: PathTable) -> tuple[int, float]:
    """Paths in only one of ``table`` and a set of other seeds, and the largest difference of a
    link's power between them [dB]."""
    from vlmrt_dist.field import Materials, Replay, trace

    room, frequency = box_room(BOXES), radio.frequency
    materials = Materials(
        room.conductivity(frequency), room.relative_permittivity(frequency), room.thickness
    )
    other = trace(room, campaign, radio.replace(seed=radio.seed + 1), cache=False)
    power = [Replay(t, radio).rss(materials)[0] for t in (table, other)]
    sets = [{row.tobytes() for row in t.signature()} for t in (table, other)]
    both = (power[0] > 0.0) & (power[1] > 0.0)
    one, two = (watts_to_dbm(p[both]) for p in power)
    return len(sets[0] ^ sets[1]), float(np.abs(one - two).max(initial=0.0))


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
