"""Links whose level Sionna's path solver gets wrong: short segments, and the limits of float32.

Sionna drops every path with a segment of at most 1 cm. So a closed pane that is drawn thinner is
opaque, and an antenna nearer to a wall has no reflection from it. In float32 it cannot tell either
on which side of an edge a path passes where the two are nearer than the coordinates are resolved.
Such paths are found by the exact search, and their share of each link's power says what they count.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.limits import IncompleteSearch, SearchLimits
from vlmrt_dist.paths.exact.search import ExactPaths, search_paths
from vlmrt_dist.paths.exact.table import ends_of, exact_table
from vlmrt_dist.paths.exact_solver import prepared_scene, searched_together
from vlmrt_dist.paths.image_method import unfold
from vlmrt_dist.paths.path_table import NONE, PathTable
from vlmrt_dist.scene import SceneModel

MIN_SEGMENT = 1e-2
"""Sionna drops paths with a segment no longer than this [m] (its MIN_SEGMENT_LENGTH)."""

TOLERATED_DB = 0.01
"""Links whose level changes by more than this [dB] are named."""

MAX_STEPS = 20_000_000
"""Budget of the exact search of one setup; some seconds at most."""

MAX_PATHS = 200_000
"""Budget of its paths."""

ROUNDINGS = 8.0
"""Errors of Sionna's points in units of the rounding error of the largest coordinate in float32."""

_MAX_NAMED = 5
_CHECKS = 16


class SionnaLimits(UserWarning):
    """Sionna's path solver gets links wrong, or whether it does was not checked."""


Power = Callable[[PathTable], FloatArray]
"""From a table to the received powers [M, N] of its links, in any unit."""


def warn_of_sionna_limits(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, power: Power
) -> None:
    """Warn with :class:`SionnaLimits` of links that Sionna's solver gets wrong by more than
    :data:`TOLERATED_DB`, whatever it samples, and where that was not checked.

    :param power: from a table to the powers of its links at the scene's own materials
    """
    limits = SearchLimits.of(radio, max_steps=MAX_STEPS, max_paths=MAX_PATHS)
    positions = b"".join(part.tobytes() for part in (campaign.tx, campaign.rx, campaign.present))
    # Neither seed nor number of rays changes what Sionna can find.
    key = (scene.key, radio.replace(path_set="exact").paths_key, positions, limits)
    for message in _messages(_Request(key, scene, campaign, radio, power)):
        warnings.warn(message, SionnaLimits, stacklevel=3)


@dataclass(frozen=True)
class _Request:
    """One check, equal to others that have the same answer."""

    key: tuple[str, str, bytes, SearchLimits]
    scene: SceneModel = field(compare=False)
    campaign: Campaign = field(compare=False)
    radio: RadioConfig = field(compare=False)
    power: Power = field(compare=False)


@functools.lru_cache(maxsize=_CHECKS)
def _messages(request: _Request) -> tuple[str, ...]:
    """The warnings of a check. A study asks for the same sampled paths again and again, which the
    path cache has; to search for the exact ones each time would take longer than to read them."""
    campaign = request.campaign
    check = _Check(request.scene, request.radio, request.power, request.key[-1])
    short, rounded = _Losses(), _Losses()
    for group in searched_together(enumerate(campaign.present.sum(axis=1).tolist())):
        check.add(campaign, group, short, rounded)
    return tuple(_said(campaign.num_links, short, rounded, check.unchecked))


def _said(total: int, short: _Losses, rounded: _Losses, unchecked: list[str]) -> Iterator[str]:
    if short.links:
        yield (
            "Sionna's solver drops paths with a segment under 1 cm, and with them "
            f"{short.described(total)}; use path_set='exact' and engine='replay', draw closed "
            "objects thicker than 1 cm, or keep antennas 1 cm away from surfaces"
        )
    if rounded.links:
        yield (
            "Sionna's solver computes in float32, which does not resolve on which side of an edge "
            f"some paths pass, and with them {rounded.described(total)}; use path_set='exact' and "
            "engine='replay', or leave out what is far away from the antennas"
        )
    if unchecked:
        named = "; ".join(unchecked[:_MAX_NAMED])
        more = len(unchecked) - _MAX_NAMED
        yield (
            "whether Sionna's solver drops paths with a segment under 1 cm was not checked for "
            f"{len(unchecked)} setups: {named}{f'; and {more} more' if more > 0 else ''}. "
            "Lower max_depth or give setups fewer receivers to have it checked, or use "
            "path_set='exact'"
        )


class _Losses:
    """Links that lose power, and objects at which they do."""

    def __init__(self) -> None:
        self.links: list[tuple[float, str]] = []
        self.objects: dict[str, int] = {}

    def add(self, loss_db: float, link: str, objects: set[str]) -> None:
        self.links.append((loss_db, link))
        for name in objects:
            self.objects[name] = self.objects.get(name, 0) + 1

    def described(self, total: int) -> str:
        """The losses in words: number of links, the worst of them, the objects concerned most."""
        worst = sorted(self.links, key=lambda link: -link[0])
        several = f"the level of {len(worst)} of {total} links changes by more than "
        text = [
            f"{link} {'has no path left' if math.isinf(loss) else f'loses {loss:.3g} dB'}"
            for loss, link in worst[:_MAX_NAMED]
        ]
        several += f"{TOLERATED_DB:g} dB ({', '.join(text)}{_more(len(worst))})"
        names = sorted(self.objects, key=lambda name: -self.objects[name])
        if names:
            listed = ", ".join(repr(name) for name in names[:_MAX_NAMED])
            several += f", at objects {listed}{_more(len(names))}"
        return several


