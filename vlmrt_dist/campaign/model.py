"""Setups of one transmitter and N receivers, and campaigns of M setups with their levels."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import validation as checks
from vlmrt_dist.campaign.antenna import (
    Antennas,
    PortAverage,
    SomeAntennas,
    antennas_of,
    split_by_port,
)
from vlmrt_dist.campaign.observables import Observable, checked_blocks, observed_links
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.campaign.validation import floats, read_only
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.scene import SceneModel


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
    """Key of the paths of a scene: equal for paths that are traced alike, seed included.

    A single solve depends on the materials, an exact set and a union of solves do not.
    """
    place = scene.key if radio.path_set == "single_solve" else scene.geometry_key
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
    :param censored: where the level given is only a bound [M,N]: the true one lies at or below it,
        the receiver's floor, or where ``saturated`` at or above it; None: where ``saturated``
    :param frequency: carrier of each setup [M] [Hz]; None: that of the radio configuration
    :param saturated: where the true level lies at or above the one given, since the receiver
        saturates or compresses there [M,N]; these are censored too. None: nowhere
    :param observables: what was measured of the links beside their level, a block a kind; a link
        that is in one may have no level (NaN)
    :param antennas: antenna of each transmitter and receiver, see :meth:`with_antennas`; None: all
        have that of the radio configuration
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
    saturated: BoolArray = None  # type: ignore[assignment]  # always an array after construction
    observables: tuple[Observable, ...] = ()
    antennas: Antennas | None = None

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
        carriers = checks.frequency(self.frequency, len(tx))
        blocks = checked_blocks(self.observables, present, carriers)
        rss = checks.levels(self.rss_dbm, present, observed_links(blocks, present.shape))
        saturated = checks.marks("saturated", self.saturated, present, measured=rss is not None)
        censored = checks.marks("censored", self.censored, present, measured=rss is not None)
        antennas = _fitting(self.antennas, present)
        if blocks and antennas is not None and antennas.average is not None:
            raise CampaignError(
                "an average over ports is a level; of its observables each pair of ports has its "
                "own: give each antenna its port"
            )
        values = {
            "tx": tx,
            "rx": rx,
            "present": present,
            "rss_dbm": rss,
            "noise_db": checks.checked_noise(self.noise_db, present),
            "censored": censored | saturated,
            "frequency": carriers,
            "saturated": saturated,
            "observables": blocks,
            "antennas": antennas,
        }
        for name, value in values.items():
            object.__setattr__(self, name, read_only(value))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.tx, self.rx, self.rss_dbm, self.noise_db, self.present)
        more = (self.simulated_from, self.censored, self.frequency, self.saturated)
        return type(self), (*fields, *more, self.observables, self.antennas)

    def __repr__(self) -> str:
        state = "measured" if self.simulated_from is None else "simulated"
        if not self.is_measured:
            state = "planned"
        also = "".join(f", {len(block)} × {block.name}" for block in self.observables)
        return f"Campaign(M={self.num_setups}, N={self.num_receivers}, {state}{also})"

    def _repr_html_(self) -> str:
        """Transmitter, receivers and levels of each setup, for notebooks."""
        rows = []
        for m in range(self.num_setups):
            there = self.present[m]
            row = [str(m + 1), ", ".join(f"{c:.2f}" for c in self.tx[m]), str(int(there.sum()))]
            if self.rss_dbm is not None:
                level = self.rss_dbm[m][self.has_level[m]]
                range_ = f"{level.min():.1f} … {level.max():.1f}" if len(level) else ""
                row += [range_, str(int(self.below[m].sum()))]
                if self.saturated.any():
                    row.append(str(int(self.saturated[m].sum())))
            if self.frequency is not None:
                row.append(f"{self.frequency[m] / 1e9:g}")
            rows.append(row)
        head = ["setup", "transmitter [m]", "receivers"]
        if self.rss_dbm is not None:
            head += ["levels [dBm]", "below the floor"]
            head += ["saturated"] if self.saturated.any() else []
        if self.frequency is not None:
            head.append("carrier [GHz]")
        state = "measured" if self.simulated_from is None else "simulated"
        state = state if self.is_measured else "planned"
        also = "".join(f", {len(block)} × {block.name}" for block in self.observables)
        return html_table(
            f"Campaign: {self.num_links} links of {self.num_setups} setups, {state}{also}", head,
            rows,
            ("In 3D: scene.view(campaign)",),
        )  # fmt: skip

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
    def has_level(self) -> BoolArray:
        """[M,N] links whose received power was measured."""
        if self.rss_dbm is None:
            return np.zeros(self.present.shape, bool)
        return np.isfinite(self.rss_dbm)

    @property
    def is_measured(self) -> bool:
        """Whether anything was measured; otherwise it is a plan."""
        return self.rss_dbm is not None or any(
            len(block) and not np.isnan(block.measured).all() for block in self.observables
        )

    @property
    def below(self) -> BoolArray:
        """[M,N] where the level is only known to lie at or below the receiver's floor."""
        return self.censored & ~self.saturated

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
            self.saturated[pick],
            tuple(block.of_setups(pick) for block in self.observables),
            None if self.antennas is None else self.antennas.subset(pick),
        )

    def with_rss(
        self,
        rss_dbm: npt.ArrayLike | None,
        noise_db: float | npt.ArrayLike | None = None,
        censored: npt.ArrayLike | None = None,
        saturated: npt.ArrayLike | None = None,
    ) -> Campaign:
        """The same positions and carriers with other signal strengths [M,N] [dBm].

        :param noise_db: other noise; None: the noise stays
        :param censored: which of the levels are the receiver's floor [M,N]; None: none
        :param saturated: which of them lie at or above the one given [M,N]; None: none
        """
        noise = self.noise_db if noise_db is None else floats("noise_db", noise_db)
        floors: Any = None if censored is None else np.array(censored)
        ceilings: Any = None if saturated is None else np.array(saturated)
        return dataclasses.replace(
            self,
            rss_dbm=None if rss_dbm is None else floats("rss_dbm", rss_dbm),
            noise_db=float(noise) if np.ndim(noise) == 0 else noise,
            simulated_from=None,
            censored=floors,
            saturated=ceilings,
        )

    def with_antennas(
        self,
        tx: SomeAntennas | None = None,
        rx: SomeAntennas | None = None,
        *,
        average: PortAverage | None = None,
        split: bool = False,
    ) -> Campaign:
        """The campaign with the antenna of each device.

        :param tx: antenna of every transmitter, or [M]; None: isotropic, vertically polarized
        :param rx: of every receiver; [N], alike in all setups; or [M][N]; None likewise
        :param average: of links with several pairs of ports the receiver reports the mean level
            "db", or the level of the mean "power"; None: each link has one pair
        :param split: make each pair of ports a link of its own: a transmitter of several ports
            becomes as many setups, a receiver as many receivers, port by port
        :raises CampaignError: if there are not as many antennas as devices, a link has several
            pairs of ports that nothing is said about, or levels are to be split
        """
        if not split:
            return self.with_these_antennas(antennas_of(self.present, tx, rx, average))
        if self.rss_dbm is not None:
            raise CampaignError(
                "levels were measured, which ports they are of is not known; give each link's "
                "antenna its port, or split a planned campaign"
            )
        setup, receiver, antennas = split_by_port(antennas_of(self.present, tx, rx, "db"))
        there = receiver >= 0
        return Campaign(
            self.tx[setup],
            np.where(there[..., None], self.rx[setup[:, None], receiver], np.nan),
            present=there,
            frequency=None if self.frequency is None else self.frequency[setup],
            antennas=antennas,
        )

    def with_these_antennas(self, antennas: Antennas | None) -> Campaign:
        """The same with other antennas; None: those of the radio configuration."""
        return dataclasses.replace(self, antennas=antennas)

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) over positions, carriers, antennas, signal strengths,
        noise."""
        digest = hashlib.sha256(b"vlmrt Campaign 2\n" + repr(self.rx.shape).encode())
        digest.update(self.present.astype(np.uint8).tobytes())
        digest.update(self.censored.astype(np.uint8).tobytes())
        if self.saturated.any():
            digest.update(b"saturated" + self.saturated.astype(np.uint8).tobytes())
        if self.antennas is not None:
            digest.update(b"antennas" + self.antennas.key.encode())
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
        for block in self.observables:
            digest.update(block.digest())
        return digest.hexdigest()


def _fitting(antennas: Antennas | None, present: BoolArray) -> Antennas | None:
    """The antennas of the receivers that exist.

    :raises CampaignError: if they are those of another campaign
    """
    if antennas is None:
        return None
    if not isinstance(antennas, Antennas):
        raise CampaignError("antennas are of class Antennas; with_antennas makes them")
    if antennas.rx.shape != present.shape or (antennas.rx[present] < 0).any():
        raise CampaignError(
            f"antennas must be those of {present.shape[0]} setups of {present.shape[1]} receivers; "
            "with_antennas makes them"
        )
    return antennas.where(present)
