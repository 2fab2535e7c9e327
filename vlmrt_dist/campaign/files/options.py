"""How a measurement file is read, where the file alone does not say."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vlmrt_dist.campaign.files.headings import Meaning, meaning_of, squeezed
from vlmrt_dist.errors import ConfigurationError

Average = Literal["db", "power"]

DelayBins = Literal["keep", "sum"]
"""Use of powers in delay bins: kept as values, or summed to one level a link."""

LARGEST = 1e8
"""Largest coordinate [m]; more than the way around the Earth is none."""

FIELDS = (
    "setup", "transmitter", "receiver",
    "tx_x", "tx_y", "tx_z", "tx_latitude", "tx_longitude", "tx_easting",
    "tx_northing", "tx_height", "tx_altitude", "rx_x", "rx_y", "rx_z", "rx_latitude",
    "rx_longitude", "rx_easting", "rx_northing", "rx_height", "rx_altitude", "rss_dbm",
    "path_loss_db", "path_gain_db", "noise_db", "censored", "saturated", "frequency", "delay",
    "tx_power_dbm", "delay_width", "bandwidth", "bin_floor", "delay_spread", "mean_delay",
    "mean_excess_delay", "noise_ns", "subcarrier", "response_re", "response_im", "response_noise",
    "magnitude_db", "snapshot", "phase_known", "timing_known",
)  # fmt: skip
"""Fields that ``columns`` may give a column."""

_GRID = re.compile(r"(?:epsg:(\d{4,6})|utm:?\s*(\d{1,2})\s*([ns]))", re.IGNORECASE)


MOST_ELEMENTS = 100_000
"""Most resource elements of a symbol; a carrier of 5G has 3300."""


@dataclass(frozen=True)
class ReadingOptions:
    """How a measurement file is read.

    :param columns: meanings of headings, each FIELD=HEADING, as in ``rss_dbm=RSRP`` or
        ``rss_mw=Power``; see :data:`FIELDS`
    :param unheard: levels that stand for "not heard" besides those that cannot be levels [dBm]
    :param noise_floor_dbm: the receiver's floor [dBm]: what was not heard is censored there;
        None: it is left out
    :param saturation_dbm: level [dBm] from which on the receiver saturates or compresses: what it
        reports there is censored from above, the true level being that or more; None: it does not
    :param tx_power_dbm: transmit power [dBm] that turns path loss and path gain into levels, and
        to which the levels of transmitters of stated power are referred
    :param transmitters: table of the transmitters' positions, joined by name or cell identity
    :param points: table of the receivers' positions, joined by name, for a file that only names
        them
    :param tx: positions of transmitters, each X,Y,Z or NAME=X,Y,Z; LATITUDE,LONGITUDE,HEIGHT where
        the file has latitudes
    :param tx_height: z of every transmitter [m], instead of the file's
    :param rx_height: z of every receiver [m], instead of the file's
    :param average: repeats of a link are averaged in "db", or as "power"
    :param origin: latitude and longitude [°] of the scene's x = y = 0, and optionally the altitude
        [m] of its z = 0
    :param projection: how the scene was drawn: true distances about the origin ("local"), the
        origin's UTM zone ("utm"), OpenStreetMap importers' sphere ("osm"), or "EPSG:n"
    :param crs: reference system of eastings and northings: "EPSG:n" or "utm:32N"
    :param rotation: bearing of the scene's y axis [°], clockwise from north
    :param delay_bins: "keep" powers in delay bins, or "sum" them up to one level a link
    :param delay_bin_ns: merge neighbouring bins to about this width [ns]; None: as they are
    :param delay_range_db: delay bins further below the strongest of their link count as below a
        floor there [dB]; None: as they are
    :param bandwidth_hz: of a measurement of delay bins, where no column states it; None: one over
        their width
    :param resource_elements: RSSI is the power of so many resource elements (12 a resource block in
        LTE), all of them loaded: levels become those of one, RSRP. Floor and ceiling are those of
        RSSI too. None: levels are taken as they are
    :raises ConfigurationError: if a value is none of these
    """

    columns: tuple[str, ...] = ()
    unheard: tuple[float, ...] = ()
    noise_floor_dbm: float | None = None
    saturation_dbm: float | None = None
    tx_power_dbm: float = 44.0
    transmitters: Path | None = None
    points: Path | None = None
    tx: tuple[str, ...] = ()
    tx_height: float | None = None
    rx_height: float | None = None
    average: Average = "db"
    origin: tuple[float, ...] | None = None
    projection: str = "local"
    crs: str | None = None
    rotation: float = 0.0
    delay_bins: DelayBins = "keep"
    delay_bin_ns: float | None = None
    delay_range_db: float | None = None
    bandwidth_hz: float | None = None
    resource_elements: int | None = None

    def __post_init__(self) -> None:
        self.meanings()
        if self.resource_elements is not None and not 1 <= self.resource_elements <= MOST_ELEMENTS:
            raise ConfigurationError(
                f"resource_elements must be a number from 1 to {MOST_ELEMENTS:,}, 12 times the "
                "resource blocks of the carrier"
            )
        self._check_delays()
        self.positions()
        for name in ("noise_floor_dbm", "saturation_dbm", "tx_power_dbm", "tx_height", "rx_height",
                     "rotation"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ConfigurationError(f"{name} must be a finite number")
        floor, ceiling = self.noise_floor_dbm, self.saturation_dbm
        if floor is not None and ceiling is not None and not floor < ceiling:
            raise ConfigurationError("noise_floor_dbm must lie below saturation_dbm")
        if not all(math.isfinite(value) for value in self.unheard):
            raise ConfigurationError("unheard must be finite levels")
        if self.average not in get_args(Average):
            raise ConfigurationError(f"average must be one of {', '.join(get_args(Average))}")
        if self.origin is not None:
            _check_origin(self.origin)
        if self.projection not in ("local", "utm", "osm"):
            grid_name("projection", self.projection)
        elif self.projection != "local" and self.origin is None:
            raise ConfigurationError(f"projection {self.projection} needs the scene's origin")
        if self.crs is not None:
            grid_name("crs", self.crs)

    @property
    def share_db(self) -> float:
        """By how much a level of one resource element lies below what is reported [dB]."""
        return 10.0 * math.log10(self.resource_elements or 1)

    def _check_delays(self) -> None:
        if self.delay_bins not in get_args(DelayBins):
            raise ConfigurationError(f"delay_bins must be one of {', '.join(get_args(DelayBins))}")
        for name in ("delay_bin_ns", "delay_range_db", "bandwidth_hz"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ConfigurationError(f"{name} must be positive and finite")
            if value is not None and self.delay_bins == "sum":
                raise ConfigurationError(f"{name} goes with delay bins that are kept")

    def meanings(self) -> dict[str, Meaning]:
        """Meaning of each heading of ``columns``, by its letters as given.

        :raises ConfigurationError: if one is no FIELD=HEADING, or given twice
        """
        found: dict[str, Meaning] = {}
        for word in self.columns:
            field, mark, heading = word.partition("=")
            meaning = meaning_of(field)
            if not mark or not heading.strip():
                raise ConfigurationError(
                    f"columns takes FIELD=HEADING, as in rss_dbm=RSRP; got {word!r}"
                )
            if meaning is None or meaning.field not in FIELDS:
                raise ConfigurationError(
                    f"columns does not know {field.strip()!r}; it is one of {', '.join(FIELDS)}, "
                    "with a unit at its end where it is another: rss_mw, frequency_ghz, rx_x_cm"
                )
            if heading.strip() in found:
                raise ConfigurationError(f"columns names the heading {heading.strip()!r} twice")
            found[heading.strip()] = meaning
        return found

    def positions(self) -> dict[str, tuple[float, ...]]:
        """Coordinates of each transmitter of ``tx`` by name; "" stands for the only one.

        :raises ConfigurationError: if one has not two or three numbers, or a name is given twice
        """
        found: dict[str, tuple[float, ...]] = {}
        for word in self.tx:
            name, mark, text = word.rpartition("=")
            try:
                place = tuple(float(part) for part in text.split(","))
            except ValueError:
                place = ()
            if len(place) not in (2, 3) or not all(abs(part) <= LARGEST for part in place):
                raise ConfigurationError(
                    f"tx takes X,Y,Z or NAME=X,Y,Z (latitude, longitude, height where the file "
                    f"has latitudes); got {word!r}"
                )
            if len(place) == 2 and self.tx_height is None:
                raise ConfigurationError(f"tx {word!r} has no height; add it, or give tx_height")
            if name.strip() in found or (mark and not name.strip()):
                raise ConfigurationError("tx needs a name of its own for each transmitter")
            found[name.strip()] = place
        if len(found) > 1 and len({squeezed(name) for name in found}) < len(found):
            raise ConfigurationError("tx needs a name of its own for each transmitter")
        return found


def grid_name(name: str, text: str) -> str:
    """A projected reference system as PROJ calls it; only these names reach the library.

    :raises ConfigurationError: if it is none
    """
    parts = _GRID.fullmatch(text.strip())
    zone = int(parts[2]) if parts and parts[2] else None
    if parts is None or (zone is not None and not 1 <= zone <= 60):
        also = "local, utm, osm, " if name == "projection" else ""
        raise ConfigurationError(f"{name} must be {also}EPSG:n or utm:32N; got {text!r}")
    if zone is None:
        return f"EPSG:{parts[1]}"
    return f"EPSG:{(32600 if parts[3].casefold() == 'n' else 32700) + zone}"


def _check_origin(origin: tuple[float, ...]) -> None:
    if len(origin) not in (2, 3) or not all(map(math.isfinite, origin)):
        raise ConfigurationError("origin must be LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,ALTITUDE")
    if not (abs(origin[0]) <= 90.0 and abs(origin[1]) <= 180.0):
        raise ConfigurationError(
            f"origin: {origin[0]:g} is no latitude, or {origin[1]:g} no longitude; the latitude "
            "comes first"
        )
