"""Antennas of transmitters and receivers, and which antenna each device of a campaign has."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.campaign.radio_config import ANTENNA_PATTERNS, AntennaPattern
from vlmrt_dist.campaign.validation import floats, read_only
from vlmrt_dist.errors import CampaignError, ConfigurationError

PortAverage = Literal["db", "power"]
"""Level of a link of several port pairs: the mean of their levels in dB, or of their powers."""

SLANTS: dict[str, tuple[float, ...]] = {
    "V": (0.0,),
    "H": (0.5 * math.pi,),
    "VH": (0.0, 0.5 * math.pi),
    "cross": (-0.25 * math.pi, 0.25 * math.pi),
}
"""Slant angles [rad] of the polarizations that have a name, Sionna's."""

MOST_ELEMENTS = 4096
"""Elements of an array at most."""

MOST_PORTS = 1 << 20
"""Pairs of ports of a link at most."""

MOST_WAVELENGTHS = 1000.0
"""Distance of an element from its device at most [wavelengths]."""


@dataclass(frozen=True, eq=False)
class Antenna:
    """The antenna of one device, in the conventions of Sionna RT.

    An antenna looks along the x axis of its own coordinates, z is up; ``orientation`` turns them
    into those of the scene, about z by yaw, then about the new y by pitch, then about the new x by
    roll (a positive pitch looks down). Its ports are its elements, once for each polarization:
    first all elements of the first one, then all of the second. Two antennas of equal values are
    equal.

    :param pattern: Sionna's name of the elements' pattern, or a measured table
    :param polarization: "V", "H", "VH", "cross" (±45°), or the slant of each polarization [rad],
        zero being vertical (3GPP TR 38.901, equations 7.3-4 and 7.3-5); of a table of complex
        fields, which state their own polarization, the slant turns the field about the direction
        of travel
    :param orientation: yaw, pitch, roll [rad]; see :meth:`aimed` and :meth:`in_degrees`
    :param power_dbm: transmit power [dBm], of all ports each; None: the radio configuration's
    :param elements: [E, 3] positions of the elements in the antenna's own coordinates
        [wavelengths], see :func:`planar_array`; None: one, at the device
    :param port: the one port that is used, counted from 0; None: all of them
    :param name: of the device; devices of one name are one, wherever they stand
    :raises ConfigurationError: if a value is none of these, or angles look like degrees
    """

    pattern: AntennaPattern | PatternTable = "iso"
    polarization: str | float | tuple[float, ...] = "V"
    orientation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    power_dbm: float | None = None
    elements: FloatArray | None = None
    port: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, PatternTable) and self.pattern not in ANTENNA_PATTERNS:
            raise ConfigurationError(
                f"the pattern of an antenna is one of {', '.join(ANTENNA_PATTERNS)}, or a "
                f"PatternTable (read_pattern reads one from a file); got {self.pattern!r}"
            )
        object.__setattr__(self, "orientation", _angles("orientation", self.orientation, 3))
        object.__setattr__(self, "elements", _elements(self.elements))
        polarization = self.polarization
        if isinstance(polarization, str):
            if polarization not in SLANTS:
                raise ConfigurationError(
                    f"the polarization of an antenna is one of {', '.join(SLANTS)}, or a slant "
                    f"[rad] of each port; got {polarization!r}"
                )
        else:
            slants = _angles("polarization", np.atleast_1d(np.asarray(polarization)).tolist(), None)
            object.__setattr__(self, "polarization", slants)
        power = self.power_dbm
        if power is not None and not (_real(power) and -300.0 <= float(power) <= 300.0):
            raise ConfigurationError("power_dbm must be a level between -300 and 300 dBm, or None")
        if self.port is not None:
            whole = isinstance(self.port, (int, np.integer)) and not isinstance(self.port, bool)
            if not whole or not 0 <= self.port < self._all_ports:
                raise ConfigurationError(
                    f"the antenna has ports 0 to {self._all_ports - 1}; port {self.port!r} is none"
                )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Antenna) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, each.name) for each in dataclasses.fields(self))

    @classmethod
    def in_degrees(
        cls, *, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, **values: Any
    ) -> Antenna:
        """An antenna whose orientation is stated in degrees."""
        turn = tuple(math.radians(angle) for angle in (yaw, pitch, roll))
        return cls(orientation=turn, **values)  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Antenna:
        """A copy with some fields replaced, validated again."""
        return dataclasses.replace(self, **changes)

    def aimed(self, position: npt.ArrayLike, target: npt.ArrayLike) -> Antenna:
        """The antenna turned so that it looks from ``position`` at ``target`` [m], without roll.

        :raises ConfigurationError: if both are the same
        """
        way = np.asarray(target, np.float64) - np.asarray(position, np.float64)
        if way.shape != (3,) or not np.isfinite(way).all() or not way.any():
            raise ConfigurationError(
                "an antenna looks from one point [3] at another; the two given do not make a "
                "direction"
            )
        across = math.hypot(way[0], way[1])
        yaw = math.atan2(way[1], way[0]) if across > 0.0 else 0.0
        return self.replace(orientation=(yaw, -math.atan2(way[2], across), 0.0))

    @property
    def slants(self) -> tuple[float, ...]:
        """Slant of each polarization [rad]."""
        if isinstance(self.polarization, str):
            return SLANTS[self.polarization]
        assert isinstance(self.polarization, tuple)
        return self.polarization

    @property
    def element_positions(self) -> FloatArray:
        """[E, 3] positions of the elements [wavelengths]."""
        return np.zeros((1, 3)) if self.elements is None else self.elements

    @property
    def ports(self) -> tuple[int, ...]:
        """Numbers of the ports that are used."""
        return tuple(range(self._all_ports)) if self.port is None else (int(self.port),)

    @property
    def _all_ports(self) -> int:
        return len(self.element_positions) * len(self.slants)

    def of_port(self, port: int) -> tuple[float, FloatArray]:
        """Slant [rad] of a port, and its element's position [3] [wavelengths]."""
        places = self.element_positions
        return self.slants[port // len(places)], places[port % len(places)]

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal)."""
        table = isinstance(self.pattern, PatternTable)
        pattern = self.pattern.key if isinstance(self.pattern, PatternTable) else self.pattern
        text = repr((table, pattern, self.slants, self.orientation, self.power_dbm, self.port,
                     self.name))  # fmt: skip
        places = b"" if self.elements is None else (self.elements + 0.0).astype("<f8").tobytes()
        return hashlib.sha256(f"vlmrt Antenna 1\n{text}\n".encode() + places).hexdigest()


def planar_array(
    rows: int, columns: int, *, vertical_spacing: float = 0.5, horizontal_spacing: float = 0.5
) -> FloatArray:
    """[E, 3] element positions of a planar array [wavelengths], numbered as Sionna's.

    In the y-z plane of the antenna's own coordinates, column by column, each from its top.

    :param rows: elements above one another
    :param columns: elements beside one another
    :param vertical_spacing: between rows [wavelengths]
    :param horizontal_spacing: between columns [wavelengths]
    :raises ConfigurationError: if there is no element, too many, or a spacing is not positive
    """
    for what, number in (("rows", rows), ("columns", columns)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ConfigurationError(f"{what} of an array must be a whole number from 1 on")
    spacings = np.array([vertical_spacing, horizontal_spacing], np.float64)
    if not (np.isfinite(spacings).all() and (spacings > 0.0).all()):
        raise ConfigurationError("the spacings of an array must be positive numbers of wavelengths")
    across = horizontal_spacing * (np.arange(columns) - 0.5 * (columns - 1))
    up = -vertical_spacing * (np.arange(rows) - 0.5 * (rows - 1))
    places = np.zeros((rows * columns, 3))
    places[:, 1], places[:, 2] = np.repeat(across, rows), np.tile(up, columns)
    return places


@dataclass(frozen=True, eq=False)
class Antennas:
    """Antenna of each transmitter and each receiver of M setups of up to N receivers.

    :param kinds: the antennas that occur
    :param tx: [M] index of each transmitter's antenna in ``kinds``
    :param rx: [M, N] of each receiver's, -1 where no receiver is
    :param average: how the levels of a link's port pairs make its level, where it has several
    :raises CampaignError: if a link has several pairs of ports and no average is stated, a receiver
        has a transmit power, or an index is none
    """

    kinds: tuple[Antenna, ...]
    tx: IntArray
    rx: IntArray
    average: PortAverage | None = None

    def __post_init__(self) -> None:
        tx, rx = (np.array(x, np.int64) for x in (self.tx, self.rx))
        if tx.ndim != 1 or rx.ndim != 2 or len(rx) != len(tx):
            raise CampaignError("antennas need an index for each transmitter and receiver")
        top = len(self.kinds) - 1
        if min(tx.min(initial=0), rx.min(initial=0) + 1) < 0 or max(tx.max(), rx.max()) > top:
            raise CampaignError(f"antennas are numbered from 0 to {top}")
        if self.average is not None and self.average not in get_args(PortAverage):
            raise CampaignError(f"ports are averaged in db, or as power; got {self.average!r}")
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "tx", read_only(tx))
        object.__setattr__(self, "rx", read_only(rx))
        self._check_ports()
        for k in np.unique(rx[rx >= 0]).tolist():
            if self.kinds[k].power_dbm is not None:
                raise CampaignError(
                    "the antenna of a receiver has a transmit power; only those of transmitters do"
                )

    def _check_ports(self) -> None:
        pairs = self.pairs
        if pairs.max(initial=1) > MOST_PORTS:
            raise CampaignError(f"a link has more than {MOST_PORTS:,} pairs of ports")
        if self.average is None and (pairs > 1).any():
            m, n = np.argwhere(pairs > 1)[0].tolist()
            raise CampaignError(
                f"setup {m + 1}, receiver {n + 1} has {pairs[m, n]} pairs of ports, which are "
                "links of their own: give each its antenna with port=..., or plan them by "
                "with_antennas(..., split=True); or state average='db' or 'power' where the "
                "receiver reports their mean"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kinds, self.tx, self.rx, self.average)

    @property
    def pairs(self) -> IntArray:
        """[M, N] pairs of ports of each link; 0 where no receiver is."""
        count = np.array([len(kind.ports) for kind in self.kinds], np.int64)
        return np.where(self.rx >= 0, count[self.tx][:, None] * count[self.rx], 0)

    def subset(self, setups: npt.ArrayLike) -> Antennas:
        """Those of some of the setups."""
        pick = np.asarray(setups, np.int64)
        return Antennas(self.kinds, self.tx[pick], self.rx[pick], self.average)

    def where(self, present: BoolArray) -> Antennas:
        """The same where only some of the receivers exist [M, N]."""
        rx = np.where(present, self.rx, -1)
        return self if np.array_equal(rx, self.rx) else dataclasses.replace(self, rx=rx)

    def repeated(self, copies: int) -> Antennas:
        """The same for ``copies`` of all receivers, one after another [M, copies · N]."""
        return dataclasses.replace(self, rx=np.tile(self.rx, (1, copies)))

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal); the order of ``kinds`` does not count."""
        keys = [kind.key for kind in self.kinds] + ["none"]
        text = [str(self.average), *(keys[k] for k in (*self.tx.tolist(), *self.rx.ravel()))]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()


