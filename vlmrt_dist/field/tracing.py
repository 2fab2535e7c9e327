"""From a scene and its setups to a :class:`PathTable`, by Sionna's path solver.

One solve samples directions and interactions at random, so it finds a part of the paths only:
with the paper's 5000 rays about half of those of its room. ``RadioConfig.complete`` unites
independently seeded solves until further ones add nothing that matters.

Sionna chooses between reflection and transmission with the material's own probabilities, so chains
of unlikely interactions are found late or never. The paths do not depend on the materials; solves
for a complete set are therefore made with a resistive sheet, which reflects and transmits alike.
In the paper's room, D=4, that finds with 0.2 million rays what real materials need 6 million for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.errors import StorageError, UnsupportedByReplay
from vlmrt_dist.field.replay import Materials, Replay
from vlmrt_dist.paths import (
    CANDIDATES,
    COMPLETE_TOLERANCE,
    LANES_PER_GROUP,
    MAX_LANES_AT_ONCE,
    VARIANT,
    FoundPaths,
    LiveScene,
    PathTable,
    Planes,
    concatenate_setups,
    groups_of,
    load_paths,
    planes_of,
    refuse_too_large,
    stream_paths,
    unfold,
    unite,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import cache_folder
from vlmrt_dist.units import FREE_SPACE_IMPEDANCE

TRACING_VERSION = 3
"""Part of the cache's key: raise it when the same request would give another table."""

CLEAN_SOLVES = 2
"""So many solves in a row have to stay below :data:`COMPLETE_TOLERANCE`; one may be luck."""

MAX_SOLVES = 10
"""Most solves united for one setup; what the last one added is in :attr:`PathTable.added`."""

MAPPED_LINKS = 1000
"""Campaigns of so many links are cached as one more file, which all processes of a machine map:
pool actors that evaluate one campaign hold no copies of its paths (200 bytes each at D = 4)."""


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
    own as well, see :data:`MAPPED_LINKS`. One solve is for at most so many receivers at once as
    :mod:`~vlmrt_dist.paths.receiver_groups` says.

    :param scene: the scene; for a single solve its own conductivities steer Sionna's sampling
    :param campaign: M setups of N receivers
    :param radio: carrier, antennas, depth, rays, seed, and whether the set is to be complete
    :param cache: read and write the cache
    :param max_solves: most solves united for one setup where the set is to be complete; default:
        :data:`MAX_SOLVES`
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
    refuse_unsupported(radio)
    most = MAX_SOLVES if max_solves is None else max_solves
    whole = None
    if cache and keep is None and campaign.num_links >= MAPPED_LINKS:
        whole = _campaign_file(scene, campaign, radio, most)
        if (table := _cached(whole)) is not None:
            if progress is not None:
                progress("trace", campaign.num_setups, campaign.num_setups)
            return table
    tables = _each_setup(scene, campaign, radio, cache, most, progress)
    if keep is not None:
        stream_paths(keep, tables)
        return load_paths(keep)
    if whole is None:
        return concatenate_setups(tables)
    held = list(tables)  # what took minutes to trace is not lost to a full disk
    _save(held, whole)
    return _cached(whole) or concatenate_setups(held)


def _each_setup(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    cache: bool,
    max_solves: int,
    progress: Progress | None,
) -> Iterator[PathTable]:
    tracer = _Tracer(scene, radio, max_solves)
    try:
        for m, setup in enumerate(campaign.setups):
            file = _cache_file(scene, setup, radio, max_solves) if cache else None
            table = _cached(file) if file is not None else None
            if table is None:
                table = tracer.trace_setup(setup)
                if file is not None:
                    _save([table], file)
            yield _widen(table, campaign, m)
            if progress is not None:
                progress("trace", m + 1, campaign.num_setups)
    finally:
        tracer.close()


def _cached(file: Path) -> PathTable | None:
    """What is kept in ``file``, if it is whole."""
    try:
        return load_paths(file)
    except StorageError:
        return None


