"""What is measured: setups of one transmitter and N receivers, and campaigns of M setups."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import validation as checks
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.campaign.validation import floats, listed, read_only, rows
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneModel

ON_SURFACE = 1e-4
"""Nearer than this [m] to a surface an antenna has no well-defined side of it in float32."""

DEFAULT_CLEARANCE = 0.3
"""Distance [m] that randomly placed antennas keep from every surface."""

POINTS_PER_DRAW = 4096
MAX_DRAWS = 250
HOPELESS_DRAWS = 16
"""Draws without a single free point after which the search ends."""


@dataclass(frozen=True, eq=False)
class MeasurementSetup:
    """One transmitter and N receivers (the paper's P_m, equation (3)).

    :param tx: position [3] [m]
    :param rx: positions [N,3] [m], N >= 1
    :raises CampaignError: if a shape is wrong or a coordinate not finite
    """

    tx: FloatArray
    rx: FloatArray

    def __post_init__(self) -> None:
        tx, rx = floats("tx", self.tx), floats("rx", self.rx)
        if tx.shape != (3,) or rx.ndim != 2 or rx.shape[1] != 3 or len(rx) == 0:
            raise CampaignError("a setup needs tx [3] and rx [N,3] with at least one receiver")
        if not (np.isfinite(tx).all() and np.isfinite(rx).all()):
            raise CampaignError("a setup has a position that is not finite")
        object.__setattr__(self, "tx", read_only(tx))
        object.__setattr__(self, "rx", read_only(rx))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tx, self.rx)

    @property
    def num_receivers(self) -> int:
        """N, the number of receivers."""
        return len(self.rx)


def paths_provenance(scene: SceneModel, radio: RadioConfig) -> str:
    """Where paths come from: equal for paths that are traced alike, seed included.

    A complete set does not depend on the materials, a single solve does.
    """
    place = scene.geometry_key if radio.complete else scene.key
    return hashlib.sha256(f"{place}\n{radio.paths_key}".encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Campaign:
    """M setups of up to N receivers, and what was measured there.

    Setups with fewer than N receivers are padded: where ``present`` is False there is no receiver,
    and ``rx``, ``rss_dbm`` and an array ``noise_db`` are NaN. Without ``present`` every receiver
    exists, so a NaN position is an error and never taken for padding.

    :param tx: transmitters [M,3] [m]
    :param rx: receivers [M,N,3] [m]
    :param rss_dbm: received signal strength [M,N] [dBm]; None before the measurement
    :param noise_db: standard deviation of the measurement error, one number or [M,N] [dB]
    :param present: which receivers exist [M,N]; None: all of them
    :param simulated_from: :func:`paths_provenance` of the paths that the levels were simulated
        with; None when they were measured. It decides which protocol an estimate is reported under.
    :param censored: where the level is only known to lie at or below the one given, which is the
        receiver's floor [M,N]; None: nowhere
    :param frequency: carrier of each setup [M] [Hz]; None: that of the radio configuration
    :raises CampaignError: if shapes disagree, there is no setup or a setup without a receiver, or
        a number is not finite (the message names setup and receiver, counted from 1)
    """

    tx: FloatArray
    rx: FloatArray
    rss_dbm: FloatArray | None = None
    noise_db: float | FloatArray = 0.0
    present: BoolArray = None  # type: ignore[assignment]  # always an array after construction
    simulated_from: str | None = None
    censored: BoolArray = None  # type: ignore[assignment]  # always an array after construction
    frequency: FloatArray | None = None

    def __post_init__(self) -> None:
        tx, rx = floats("tx", self.tx), floats("rx", self.rx)
        if tx.ndim != 2 or tx.shape[1] != 3:
            raise CampaignError(f"tx must be [M,3]; got shape {tx.shape}")
        if rx.ndim != 3 or rx.shape[2] != 3 or rx.shape[0] != tx.shape[0]:
            raise CampaignError(f"rx must be [M,N,3] with M = {len(tx)}; got shape {rx.shape}")
        if rx.shape[0] == 0 or rx.shape[1] == 0:
            raise CampaignError(
                "the campaign is empty; it needs at least one setup with a receiver"
            )
        present = checks.present(self.present, rx.shape[:2])
        checks.positions(tx, rx, present)
        rx[~present] = np.nan
        rss = checks.levels(self.rss_dbm, present)
        values = {
            "tx": tx,
            "rx": rx,
            "present": present,
            "rss_dbm": rss,
            "noise_db": checks.checked_noise(self.noise_db, present),
            "censored": checks.censored(self.censored, present, measured=rss is not None),
            "frequency": checks.frequency(self.frequency, len(tx)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, read_only(value))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.tx, self.rx, self.rss_dbm, self.noise_db, self.present)
        return type(self), (*fields, self.simulated_from, self.censored, self.frequency)

    def __repr__(self) -> str:
        state = "measured" if self.simulated_from is None else "simulated"
        if self.rss_dbm is None:
            state = "planned"
        return f"Campaign(M={self.num_setups}, N={self.num_receivers}, {state})"

    @classmethod
    def from_setups(
        cls, setups: Sequence[MeasurementSetup], *, frequency: npt.ArrayLike | None = None
    ) -> Campaign:
        """A planned campaign of setups with as many receivers as each has; pads where needed.

        :param frequency: carrier of each setup [M] [Hz]; None: the radio configuration's
        :raises CampaignError: if there is no setup
        """
        count = max((s.num_receivers for s in setups), default=0)
        rx = np.full((len(setups), count, 3), np.nan)
        for m, setup in enumerate(setups):
            rx[m, : setup.num_receivers] = setup.rx
        present = np.array([[n < s.num_receivers for n in range(count)] for s in setups], bool)
        tx = np.array([s.tx for s in setups]).reshape(-1, 3)
        carriers = None if frequency is None else floats("frequency", frequency)
        return cls(tx, rx, present=present.reshape(len(setups), count), frequency=carriers)

    @property
    def num_setups(self) -> int:
        """M, the number of setups."""
        return len(self.tx)

    @property
    def num_receivers(self) -> int:
        """N, the most receivers that a setup has."""
        return int(self.rx.shape[1])

    @property
    def num_links(self) -> int:
        """Number of transmitter-receiver pairs, padding left out."""
        return int(self.present.sum())

    @property
    def setups(self) -> tuple[MeasurementSetup, ...]:
        """The M setups, padding left out."""
        return tuple(
            MeasurementSetup(self.tx[m], self.rx[m][self.present[m]])
            for m in range(self.num_setups)
        )

    def subset(self, indices: Sequence[int]) -> Campaign:
        """The setups ``indices`` (from 0) in that order; N and the padding stay as they are.

        :raises CampaignError: if there is no index, or one does not exist
        """
        pick = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(pick) == 0 or pick.min() < 0 or pick.max() >= self.num_setups:
            raise CampaignError(f"choose one or more setups from 0 to {self.num_setups - 1}")
        return Campaign(
            self.tx[pick],
            self.rx[pick],
            None if self.rss_dbm is None else self.rss_dbm[pick],
            self.noise_db if isinstance(self.noise_db, float) else self.noise_db[pick],
            self.present[pick],
            self.simulated_from,
            self.censored[pick],
            None if self.frequency is None else self.frequency[pick],
        )

    def with_rss(
        self,
        rss_dbm: npt.ArrayLike | None,
        noise_db: float | npt.ArrayLike | None = None,
        censored: npt.ArrayLike | None = None,
    ) -> Campaign:
        """The same positions and carriers with other signal strengths [M,N] [dBm].

        :param noise_db: other noise; None: the noise stays
        :param censored: which of the levels are the receiver's floor [M,N]; None: none
        """
        noise = self.noise_db if noise_db is None else floats("noise_db", noise_db)
        floors: Any = None if censored is None else np.array(censored)
        return dataclasses.replace(
            self,
            rss_dbm=None if rss_dbm is None else floats("rss_dbm", rss_dbm),
            noise_db=float(noise) if np.ndim(noise) == 0 else noise,
            simulated_from=None,
            censored=floors,
        )

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) over positions, carriers, signal strengths, noise."""
        digest = hashlib.sha256(b"vlmrt Campaign 2\n" + repr(self.rx.shape).encode())
        digest.update(self.present.astype(np.uint8).tobytes())
        digest.update(self.censored.astype(np.uint8).tobytes())
        noise = np.broadcast_to(self.noise_db, self.present.shape)
        for values in (self.tx, self.rx, self.rss_dbm, noise, self.frequency):
            if values is None:
                digest.update(b"none")
                continue
            # NaN has many bit patterns and zero two: one of each enters the hash.
            plain = np.where(np.isnan(values), 0.0, values) + 0.0
            if values is noise:
                plain = np.where(self.present, plain, 0.0)
            digest.update(b"array" + plain.astype("<f8").tobytes())
        return digest.hexdigest()


def random_campaign(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    clearance: float = DEFAULT_CLEARANCE,
) -> Campaign:
    """M setups of N receivers, each position uniform in the free space of ``scene`` (RandSel).

    Free is what lies inside the bounds, outside closed objects and at least ``clearance`` from
    every surface.

    :param seed: of ``numpy.random.default_rng``; the same seed gives the same campaign
    :param clearance: [m]
    :raises CampaignError: if a number is not positive, or no free space is found
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver per setup")
    rng = np.random.default_rng(seed)
    points = free_points(scene, num_setups * (num_receivers + 1), rng, clearance=clearance)
    places = points.reshape(num_setups, num_receivers + 1, 3)
    return Campaign(tx=places[:, 0], rx=places[:, 1:])


def free_points(
    scene: SceneModel,
    count: int,
    rng: np.random.Generator,
    *,
    clearance: float = DEFAULT_CLEARANCE,
) -> FloatArray:
    """Positions [count,3] [m], independent and uniform in the free space of ``scene``.

    :raises CampaignError: if ``clearance`` is not a distance, or no free space is found
    """
    if not (np.isfinite(clearance) and clearance >= 0):
        raise CampaignError("clearance must be a number of metres, 0 or more")
    low, high = scene.bounds
    free: list[FloatArray] = []
    found = 0
    for draw in range(MAX_DRAWS):
        if found == 0 and draw >= HOPELESS_DRAWS:
            break
        candidates = rng.uniform(low, high, (POINTS_PER_DRAW, 3))
        for start, stop in _growing_blocks(min(2 * count, POINTS_PER_DRAW), POINTS_PER_DRAW):
            block = candidates[start:stop]
            block = block[scene.inside_object(block) < 0]
            block = block[scene.distance_to_surface(block) >= max(clearance, ON_SURFACE)]
            free.append(block)
            found += len(block)
            if found >= count:
                return np.concatenate(free)[:count]
    raise CampaignError(
        f"only {found} of {count} positions found that lie inside the room, outside every object "
        f"and {clearance:g} m from every surface; lower the clearance, or give load_scene some "
        "headroom= when the room has no air above the objects"
    )


class Misplaced(NamedTuple):
    """A position where an antenna cannot be.

    :param setup: counted from 0
    :param receiver: counted from 0 within its setup; None: the transmitter
    :param place: the position [3] [m]
    :param what: what is wrong with it
    """

    setup: int
    receiver: int | None
    place: tuple[float, float, float]
    what: str

    def __str__(self) -> str:
        whose = f"the transmitter of setup {self.setup + 1}"
        if self.receiver is not None:
            whose = f"setup {self.setup + 1}, receiver {self.receiver + 1}"
        x, y, z = self.place
        return f"{whose} at ({x:g}, {y:g}, {z:g}) {self.what}"


def misplaced(scene: SceneModel, campaign: Campaign) -> list[Misplaced]:
    """Every transmitter, then every receiver, that lies outside the room, inside an object, on a
    surface, or where its own transmitter is."""
    owners: list[tuple[int, int | None]] = [(m, None) for m in range(campaign.num_setups)]
    owners += [(m, n) for m, n in rows(campaign.present)]
    points = np.concatenate([campaign.tx, campaign.rx[campaign.present]])
    own_tx = campaign.tx[np.nonzero(campaign.present)[0]]
    same = np.concatenate(
        [np.zeros(campaign.num_setups, bool), (points[campaign.num_setups :] == own_tx).all(1)]
    )
    outside = ~scene.inside_bounds(points)
    inside = scene.inside_object(points)
    touching = scene.distance_to_surface(points) < ON_SURFACE
    found = []
    for index in np.flatnonzero(outside | (inside >= 0) | touching | same):
        if outside[index]:
            what = "is outside the room"
        elif inside[index] >= 0:
            what = f"is inside {scene.names[inside[index]]!r}"
        elif touching[index]:
            what = "lies on the surface of an object"
        else:
            what = "is where its transmitter is"
        x, y, z = points[index].tolist()
        found.append(Misplaced(*owners[index], (x, y, z), what))
    return found


def check_campaign(scene: SceneModel, campaign: Campaign) -> None:
    """Refuse positions where an antenna cannot be.

    :raises CampaignError: naming each setup and receiver (counted from 1) that is
        :func:`misplaced`
    """
    found = misplaced(scene, campaign)
    if not found:
        return
    hint = ""
    if any("outside" in item.what for item in found):
        hint = "; " + room_hint(scene)
    raise CampaignError(
        "the campaign does not fit the scene: " + listed([str(item) for item in found]) + hint
    )


def room_hint(scene: SceneModel) -> str:
    """Where antennas may be, as a clause of an error message."""
    low, high = scene.bounds
    return (
        f"the room reaches from ({low[0]:g}, {low[1]:g}, {low[2]:g}) to "
        f"({high[0]:g}, {high[1]:g}, {high[2]:g}) m (load_scene(..., headroom=) raises it)"
    )


def _growing_blocks(first: int, total: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(total)`` into blocks that double, so that few points cost few queries.

    The points are the same however they are cut: the seed alone decides the campaign.
    """
    start, size = 0, first
    while start < total:
        stop = min(start + size, total)
        yield start, stop
        start, size = stop, 2 * size
