"""Paths that end with diffuse scattering at a surface, as Sionna's path solver has them.

Such a path comes from the transmitter by any chain of specular reflections and transmissions, is
scattered once at a point of a surface, and goes from there to the receiver with nothing between.
(Behind a scattering Sionna keeps one sample of each chain, whose power vanishes as the number of
its rays grows; and it scatters several times, which is of the order S⁴ and left out here.)
The chains to each of the points of :mod:`~vlmrt_dist.paths.surface_points` are found exactly.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Antenna, Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.paths.antenna_fields import antennas_or_default, transmitted_field
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.limits import SearchLimits
from vlmrt_dist.paths.exact.search import search_paths
from vlmrt_dist.paths.exact.table import ends_of, exact_table
from vlmrt_dist.paths.exact_solver import prepared_scene
from vlmrt_dist.paths.image_method import unfold
from vlmrt_dist.paths.path_table import NONE, REFLECTION, ROWS, PathTable
from vlmrt_dist.paths.surface_points import Light, SurfacePoints, surface_points
from vlmrt_dist.scene import SceneModel

SHARE = 0.75
"""Chains that are kept for each further interaction, relative to those of one fewer."""


class ScatteringRows(NamedTuple):
    """R chains of M setups with N receivers that end at a point that scatters.

    :param table: the chains, each with the scattering as a reflection in its last column, and the
        changes of basis into that reflection's and from there to θ̂ and φ̂ of the incidence; their
        length is that to the point
    :param direction: [R, 3] of incidence
    :param position: [R, 3] of the point [m]
    :param normal: [R, 3] of the side that scatters
    :param area: [R] that the point stands for [m²]
    :param object: [R] that scatters
    :param seen: [R, N] receivers in sight of the point
    """

    table: PathTable
    direction: FloatArray
    position: FloatArray
    normal: FloatArray
    area: FloatArray
    object: IntArray
    seen: BoolArray


def trace_scattering(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, *, threads: int | None = None
) -> ScatteringRows:
    """About ``radio.scattering_points`` straight ways of each setup to points of surfaces, and
    :data:`SHARE` times as many chains for each further interaction.

    :param campaign: M setups of N receivers; transmitters of one port each
    """
    prepared, antennas = prepared_scene(scene), antennas_or_default(campaign, radio)
    setups, receivers = campaign.setups, campaign.num_receivers
    parts = []
    for m, setup in enumerate(setups):
        antenna = antennas.kinds[antennas.tx[m]]
        for depth in range(radio.max_depth):
            chains = _Chains(prepared, setup, antenna, depth, radio, threads)
            points = surface_points(
                prepared,
                setup.tx,
                setup.rx,
                math.ceil(radio.scattering_points * SHARE**depth),
                radio.seed,
                chains.light,
                depth=depth,
            )
            if len(points.area):
                parts.append(chains.rows(points, m))
    if not parts:
        return _nothing(prepared, len(setups), radio, receivers)
    return _joined(parts, len(setups), receivers)


class _Chains(NamedTuple):
    """The chains of ``depth`` interactions from one transmitter to points of surfaces."""

    prepared: PreparedScene
    setup: MeasurementSetup
    antenna: Antenna
    depth: int
    radio: RadioConfig
    threads: int | None

    def light(self, points: SurfacePoints) -> Light:
        """What comes to points."""
        table, _, cosine = self._found(points)
        gain = (np.abs(table.tx_field) ** 2).sum(axis=1)
        lit = np.bincount(table.receiver, gain * cosine / table.length**2, len(points.area))
        return Light(lit.astype(np.float64), table.num_paths)

    def rows(self, points: SurfacePoints, number: int) -> ScatteringRows:
        """The chains to points, as those of setup ``number``."""
        table, direction, cosine = self._found(points)
        some = points.some(table.receiver.astype(np.int64))
        whole = _with_scattering(table, some, direction, cosine, self.radio.max_depth)
        setup = np.full(table.num_paths, number, np.int32)
        return ScatteringRows(dataclasses.replace(whole, setup=setup), direction, *some)

    def _found(self, points: SurfacePoints) -> tuple[PathTable, FloatArray, FloatArray]:
        """The chains that arrive at the points' sides, their directions there [P, 3], and the
        cosines of incidence [P]."""
        radio = self.radio
        placed = dataclasses.replace(self.setup, rx=points.before)
        limits = SearchLimits(self.depth, radio.max_reflections, radio.max_transmissions)
        paths = search_paths(self.prepared, [placed], limits, threads=self.threads)
        table = exact_table(self.prepared, [placed], paths, partial(antenna_field, "iso", "V"))
        tx, rx = ends_of(self.prepared, [placed], paths)
        planes = self.prepared.planes
        travel = unfold(planes, tx, rx, table.kind, table.plane)[1]
        field = transmitted_field(self.antenna, travel[:, 0], radio.tx_power_dbm)
        direction = travel[:, -1]
        cosine = -(direction * points.normal[table.receiver]).sum(axis=1)
        kept = ((table.kind != NONE).sum(axis=1) == self.depth) & (cosine > 0.0)
        lit = dataclasses.replace(table, tx_field=field)
        return lit.rows(kept), direction[kept], cosine[kept]


def _with_scattering(
    table: PathTable,
    points: SurfacePoints,
    direction: FloatArray,
    cosine: FloatArray,
    depth: int,
) -> PathTable:
    """Chains with the scattering behind them, in tables of ``depth`` columns."""
    count, own = table.num_paths, table.max_depth
    theta_hat, _ = antenna_field("iso", "V", direction)
    phi_hat = np.cross(direction, theta_hat)
    across = np.cross(direction, points.normal)
    size = np.linalg.norm(across, axis=1, keepdims=True)
    upright = size < 1e-9  # at normal incidence any basis will do
    across = np.where(upright, theta_hat, across / np.where(upright, 1.0, size))
    cos, sin = (across * theta_hat).sum(axis=1), (across * phi_hat).sum(axis=1)
    rotation = np.zeros((count, depth + 1, 2))
    rotation[:, :, 0] = 1.0
    last = (table.kind != NONE).sum(axis=1)
    for d in range(own):
        rotation[:, d] = np.where((d < last)[:, None], table.rotation[:, d], rotation[:, d])
    before = table.rotation[np.arange(count), last]
    rotation[:, depth - 1, 0] = before[:, 0] * cos - before[:, 1] * sin
    rotation[:, depth - 1, 1] = before[:, 1] * cos + before[:, 0] * sin
    rotation[:, depth, 0], rotation[:, depth, 1] = cos, -sin

    def columns(values: NDArray[Any], filler: float, end: Any) -> NDArray[Any]:
        found = np.full((count, depth), filler, values.dtype)
        found[:, :own] = values
        found[:, depth - 1] = end
        return found

    return dataclasses.replace(
        table,
        num_receivers=1,
        receiver=np.zeros(count, np.int32),
        kind=columns(table.kind, NONE, REFLECTION),
        object=columns(table.object, 0, points.object),
        plane=columns(table.plane, 0, 0),
        cosine=columns(table.cosine, 1.0, cosine),
        rotation=rotation,
    )


def _joined(parts: list[ScatteringRows], setups: int, receivers: int) -> ScatteringRows:
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(p.table, name) for p in parts]) for name in ROWS
    }
    per_setup = np.zeros(setups)
    table = dataclasses.replace(
        parts[0].table,
        num_setups=setups,
        complete_to=np.zeros(setups, np.int32),
        seconds=per_setup,
        seconds_in_solver=per_setup,
        **rows,
    )
    seen = np.zeros((table.num_paths, receivers), bool)
    begin = 0
    for part in parts:
        seen[begin : begin + len(part.area), : part.seen.shape[1]] = part.seen
        begin += len(part.area)
    return ScatteringRows(
        table,
        np.concatenate([part.direction for part in parts]),
        np.concatenate([part.position for part in parts]),
        np.concatenate([part.normal for part in parts]),
        np.concatenate([part.area for part in parts]),
        np.concatenate([part.object for part in parts]),
        seen,
    )


def _nothing(
    prepared: PreparedScene, setups: int, radio: RadioConfig, receivers: int
) -> ScatteringRows:
    """No chain at all."""
    depth, none = max(radio.max_depth, 1), np.zeros(0)
    whole, vector = np.zeros(0, np.int32), np.zeros((0, 3))
    per_setup = np.zeros(setups)
    table = PathTable(
        num_setups=setups, num_receivers=1, num_objects=len(prepared.names),
        setup=whole, receiver=whole, length=none,
        kind=np.zeros((0, depth), np.uint8), object=np.zeros((0, depth), np.int32),
        plane=np.zeros((0, depth), np.int32), cosine=np.zeros((0, depth)),
        rotation=np.zeros((0, depth + 1, 2)), tx_field=np.zeros((0, 2)),
        rx_field=np.zeros((0, 2)), margin=none, complete_to=np.zeros(setups, np.int32),
        seconds=per_setup, seconds_in_solver=per_setup,
    )  # fmt: skip
    no = np.zeros((0, receivers), bool)
    return ScatteringRows(table, vector, vector, vector, none, whole.astype(np.int64), no)
