"""The exact paths of measurement setups as a :class:`PathTable`, several setups at a time."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from vlmrt_dist.campaign import MeasurementSetup, RadioConfig
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.exact.faces import PreparedScene, prepare_scene
from vlmrt_dist.paths.exact.limits import SearchLimits
from vlmrt_dist.paths.exact.search import search_paths
from vlmrt_dist.paths.exact.table import exact_table
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene import SceneModel

PREPARED_SCENES = 4
"""Scenes that a process keeps prepared: a room takes milliseconds, a city a second."""


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
        self._limits = SearchLimits(
            radio.max_depth, radio.max_reflections, radio.max_transmissions, radio.line_of_sight
        )

    def solve(self, setups: Sequence[MeasurementSetup]) -> PathTable:
        """The table of ``setups``, whose receivers are numbered one after another.

        Warns with :class:`~vlmrt_dist.paths.exact.limits.IncompleteSearch` where a set is complete
        to a lower depth only.

        :raises CampaignError: if an antenna is on a surface, or on the other end of its link
        :raises NumericalError: if a path grazes a face, so that its geometry is not finite
        """
        begin = time.perf_counter()
        prepared = _prepared(Geometry.of(self._scene))
        paths = search_paths(prepared, setups, self._limits, threads=self._threads)
        searched = time.perf_counter() - begin
        table = exact_table(prepared, setups, paths, self._field)
        # Setups are searched side by side; each is given its share of the work.
        share = (paths.steps + 1.0) / (paths.steps + 1.0).sum()
        return dataclasses.replace(
            table,
            seconds=share * (time.perf_counter() - begin),
            seconds_in_solver=share * searched,
        )


@dataclass(frozen=True)
class Geometry:
    """A scene, equal to others of the same shapes and names."""

    key: str
    names: tuple[str, ...]
    scene: SceneModel = field(compare=False)

    @classmethod
    def of(cls, scene: SceneModel) -> Geometry:
        """The geometry of ``scene``."""
        return cls(scene.geometry_key, scene.names, scene)


@functools.lru_cache(maxsize=PREPARED_SCENES)
def _prepared(geometry: Geometry) -> PreparedScene:
    return prepare_scene(geometry.scene)
