"""The exact paths of measurement setups as a :class:`PathTable`, several setups at a time."""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vlmrt_dist.campaign import MeasurementSetup, RadioConfig
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.exact.diffracted_table import diffracted_table
from vlmrt_dist.paths.exact.faces import (
    CoincidentSurfaces,
    PreparedScene,
    prepare_scene,
    warn_of_coincidence,
)
from vlmrt_dist.paths.exact.limits import SearchLimits
from vlmrt_dist.paths.exact.search import search_paths
from vlmrt_dist.paths.exact.table import exact_table
from vlmrt_dist.paths.exact.wedges import Wedges, wedges_of
from vlmrt_dist.paths.path_table import PathTable, unite
from vlmrt_dist.scene import SceneModel

PREPARED_SCENES = 4
"""Scenes that a process keeps prepared: a room takes milliseconds, a city a second."""

LINKS_AT_ONCE = 256
"""Setups are searched side by side until they have so many links, which bounds the memory."""


class ExactSolver:
    """Searches for the paths of setups; the scene is prepared for the first.

    :param scene: the scene
    :param radio: antennas, depth, and caps on reflections and transmissions
    :param threads: how many search side by side; None: one for each processor of this process
    """

    def __init__(self, scene: SceneModel, radio: RadioConfig, *, threads: int | None = None):
        self._scene = scene
        self._field = partial(antenna_field, radio.antenna_pattern, radio.polarization)
        self._threads = threads
        self._limits = SearchLimits.of(radio)
        self._diffracts, self._free_edges = radio.diffraction, radio.edge_diffraction

    def solve(self, setups: Sequence[MeasurementSetup]) -> PathTable:
        """The table of ``setups``, whose receivers are numbered one after another.

        Warns with :class:`~vlmrt_dist.paths.exact.limits.IncompleteSearch` where a set is complete
        to a lower depth only, and once for a scene with
        :class:`~vlmrt_dist.paths.exact.faces.CoincidentSurfaces` where surfaces coincide.

        :raises CampaignError: if an antenna is on a surface, or on the other end of its link
        :raises NumericalError: if a path grazes a face, so that its geometry is not finite
        """
        begin = time.perf_counter()
        prepared = prepared_scene(self._scene)
        _warn_once(_geometry(self._scene))
        paths = search_paths(prepared, setups, self._limits, threads=self._threads)
        searched = time.perf_counter() - begin
        table = exact_table(prepared, setups, paths, self._field)
        if self._diffracts and self._limits.max_depth > 0:
            table = self._with_diffracted(prepared, setups, table)
            searched = time.perf_counter() - begin
        # Setups are searched side by side; each is given its share of the work.
        share = (paths.steps + 1.0) / (paths.steps + 1.0).sum()
        return dataclasses.replace(
            table,
            seconds=share * (time.perf_counter() - begin),
            seconds_in_solver=share * searched,
        )

    def _with_diffracted(
        self, prepared: PreparedScene, setups: Sequence[MeasurementSetup], table: PathTable
    ) -> PathTable:
        """``table`` with the diffracted paths of the same setups."""
        wedges = _wedges(_geometry(self._scene), self._free_edges)
        more = diffracted_table(
            prepared, wedges, setups, self._limits, self._field, threads=self._threads
        )
        complete = np.minimum(table.complete_to, more.complete_to)
        return dataclasses.replace(unite([table, more]), complete_to=complete)


def prepared_scene(scene: SceneModel) -> PreparedScene:
    """``scene`` prepared for the search, once for scenes of the same shapes and names.

    Says nothing of coincident surfaces, which concern those only who use its paths.
    """
    return _prepared(_geometry(scene))


@dataclass(frozen=True)
class _Geometry:
    """A scene, equal to others of the same shapes and names."""

    key: str
    names: tuple[str, ...]
    scene: SceneModel = field(compare=False)


def _geometry(scene: SceneModel) -> _Geometry:
    return _Geometry(scene.geometry_key, scene.names, scene)


@functools.lru_cache(maxsize=PREPARED_SCENES)
def _wedges(geometry: _Geometry, free_edges: bool) -> Wedges:
    return wedges_of(geometry.scene, _prepared(geometry), free_edges=free_edges)


@functools.lru_cache(maxsize=PREPARED_SCENES)
def _warn_once(geometry: _Geometry) -> None:
    warn_of_coincidence(_prepared(geometry))


@functools.lru_cache(maxsize=PREPARED_SCENES)
def _prepared(geometry: _Geometry) -> PreparedScene:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoincidentSurfaces)
        return prepare_scene(geometry.scene)


def searched_together(
    links: Iterable[tuple[int, int]], most: int = LINKS_AT_ONCE
) -> Iterator[list[int]]:
    """Setups in groups, in order, that have ``most`` links together or are one.

    :param links: number of each setup, and of its links
    """
    group: list[int] = []
    total = 0
    for m, number in links:
        if group and total + number > most:
            yield group
            group, total = [], 0
        group.append(m)
        total += number
    if group:
        yield group