def split_by_port(antennas: Antennas) -> tuple[IntArray, IntArray, Antennas]:
    """Links of one pair of ports each, from those of several.

    :return: setup that each new setup comes from [M'], receiver that each of its receivers comes
        from [M', N'], -1 for none, and their antennas
    """
    number: dict[Antenna, int] = {}
    single = [
        [number.setdefault(kind.replace(port=port), len(number)) for port in kind.ports]
        for kind in antennas.kinds
    ]
    setups: list[int] = []
    tx: list[int] = []
    rows: list[list[int]] = []
    of_rx: list[list[int]] = []
    for m, kind in enumerate(antennas.tx.tolist()):
        there = [(n, k) for n, k in enumerate(antennas.rx[m].tolist()) if k >= 0]
        row = [(n, one) for n, k in there for one in single[k]]
        for one in single[kind]:
            setups.append(m)
            tx.append(one)
            rows.append([n for n, _ in row])
            of_rx.append([k for _, k in row])
    shape = len(setups), max(map(len, rows))
    receiver, rx = np.full(shape, -1), np.full(shape, -1)
    for m, numbers in enumerate(rows):
        receiver[m, : len(numbers)], rx[m, : len(numbers)] = numbers, of_rx[m]
    return np.array(setups), receiver, Antennas(tuple(number), np.array(tx), rx)