def _more(number: int) -> str:
    return f" and {number - _MAX_NAMED} more" if number > _MAX_NAMED else ""


class _Check:
    """Finds, setup by setup, the paths that Sionna's solver cannot find.

    :param unchecked: setups that were not searched, or not to the depth asked for, and why
    """

    def __init__(
        self, scene: SceneModel, radio: RadioConfig, power: Power, limits: SearchLimits
    ) -> None:
        self.unchecked: list[str] = []
        self._scene = scene
        self._power = power
        self._field = partial(antenna_field, radio.antenna_pattern, radio.polarization)
        self._limits = limits

    def add(self, campaign: Campaign, group: list[int], short: _Losses, rounded: _Losses) -> None:
        """Add the links of some setups to what is lost."""
        setups = [campaign.setups[m] for m in group]
        prepared = prepared_scene(self._scene)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", IncompleteSearch)
                paths = search_paths(prepared, setups, self._limits)
        except CampaignError as error:
            self._one_by_one(campaign, group, short, rounded, error)
            return
        for m, depth in zip(group, paths.complete_to.tolist(), strict=True):
            if depth < self._limits.max_depth:
                self.unchecked.append(
                    f"setup {m + 1} beyond depth {depth}, where the exact search passed its budget"
                )
        segments = segment_lengths(prepared, setups, paths)
        missed = segments <= MIN_SEGMENT
        near = np.asarray(paths.margin <= ROUNDINGS * _rounding(prepared, setups))
        doubtful = near & ~missed.any(axis=1)
        if not (missed.any() or doubtful.any()):
            return
        table = exact_table(prepared, setups, paths, self._field)
        everywhere = np.broadcast_to(doubtful[:, None], paths.kind.shape)
        cases: list[tuple[_Losses, BoolArray, BoolArray]] = [
            (short, np.asarray(missed.any(axis=1)), missed[:, :-1] | missed[:, 1:]),
            (rounded, doubtful, everywhere),
        ]
        for losses, without, at in cases:
            for found in _lossy(table, without, self._power):
                m, n = group[found.setup], int(found.receiver)
                number = int(np.flatnonzero(campaign.present[m])[n]) + 1
                there = at[found.rows] & (paths.kind[found.rows] != NONE)
                names = {prepared.names[k] for k in np.unique(paths.object[found.rows][there])}
                losses.add(found.loss_db, f"setup {m + 1} receiver {number}", names)

    def _one_by_one(
        self,
        campaign: Campaign,
        group: list[int],
        short: _Losses,
        rounded: _Losses,
        error: CampaignError,
    ) -> None:
        """Check the setups of a group one by one, as the exact search refuses one of them."""
        if len(group) == 1:
            self.unchecked.append(str(error).replace("setup 1", f"setup {group[0] + 1}", 1))
            return
        for m in group:
            self.add(campaign, [m], short, rounded)


@dataclass(frozen=True)
class _LossyLink:
    """A link that loses power with some of its paths, and the rows [n] of these."""

    setup: int
    receiver: int
    loss_db: float
    rows: IntArray


def _lossy(table: PathTable, without: BoolArray, power: Power) -> Iterator[_LossyLink]:
    """The links whose level changes by more than :data:`TOLERATED_DB` without some paths [P]."""
    if not without.any():
        return
    every, left = power(table), power(table.rows(~without))
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(every > 0.0, 10.0 * np.log10(every / left), 0.0)
    for m, n in np.argwhere(loss > TOLERATED_DB):
        rows = np.flatnonzero(without & (table.setup == m) & (table.receiver == n))
        yield _LossyLink(int(m), int(n), float(loss[m, n]), rows)


def segment_lengths(
    prepared: PreparedScene, setups: list[MeasurementSetup], paths: ExactPaths
) -> FloatArray:
    """[P, W + 1] lengths of the segments before each interaction and of the last; infinite where
    there is none [m]."""
    tx, rx = ends_of(prepared, setups, paths)
    planes = prepared.planes
    _, direction = unfold(planes, tx, rx, paths.kind, paths.plane)
    number, width = paths.kind.shape
    segments = np.full((number, width + 1), np.inf)
    point = tx
    for d in range(width):
        there = paths.kind[:, d] != NONE
        normal = planes.normal[paths.plane[:, d]]
        height = planes.offset[paths.plane[:, d]] - (normal * point).sum(axis=1)
        slope = (normal * direction[:, d]).sum(axis=1)
        step = np.divide(height, slope, out=np.zeros(number), where=there)
        segments[there, d] = np.abs(step[there])
        point = point + step[:, None] * direction[:, d]
    last = (paths.kind != NONE).sum(axis=1)
    segments[np.arange(number), last] = np.linalg.norm(rx - point, axis=1)
    return segments


def _rounding(prepared: PreparedScene, setups: list[MeasurementSetup]) -> float:
    """Rounding error of the largest coordinate of antennas and faces in float32 [m]."""
    corner = prepared.faces.corner
    largest = max(float(np.abs(corner[name]).max(initial=0.0)) for name in "xyz")
    for setup in setups:
        largest = max(largest, float(np.abs(setup.rx - prepared.shift).max()))
    return float(largest * np.finfo(np.float32).eps / 2.0)
