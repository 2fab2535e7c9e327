"""From a scene and a campaign to a :class:`PathTable`: cached, searched, or sampled by Sionna."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field.replay import Materials, Replay
from vlmrt_dist.field.scattering import refuse_beside_scattering
from vlmrt_dist.field.walls import walls_of
from vlmrt_dist.paths import (
    KEPT_SECONDS,
    LINKS_AT_ONCE,
    NOT_PROVEN,
    ExactSolver,
    PathCache,
    PathTable,
    concatenate_setups,
    geometry_of,
    load_paths,
    searched_together,
    stream_paths,
    warn_of_sionna_limits,
    with_antennas,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

_Solve = Callable[[Sequence[MeasurementSetup]], PathTable]


def trace(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    *,
    cache: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
    keep: str | os.PathLike[str] | None = None,
) -> PathTable:
    """Trace every setup of ``campaign``.

    By default every path up to ``radio.max_depth`` is found, exactly; ``radio.path_set`` says
    otherwise. Tables that took time are kept on disk, a file a setup, in ``VLMRT_CACHE_DIR``
    (default ``~/.cache/vlmrt_dist``); a damaged file is traced again. Large campaigns have a file
    of their own as well, see :data:`~vlmrt_dist.paths.path_cache.MAPPED_LINKS`.

    Warns with :class:`~vlmrt_dist.paths.SionnaLimits` of links that a sampled set gets wrong
    because Sionna drops short segments and computes in float32.

    Paths do not depend on the antennas: those of isotropic ones are kept, and links of equal
    positions share them, so that another pattern, orientation or port needs no search.

    :param scene: the scene; for a single solve its own conductivities steer Sionna's sampling
    :param campaign: M setups of N receivers
    :param radio: carrier, antennas, depth and path set
    :param cache: read and write the cache
    :param threads: threads of the exact search; None: one for each processor of this process
    :param progress: called along the setups, or once if all were in the cache
    :param keep: an Arrow file (see :mod:`~vlmrt_dist.paths.path_files`) that setups are written to
        as they are traced, so that few are held at a time; the table is a memory map of it
    :return: the paths of all links, which may be none
    :raises UnsupportedByReplay: if diffraction is asked for with a path set that is not exact, or
        diffuse scattering with averages over ports
    :raises CampaignError: if an antenna is on a surface, or on the other end of its link
    :raises PathOverflowError: if Sionna's path buffer was full
    :raises EngineUnavailable: if the machine lacks the memory for one of Sionna's solves
    :raises StorageError: if ``keep`` cannot be written to
    """
    _check_supported(campaign, radio)
    radio = radio.replace(diffuse_reflection=False)
    plain = radio.replace(antenna_pattern="iso", polarization="V")
    if campaign.antennas is None and radio == plain:
        return _isotropic(scene, campaign, radio, cache, threads, progress, keep)
    geometry, link = geometry_of(campaign)
    table = _isotropic(scene, geometry, plain, cache, threads, progress, keep)
    return with_antennas(table, link, scene, campaign, radio)


def _isotropic(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    cache: bool,
    threads: int | None,
    progress: Progress | None,
    keep: str | os.PathLike[str] | None,
) -> PathTable:
    """:func:`trace` for isotropic, vertically polarized antennas, whose field is one."""
    if radio.path_set != "exact":
        warn_of_sionna_limits(scene, campaign, radio, partial(own_power, scene, radio))
    kept = PathCache(scene, radio) if cache else None
    whole = kept.campaign_file(campaign) if kept is not None and keep is None else None
    if whole is not None and (table := PathCache.read(whole)) is not None:
        if progress is not None:
            progress("trace", campaign.num_setups, campaign.num_setups)
        return table
    tables = _traced(scene, campaign, radio, kept, threads, progress)
    if keep is not None:
        stream_paths(keep, tables)
        return load_paths(keep)
    if whole is None:
        return concatenate_setups(tables)
    held = list(tables)  # what took minutes to trace is not lost to a full disk
    PathCache.write(whole, held)
    return PathCache.read(whole) or concatenate_setups(held)


def _traced(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    cache: PathCache | None,
    threads: int | None,
    progress: Progress | None,
) -> Iterator[PathTable]:
    """The tables of the setups, in order, their receivers numbered as in the campaign."""
    if radio.path_set == "exact":
        solve: _Solve = ExactSolver(scene, radio, threads=threads).solve
        yield from _in_turn(campaign, cache, solve, LINKS_AT_ONCE, progress)
        return
    from vlmrt_dist.paths import SionnaSolver  # imports Sionna

    solver = SionnaSolver(scene, radio, power=partial(own_power, scene, radio))
    try:
        yield from _in_turn(campaign, cache, lambda one: solver.solve(one[0]), 1, progress)
    finally:
        solver.close()


def _in_turn(
    campaign: Campaign,
    cache: PathCache | None,
    solve: _Solve,
    most_links: int,
    progress: Progress | None,
) -> Iterator[PathTable]:
    """Tables of one or several setups, from the cache or solved for."""
    done = 0
    for group, table in _groups(campaign, cache, most_links):
        if table is None:
            setups = [campaign.setups[m] for m in group]
            begin = time.process_time()
            table = solve(setups)
            _keep(cache, setups, table, time.process_time() - begin)
        yield table.padded(campaign.present[group])
        done += len(group)
        if progress is not None:
            progress("trace", done, campaign.num_setups)


def _groups(
    campaign: Campaign, cache: PathCache | None, most_links: int
) -> Iterator[tuple[list[int], PathTable | None]]:
    """The setups, in order: one with its table from the cache, or some to be solved for together,
    which have ``most_links`` links or are one."""
    setups = campaign.setups
    cached = (
        (m, None if cache is None else PathCache.read(cache.setup_file(setup)))
        for m, setup in enumerate(setups)
    )
    for known, run in itertools.groupby(cached, lambda each: each[1] is not None):
        if known:
            yield from (([m], table) for m, table in run)
        else:
            links = ((m, setups[m].num_receivers) for m, _ in run)
            yield from ((group, None) for group in searched_together(links, most_links))


def _keep(
    cache: PathCache | None, setups: Sequence[MeasurementSetup], table: PathTable, spent: float
) -> None:
    """Write the setups to the cache, but for those that were found as fast as they are read.

    :param spent: processor time of the search [s]; wall time would keep everything on a busy
        machine
    """
    if cache is None:
        return
    total = max(float(table.seconds.sum()), 1e-300)
    for m, setup in enumerate(setups):
        own = spent * table.seconds[m] / total
        if own >= KEPT_SECONDS or table.complete_to[m] == NOT_PROVEN:
            PathCache.write(cache.setup_file(setup), [table.setups([m])])


def _check_supported(campaign: Campaign, radio: RadioConfig) -> None:
    """:raises UnsupportedByReplay: if stored paths cannot stand for what is asked for."""
    if radio.diffraction and radio.path_set != "exact":
        raise UnsupportedByReplay(
            "diffraction needs path_set='exact', whose search finds diffracted paths; or give "
            "engine='retrace', which solves for the paths with Sionna in every iteration"
        )
    if radio.diffuse_reflection:
        refuse_beside_scattering(campaign)


def own_power(scene: SceneModel, radio: RadioConfig, table: PathTable) -> FloatArray:
    """[M, N] power that the paths carry through the scene's own materials, phases left out."""
    materials = Materials(
        scene.conductivity(radio.frequency),
        scene.relative_permittivity(radio.frequency),
        scene.thickness,
    )
    walls = walls_of(scene, radio.frequency)
    return Replay(table, radio.replace(combining="power"), walls).rss(materials)[0]