SomeAntennas: TypeAlias = Antenna | Sequence[Any]
"""One antenna for all devices, or one for each, in nested sequences."""


def antennas_of(
    present: BoolArray,
    tx: SomeAntennas | None = None,
    rx: SomeAntennas | None = None,
    average: PortAverage | None = None,
) -> Antennas:
    """The antennas of a campaign from those of its devices.

    :param present: [M, N] which receivers exist
    :param tx: of every transmitter, or [M]; None: isotropic, vertically polarized
    :param rx: of every receiver; or [N], alike in all setups; or [M][N]; None likewise
    :raises CampaignError: if there are not as many as devices, or what stands there is no antenna
    """
    number: dict[Antenna, int] = {}

    def numbered(given: Any, what: str, shape: tuple[int, ...]) -> IntArray:
        if isinstance(given, Antenna):
            return np.full(shape, number.setdefault(given, len(number)))
        if not isinstance(given, (list, tuple, np.ndarray)):
            raise CampaignError(f"{what} must be of class Antenna; got {type(given).__name__}")
        if (
            len(shape) == 2
            and len(given) == shape[1]
            and all(isinstance(each, Antenna) for each in given)
        ):
            return np.broadcast_to(numbered(given, what, shape[1:]), shape)
        if not shape or len(given) != shape[0]:
            need = " × ".join(map(str, shape))
            raise CampaignError(f"{what}: {need} antennas are needed; got {len(given)}")
        return np.stack([numbered(each, what, shape[1:]) for each in given])

    plain = Antenna()
    of_tx = numbered(plain if tx is None else tx, "antennas of transmitters", present.shape[:1])
    of_rx = numbered(plain if rx is None else rx, "antennas of receivers", present.shape)
    return Antennas(tuple(number), of_tx, np.where(present, of_rx, -1), average)