def _save(tables: Sequence[PathTable], file: Path) -> None:
    """Keep tables as one for the next time; a cache that cannot be written costs time, and no
    results."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream_paths(file, tables)
    except (OSError, StorageError) as error:
        warnings.warn(
            f"the path cache cannot be written and is done without: {error}; name another folder "
            "in VLMRT_CACHE_DIR",
            stacklevel=3,
        )


def refuse_unsupported(radio: RadioConfig) -> None:
    """:raises UnsupportedByReplay: if a stored path cannot stand for what ``radio`` asks for."""
    wanted = [name for name in ("diffuse", "diffraction") if getattr(radio, name)]
    if wanted:
        raise UnsupportedByReplay(
            f"the replay engine does not model {' and '.join(wanted)}; use engine='retrace', "
            "which solves for the paths anew in every iteration"
        )


class _Tracer:
    """A live scene that is loaded when the first setup has to be traced."""

    def __init__(self, scene: SceneModel, radio: RadioConfig, max_solves: int) -> None:
        self._scene = scene
        self._radio = radio
        self._max_solves = max_solves
        self._loaded: tuple[LiveScene, Planes] | None = None
        self._most_receivers = 0

    def trace_setup(self, setup: MeasurementSetup) -> PathTable:
        """The paths of one setup, and how long they took."""
        begin = time.perf_counter()
        if self._loaded is None:
            model = _sheets(self._scene) if self._radio.complete else self._scene
            self._loaded = LiveScene(model, self._radio), planes_of(self._scene)
        live = self._loaded[0]
        if len(setup.rx) > self._most_receivers and VARIANT.startswith("llvm"):
            refuse_too_large(self._radio, len(setup.rx))
            self._most_receivers = len(setup.rx)  # fewer will find the memory that these leave
        before = live.seconds_in_solver
        table = self._found(setup)
        return dataclasses.replace(
            table,
            seconds=np.array([time.perf_counter() - begin]),
            seconds_in_solver=np.array([live.seconds_in_solver - before]),
        )

    def close(self) -> None:
        """Give back the memory of the solves."""
        if self._loaded is not None:
            self._loaded[0].release_memory()

    def _found(self, setup: MeasurementSetup) -> PathTable:
        assert self._loaded is not None
        table = _solve(*self._loaded, setup, self._radio.seed, 0)
        if not self._radio.complete:
            return table
        power = self._power(table)
        solves, clean = 1, 0
        added = np.full(power.shape, np.nan)
        while solves < self._max_solves and clean < CLEAN_SOLVES:
            # Seeds are spread apart, so that neighbouring configurations share no solve.
            seed = (self._radio.seed * 7919 + 104_729 * solves) % 2**31
            table = unite([table, _solve(*self._loaded, setup, seed, solves)])
            before, power = power, self._power(table)
            added = np.divide(power - before, power, out=np.zeros_like(power), where=power > 0.0)
            clean = clean + 1 if np.all(added <= COMPLETE_TOLERANCE) else 0
            solves += 1
        return dataclasses.replace(table, added=added, num_solves=np.array([solves], np.int32))

    def _power(self, table: PathTable) -> FloatArray:
        """[1, N] power that the paths carry through the scene's own materials."""
        frequency = self._radio.frequency
        materials = Materials(
            self._scene.conductivity(frequency),
            self._scene.relative_permittivity(frequency),
            self._scene.thickness,
        )
        return Replay(table, self._radio.replace(combining="power")).rss(materials)[0]


def _sheets(scene: SceneModel) -> SceneModel:
    """``scene`` made of thin sheets of half the impedance of free space.

    At normal incidence such a sheet has reflection -1/2 and transmission 1/2.
    """
    thickness = 1e-4  # far below a wavelength, so that only conductivity times thickness counts
    conductivity = 2.0 / (FREE_SPACE_IMPEDANCE * thickness)
    return dataclasses.replace(
        scene,
        objects=tuple(
            dataclasses.replace(
                item,
                thickness=thickness,
                conductivity=conductivity,
                relative_permittivity=1.0,
            )
            for item in scene.objects
        ),
    )


def _solve(
    live: LiveScene, planes: Planes, setup: MeasurementSetup, seed: int, repetition: int
) -> PathTable:
    """The table of one solve for one setup: sorted, every path once."""
    tables = []
    for first, stop in groups_of(live.radio, len(setup.rx)):
        part = MeasurementSetup(setup.tx, setup.rx[first:stop])
        found = live.find_paths(part, seed, repetition)
        tables.append(_table(live, planes, setup, found, first))
    return unite(tables)


