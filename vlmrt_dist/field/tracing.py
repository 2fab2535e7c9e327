"""From a scene and a campaign to a :class:`PathTable`: cached, or traced setup by setup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field.replay import Materials, Replay
from vlmrt_dist.paths import (
    MAX_SOLVES,
    PathCache,
    PathTable,
    SionnaSolver,
    concatenate_setups,
    load_paths,
    stream_paths,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


def trace(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    *,
    cache: bool = True,
    max_solves: int | None = None,
    progress: Progress | None = None,
    keep: str | os.PathLike[str] | None = None,
) -> PathTable:
    """Trace every setup of ``campaign``.

    Tables are kept on disk, a file a setup, in ``VLMRT_CACHE_DIR`` (default
    ``~/.cache/vlmrt_dist``); a damaged file is traced again. Large campaigns have a file of their
    own as well, see :data:`~vlmrt_dist.paths.path_cache.MAPPED_LINKS`. One solve is for at most so
    many receivers at once as :mod:`~vlmrt_dist.paths.receiver_groups` says.

    :param scene: the scene; for a single solve its own conductivities steer Sionna's sampling
    :param campaign: M setups of N receivers
    :param radio: carrier, antennas, depth, rays, seed, and whether the set is to be complete
    :param cache: read and write the cache
    :param max_solves: most solves united for one setup where the set is to be complete; default:
        :data:`~vlmrt_dist.paths.sionna_solver.MAX_SOLVES`
    :param progress: called after each setup, or once if all were in the cache
    :param keep: an Arrow file (see :mod:`~vlmrt_dist.paths.path_files`) that setups are written to
        as they are traced, so that no more than one is held at a time; the table is a memory map
        of it
    :return: the paths of all links, which may be none
    :raises UnsupportedByReplay: if diffuse scattering or diffraction is asked for
    :raises PathOverflowError: if Sionna's path buffer was full
    :raises EngineUnavailable: if the machine lacks the memory for one solve
    :raises StorageError: if ``keep`` cannot be written to
    """
    _check_supported(radio)
    most = MAX_SOLVES if max_solves is None else max_solves
    kept = PathCache(scene, radio, most) if cache else None
    whole = kept.campaign_file(campaign) if kept is not None and keep is None else None
    if whole is not None and (table := PathCache.read(whole)) is not None:
        if progress is not None:
            progress("trace", campaign.num_setups, campaign.num_setups)
        return table
    solver = SionnaSolver(scene, radio, power=partial(_power, scene, radio), max_solves=most)
    tables = _each_setup(solver, campaign, kept, progress)
    if keep is not None:
        stream_paths(keep, tables)
        return load_paths(keep)
    if whole is None:
        return concatenate_setups(tables)
    held = list(tables)  # what took minutes to trace is not lost to a full disk
    PathCache.write(whole, held)
    return PathCache.read(whole) or concatenate_setups(held)


def _each_setup(
    solver: SionnaSolver,
    campaign: Campaign,
    cache: PathCache | None,
    progress: Progress | None,
) -> Iterator[PathTable]:
    """The table of each setup, its receivers numbered as in the campaign."""
    try:
        for m, setup in enumerate(campaign.setups):
            file = cache.setup_file(setup) if cache is not None else None
            table = PathCache.read(file) if file is not None else None
            if table is None:
                table = solver.solve(setup)
                if file is not None:
                    PathCache.write(file, [table])
            yield table.padded(campaign.present[m])
            if progress is not None:
                progress("trace", m + 1, campaign.num_setups)
    finally:
        solver.close()


def _check_supported(radio: RadioConfig) -> None:
    """:raises UnsupportedByReplay: if a stored path cannot stand for what ``radio`` asks for."""
    wanted = [name for name in ("diffuse", "diffraction") if getattr(radio, name)]
    if wanted:
        raise UnsupportedByReplay(
            f"the replay engine does not model {' and '.join(wanted)}; use engine='retrace', "
            "which solves for the paths anew in every iteration"
        )


def _power(scene: SceneModel, radio: RadioConfig, table: PathTable) -> FloatArray:
    """[1, N] power that the paths carry through the scene's own materials, phases left out."""
    materials = Materials(
        scene.conductivity(radio.frequency),
        scene.relative_permittivity(radio.frequency),
        scene.thickness,
    )
    return Replay(table, radio.replace(combining="power")).rss(materials)[0]
