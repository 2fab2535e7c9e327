"""Power that each path of a table carries by itself."""

from __future__ import annotations

import dataclasses

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.field.materials import Materials
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.walls import Walls
from vlmrt_dist.paths import PathTable


def path_powers(
    table: PathTable, radio: RadioConfig, materials: Materials, walls: Walls | None = None
) -> FloatArray:
    """[P] received power of each path, for its pair of ports [W].

    :param radio: what ``table`` was traced with, at the carrier of its setups
    :param materials: material parameters [K] at that carrier
    :param walls: layers and extra losses of the objects there, see
        :func:`~vlmrt_dist.field.walls.walls_of`
    """
    count = table.num_paths
    if count == 0:
        return np.zeros(0)
    none = np.zeros(count)
    alone = dataclasses.replace(
        table,
        num_setups=count,
        num_receivers=1,
        setup=np.arange(count, dtype=np.int32),
        receiver=np.zeros(count, np.int32),
        complete_to=np.zeros(count, np.int32),
        seconds=none,
        seconds_in_solver=none,
        ports=None,
    )
    return np.asarray(
        Replay(alone, radio.replace(combining="power"), walls).rss(materials)[0, :, 0]
    )
