"""Path tables kept on disk between runs, one file a setup, named by what they were traced from."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from vlmrt_dist.campaign import Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.errors import StorageError
from vlmrt_dist.paths.path_files import load_paths, stream_paths
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import cache_folder, count_written, is_read_only, mark_used

TRACING_VERSION = 5
"""Part of the cache's key: raise it when the same request would give another table."""

KEPT_SECONDS = 0.05
"""Setups whose exact search took less processor time than this [s] are not cached: to search again
is as fast as to read."""

MAPPED_LINKS = 1000
"""Campaigns of so many links are cached as one more file, which all processes of a machine map:
pool actors that evaluate one campaign hold no copies of its paths (200 bytes each at D = 4)."""


class PathCache:
    """The cache files of one scene and radio configuration, in :func:`cache_folder`.

    :param scene: the scene that is traced
    :param radio: carrier, antennas, depth, path set
    """

    def __init__(self, scene: SceneModel, radio: RadioConfig) -> None:
        exact = radio.path_set == "exact"
        solver = "exact" if exact else f"sionna-rt {version('sionna-rt')}"
        self._request = [
            scene.geometry_key if exact else scene.key,
            radio.paths_key,
            f"{solver}, tracing {TRACING_VERSION}",
        ]

    def setup_file(self, setup: MeasurementSetup) -> Path:
        """File of one setup."""
        digest = hashlib.sha256()
        for part in self._request:
            digest.update(part.encode() + b"\n")
        for positions in (setup.tx, setup.rx):
            digest.update(np.ascontiguousarray(positions, dtype=np.float64).tobytes())
        return cache_folder() / "paths" / f"{digest.hexdigest()}.arrow"

    def campaign_file(self, campaign: Campaign) -> Path | None:
        """File of a whole campaign; None if it has less than :data:`MAPPED_LINKS` links."""
        if campaign.num_links < MAPPED_LINKS:
            return None
        names = [self.setup_file(setup).name for setup in campaign.setups]
        digest = hashlib.sha256("\n".join(names).encode() + campaign.present.tobytes())
        return cache_folder() / "paths" / f"campaign-{digest.hexdigest()}.arrow"

    @staticmethod
    def read(file: Path) -> PathTable | None:
        """The table kept in ``file``, by memory map; None if there is none, it is damaged, or its
        name was another one."""
        try:
            table = load_paths(file, request=file.stem)
        except StorageError:
            return None
        mark_used(file)
        return table

    @staticmethod
    def write(file: Path, tables: Sequence[PathTable]) -> None:
        """Keep tables as one; a cache that cannot be written warns, since it costs time only."""
        if is_read_only():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            stream_paths(file, tables, request=file.stem)
            count_written(file)
        except (OSError, StorageError) as error:
            warnings.warn(
                f"the path cache cannot be written and is done without: {error}; name another "
                "folder in VLMRT_CACHE_DIR",
                stacklevel=3,
            )