def _real(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _angles(name: str, values: Any, count: int | None) -> tuple[float, ...]:
    """Angles [rad] as a tuple.

    :raises ConfigurationError: if they are not ``count`` finite numbers, or cannot be radians
    """
    given = values.tolist() if isinstance(values, np.ndarray) else values
    listed = tuple(given) if isinstance(given, (list, tuple)) else ()
    right = len(listed) == count if count else len(listed) in (1, 2)
    if not right or not all(_real(x) and math.isfinite(x) for x in listed):
        what = "yaw, pitch and roll" if count else "one or two slants"
        raise ConfigurationError(f"{name} is {what}, finite numbers of radians; got {values!r}")
    wrong = [x for x in listed if abs(x) > 2.0 * math.pi + 1e-9]
    if wrong:
        raise ConfigurationError(
            f"{name} is in radians, and {wrong[0]:g} is more than a turn; of degrees give "
            "np.radians(...), or Antenna.in_degrees(yaw=..., pitch=..., roll=...)"
        )
    return tuple(float(x) + 0.0 for x in listed)


def _elements(given: Any) -> FloatArray | None:
    """[E, 3] element positions [wavelengths], read-only.

    :raises ConfigurationError: if they are none
    """
    if given is None:
        return None
    try:
        places = floats("elements", given)
    except CampaignError as error:
        raise ConfigurationError(str(error)) from None
    if places.ndim != 2 or places.shape[1] != 3 or not 1 <= len(places) <= MOST_ELEMENTS:
        raise ConfigurationError(
            f"elements are positions [E, 3] in wavelengths, 1 to {MOST_ELEMENTS}; got shape "
            f"{places.shape}"
        )
    if not (np.abs(places) <= MOST_WAVELENGTHS).all():
        raise ConfigurationError(
            f"an element lies not within {MOST_WAVELENGTHS:g} wavelengths of its device; elements "
            "are positions in wavelengths, about the device"
        )
    return np.asarray(read_only(places))
