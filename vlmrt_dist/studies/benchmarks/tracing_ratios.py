"""Processor seconds of the exact search, against those of a union of Sionna's solves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.field import perturbed, simulate, trace
from vlmrt_dist.inference import PRIOR_WIDTH, LevenbergMarquardt, Prior, estimate
from vlmrt_dist.paths import ExactSolver, PathTable, SearchLimits, prepare_scene, search_paths
from vlmrt_dist.placement import AOptimal, CandidateOptions, Random
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import empty_cache
from vlmrt_dist.studies.benchmarks.box_links import looking_through
from vlmrt_dist.studies.benchmarks.cities import city
from vlmrt_dist.studies.benchmarks.path_sets import only_one_has

REPEATS = 5
"""Searches of a small campaign, of which the median counts."""

LARGE, RECEIVERS, SOME_SETUPS = 2000, 16, 20
"""Objects K of the large room, receivers N of a setup in it, and how many of its setups, about 500,
are timed at D = 3."""

CAMPAIGNS = 1000
"""Random campaigns that are traced and fitted."""

_Result = TypeVar("_Result")


class Traced(NamedTuple):
    """One line of the table of tracing. Seconds are processor seconds, the search on one thread.

    :param seconds: search and path table by the exact search, unless ``what`` says otherwise [s]
    :param num_paths: paths that it finds; None: not asked
    :param united_seconds: union of Sionna's solves [s]; None: not timed
    :param united_paths: paths of that union
    :param only_exact: paths that the union lacks
    :param only_united: paths that only the union has
    """

    what: str
    seconds: float
    num_paths: int | None = None
    united_seconds: float | None = None
    united_paths: int | None = None
    only_exact: int | None = None
    only_united: int | None = None

    @property
    def ratio(self) -> float | None:
        """How many times longer the union of solves takes."""
        return None if self.united_seconds is None else self.united_seconds / self.seconds


def time_tracing(depths: Sequence[int], progress: Progress | None = None) -> list[Traced]:
    """The paper's room, M = 3 and N = 8 at random positions, in both ways.

    :param depths: depths D
    :param progress: called with each depth
    """
    room = box_room()
    campaign = random_campaign(room, 3, 8, seed=0)
    rows = []
    for depth in depths:
        rows.append(_both_ways(room, campaign, depth))
        _say(progress, rows[-1])
    return rows


def time_large_tracing(progress: Progress | None = None) -> list[Traced]:
    """Many links, many objects, a city, a pool of candidates, and many campaigns.

    :param progress: called with each line
    """
    room, large = box_room(), box_room(LARGE - 5)
    many = random_campaign(room, 100, 100, seed=0)
    boxes = looking_through(large, 4 * LARGE // RECEIVERS, RECEIVERS)
    some = boxes.subset(range(SOME_SETUPS))
    parts: list[Callable[[], list[Traced]]] = [
        lambda: [_links("paper's room, 100 x 100 links, D = 4", room, many, 4)],
        lambda: [
            _prepared(f"K = {LARGE}", large),
            _links(f"K = {LARGE}, {boxes.num_links} links in {boxes.num_setups} setups, D = 2",
                   large, boxes, 2),
            _links(f"K = {LARGE}, {some.num_links} links in {SOME_SETUPS} setups, D = 3", large,
                   some, 3),
        ],
        _munich,
        lambda: [_pool(room)],
        lambda: [_campaigns(room)],
    ]  # fmt: skip
    rows: list[Traced] = []
    for part in parts:
        for row in part():
            rows.append(row)
            _say(progress, row)
    return rows


def _say(progress: Progress | None, row: Traced) -> None:
    if progress is not None:
        progress(f"{row.what}: {row.seconds:.3g} s", 0, 0)


def _timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """The result of ``work``, and the processor seconds that it takes."""
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def _both_ways(room: SceneModel, campaign: Campaign, depth: int) -> Traced:
    """The exact search, and a union of Sionna's solves of a million rays."""
    radio = RadioConfig(max_depth=depth)
    solver = ExactSolver(room, radio, threads=1)
    solver.solve(campaign.setups[:1])  # prepares the scene
    runs = [_timed(lambda: solver.solve(campaign.setups)) for _ in range(REPEATS)]
    exact = runs[0][0]
    single = radio.replace(path_set="single_solve", samples_per_src=1000)
    trace(room, campaign, single, cache=False)  # compiles Sionna's kernels
    united = radio.replace(path_set="united_solves")
    other, seconds = _timed(lambda: trace(room, campaign, united, cache=False))
    return Traced(
        f"paper's room, 3 x 8 links, D = {depth}",
        statistics.median(s for _, s in runs),
        exact.num_paths,
        seconds,
        other.num_paths,
        *only_one_has(exact, other),
    )


def _links(what: str, scene: SceneModel, campaign: Campaign, depth: int) -> Traced:
    """One exact search of all links, the scene prepared before."""
    radio = RadioConfig(max_depth=depth)
    ExactSolver(scene, radio.replace(max_depth=0), threads=1).solve(campaign.setups[:1])
    table, seconds = _timed(lambda: trace(scene, campaign, radio, cache=False, threads=1))
    return Traced(what + _certified(table, depth), seconds, table.num_paths)


def _certified(table: PathTable, depth: int) -> str:
    return "" if table.certificate >= depth else f" (complete to D = {table.certificate})"


def _prepared(what: str, scene: SceneModel) -> Traced:
    """Faces of a scene, before any search."""
    return Traced(f"{what}, its faces prepared", _timed(lambda: prepare_scene(scene))[1])


def _munich() -> list[Traced]:
    """Street positions in Sionna's model of the city, the search alone."""
    scene = city("munich")
    street = CandidateOptions(height=(1.5, 1.5), tx_height=(3.0, 10.0))
    campaign = Random(street).place(scene, 2, 8, seed=0)
    prepared, seconds = _timed(lambda: prepare_scene(scene))
    rows = [Traced("munich, its faces prepared", seconds)]
    for depth in (2, 3):
        search = partial(search_paths, prepared, campaign.setups, SearchLimits(depth), threads=1)
        paths, seconds = _timed(search)
        rows.append(Traced(f"munich, 2 x 8 links, D = {depth}", seconds, len(paths.setup)))
    return rows


def _pool(room: SceneModel) -> Traced:
    """Positions chosen from a pool as ``vlmrt plan`` does, in a process that has started."""
    strategy = AOptimal(candidates=CandidateOptions(num_tx=20, num_rx=60))
    with empty_cache():
        _, seconds = _timed(lambda: strategy.place(room, 3, 8, seed=0))
    return Traced("3 x 8 positions chosen from a pool of 20 x 60, D = 4", seconds)


def _campaigns(room: SceneModel) -> Traced:
    """Random campaigns, each traced, simulated and fitted without a cross-validation."""
    radio, solver = RadioConfig(), LevenbergMarquardt(folds=0)
    itu = room.conductivity(radio.frequency)

    def fit_all() -> None:
        for seed in range(CAMPAIGNS):
            campaign = random_campaign(room, 3, 8, seed=seed)
            measured = simulate(room, campaign, conductivity=perturbed(itu, seed), radio=radio)
            estimate(room, measured, radio=radio, prior=Prior(PRIOR_WIDTH), solver=solver)

    _, seconds = _timed(fit_all)
    return Traced(f"{CAMPAIGNS} campaigns of 3 x 8 links traced and fitted, D = 4", seconds)