def _table(
    live: LiveScene, planes: Planes, setup: MeasurementSetup, found: FoundPaths, start: int
) -> PathTable:
    """The paths that were found, with their exact geometry and bases; ``start`` is the number of
    the first receiver that was solved for."""
    there = found.kind != 0
    face = planes.first_face[found.object] + found.face
    plane = np.where(there, planes.of_face[np.where(there, face, 0)], 0).astype(np.int32)
    paths, depth = found.kind.shape
    receiver = found.receiver + np.int32(start)
    rx = setup.rx[receiver]
    tx = np.broadcast_to(setup.tx, rx.shape)
    length, direction = unfold(planes, tx, rx, found.kind, plane)

    normal = planes.normal[plane]  # [P, D, 3]
    along = (normal * direction[:, :-1]).sum(2)
    theta_t, tx_field = live.antenna_field(direction[:, 0])
    theta_r, rx_field = live.antenna_field(-direction[:, depth])
    # (θ̂, φ̂) is right-handed about the direction of travel at departure; at arrival the antenna
    # looks the other way, so φ̂ changes its sign.
    rx_field = rx_field * np.array([1.0, -1.0])

    rotation = np.zeros((paths, depth + 1, 2))
    rotation[..., 0] = 1.0
    basis = theta_t
    last = there.sum(1)
    for d in range(depth + 1):
        travel = direction[:, d]
        if d < depth:
            wanted = _te(travel, normal[:, d], basis)
            wanted = np.where((d == last)[:, None], theta_r, wanted)
        else:
            wanted = theta_r
        turn = np.column_stack([(basis * wanted).sum(1), (np.cross(travel, basis) * wanted).sum(1)])
        active = (d <= last)[:, None]
        rotation[:, d] = np.where(active, turn, rotation[:, d])
        basis = np.where(active, wanted, basis)
    count = len(setup.rx)
    return PathTable(
        num_setups=1,
        num_receivers=count,
        num_objects=live.model.num_objects,
        setup=np.zeros(paths, np.int32),
        receiver=receiver,
        length=length,
        kind=found.kind,
        object=found.object,
        plane=plane,
        cosine=np.where(there, np.minimum(np.abs(along), 1.0), 1.0),
        rotation=rotation,
        tx_field=tx_field,
        rx_field=rx_field,
        added=np.full((1, count), np.nan),
        num_solves=np.ones(1, np.int32),
        seconds=np.zeros(1),
        seconds_in_solver=np.zeros(1),
    )


def _te(travel: FloatArray, normal: FloatArray, basis: FloatArray) -> FloatArray:
    """Unit vectors [P, 3] perpendicular to the plane of incidence.

    At normal incidence any transverse vector will do: the incoming basis is kept.
    """
    vector = np.cross(travel, normal)
    size = np.linalg.norm(vector, axis=1, keepdims=True)
    te = np.divide(vector, size, out=np.zeros_like(vector), where=size > 1e-9)
    return np.where(size > 1e-9, te, basis)


def _widen(table: PathTable, campaign: Campaign, setup: int) -> PathTable:
    """``table`` of the receivers that are there, numbered as in the padded campaign."""
    there = np.flatnonzero(campaign.present[setup])
    if len(there) == campaign.num_receivers:
        return table
    added = np.zeros((1, campaign.num_receivers))
    added[0, there] = table.added[0]
    return dataclasses.replace(
        table,
        num_receivers=campaign.num_receivers,
        receiver=there[table.receiver].astype(np.int32),
        added=added,
    )


def _cache_file(
    scene: SceneModel, setup: MeasurementSetup, radio: RadioConfig, max_solves: int = MAX_SOLVES
) -> Path:
    digest = hashlib.sha256()
    for part in (
        scene.key,
        radio.paths_key,
        f"sionna-rt {version('sionna-rt')}, tracing {TRACING_VERSION}",
        f"{COMPLETE_TOLERANCE} {CLEAN_SOLVES} {max_solves} {MAX_LANES_AT_ONCE} {LANES_PER_GROUP} "
        f"{CANDIDATES}",
    ):
        digest.update(part.encode() + b"\n")
    for positions in (setup.tx, setup.rx):
        digest.update(np.ascontiguousarray(positions, dtype=np.float64).tobytes())
    return cache_folder() / "paths" / f"{digest.hexdigest()}.arrow"


def _campaign_file(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, max_solves: int
) -> Path:
    names = [_cache_file(scene, setup, radio, max_solves).name for setup in campaign.setups]
    digest = hashlib.sha256("\n".join(names).encode() + campaign.present.tobytes())
    return cache_folder() / "paths" / f"campaign-{digest.hexdigest()}.arrow"
