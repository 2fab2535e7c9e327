"""Meaning of the headings of a measurement file: quantity, antenna, unit.

A heading is understood in any letter case, with or without separators, with its unit in brackets,
after a slash or at its end: ``tx_x [m]``, ``Rx X``, ``freq (GHz)``, ``RSS_dBm``, ``P / mW``. A
heading that is not in these lists is never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlmrt_dist.campaign.files.units_of_columns import (
    DEFAULT_UNITS,
    Dimension,
    known_unit,
    shown_unit,
)

POSITIONS = ("tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z")
STANDARD = ("setup", *POSITIONS, "rss_dbm", "noise_db", "censored", "saturated", "frequency")
"""Columns that :func:`write_campaign` writes of levels."""

MAX_HEADING = 200
"""Longest heading [characters] that is compared with the lists."""

_TX = (
    "tx", "transmitter", "bs", "basestation", "ap", "accesspoint", "gnb", "enb", "nodeb", "source",
    "src", "anchor", "beacon", "sender", "site", "cell", "sector",
)  # fmt: skip
_RX = (
    "rx", "receiver", "ue", "user", "ms", "mobile", "terminal", "phone", "point", "meas",
    "measurement", "sample",
)  # fmt: skip
_WHERE = ("", "pos", "position", "coord", "coordinate", "loc", "location")
_AXES = {
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
    "latitude": ("latitude", "lat", "gpslatitude", "gpslat", "currentlatitude"),
    "longitude": (
        "longitude",
        "lon",
        "long",
        "lng",
        "gpslongitude",
        "gpslon",
        "gpslong",
        "currentlongitude",
    ),
    "easting": ("easting", "east", "utme", "utmeasting", "utmx", "xutm"),
    "northing": ("northing", "north", "utmn", "utmnorthing", "utmy", "yutm"),
    "height": ("height", "antennaheight", "heightagl", "agl", "hagl"),
    "altitude": ("altitude", "alt", "elevation", "elev", "amsl", "heightasl", "gpsaltitude"),
}
_ANGLES = ("latitude", "longitude")

_LEVELS = (
    "rssdbm", "rss", "rsrp", "ltersrp", "ssrsrp", "nrrsrp", "servingrsrp", "lrsrp", "rssi",
    "rscp", "rxlev", "rxlevel", "receivedsignalstrength", "receivedsignalstrengthindicator",
    "receivedsignalstrengthindication", "signalstrength", "signallevel", "receivedpower",
    "receivedlevel", "rxpower", "rxpwr", "rxsignal", "prx", "recvpower", "meanrss", "meanrssi",
    "meanrsrp", "rssmean", "rssimean", "rsrpmean", "avgrss", "avgrssi", "avgrsrp", "rssavg",
    "rssiavg", "rsrpavg", "rsrpserving", "rsrpservingcell", "servingcellrsrp", "pcellrsrp",
    "nrssrsrp", "ssrsrpserving", "servingssrsrp", "servingrssi", "receivedsignal",
    "receivedsignallevel", "rxsignalstrength", "rsl", "signal", "level", "power", "dbm",
)  # fmt: skip
"""Names of received levels; of several in one file the first of this list is used."""

_NAMES = (
    "transmitter", "transmitterid", "transmittername", "tx", "txid", "txname", "txindex", "bssid",
    "mac", "macaddress", "ap", "apid", "apname", "accesspoint", "accesspointid", "anchor",
    "anchorid", "beacon", "beaconid", "basestation", "basestationid", "bs", "bsid", "bsname",
    "pci", "physicalcellid", "phycellid", "servingpci", "cellid", "cell", "cellname", "cid", "eci",
    "ci", "nci", "cgi", "cellidentity", "gnb", "gnbid", "enb", "enbid", "enodeb", "enodebid",
    "nodeb", "sector", "sectorid", "site", "siteid", "sitename", "servingcell", "servingcellid",
    "pcellpci", "lteservingpci", "ssid",
)  # fmt: skip
"""Names of columns that name the transmitter of a row."""

_OTHERS: dict[str, tuple[Dimension, tuple[str, ...]]] = {
    "setup": ("name", ("setup", "setupid", "setupname", "trial", "trialid")),
    "receiver": (
        "name",
        ("receiver", "receiverid", "receivername", "rx", "rxid", "rxname", "rxindex", "ue", "ueid",
         "pointid", "pointname", "measurementpoint", "point"),
    ),
    "path_gain_db": ("loss", ("pathgain", "channelgain", "pathgains", "s21")),
    "path_loss_db": (
        "loss",
        ("pathloss", "pl", "propagationloss", "pathattenuation", "pathlosses", "transmissionloss"),
    ),
    "noise_db": (
        "decibel",
        ("noisedb", "rssstd", "rssistd", "rsrpstd", "stddb", "sigmadb", "uncertaintydb",
         "levelstd", "stddevdb"),
    ),
    "censored": ("flag", ("censored", "belowfloor", "clipped")),
    "saturated": ("flag", ("saturated", "aboveceiling", "overloaded", "compressed")),
    "frequency": (
        "frequency",
        ("frequency", "freq", "f", "fc", "carrier", "carrierfrequency", "carrierfreq",
         "centerfrequency", "centrefrequency", "centerfreq", "centrefreq"),
    ),
    "delay": ("time", ("delay", "tau", "excessdelay", "relativedelay", "pathdelay",
                       "propagationdelay", "toa", "timeofarrival")),
    "delay_width": ("time", ("delaywidth", "binwidth", "delaybinwidth")),
    "bandwidth": ("frequency", ("bandwidth", "measurementbandwidth")),
    "bin_floor": ("level", ("binfloor", "delaybinfloor", "binnoise")),
    "delay_spread": ("time", ("delayspread", "rmsdelayspread", "rmsds", "spread")),
    "mean_delay": ("time", ("meandelay", "averagedelay")),
    "mean_excess_delay": ("time", ("meanexcessdelay", "averageexcessdelay")),
    "noise_ns": ("time", ("noisens", "delaynoise", "delaystd", "delayspreadstd")),
    "subcarrier": (
        "frequency",
        ("subcarrier", "subcarrierfrequency", "subcarrieroffset", "frequencyoffset",
         "offsetfrequency", "basebandfrequency"),
    ),
    "response_re": ("number", ("responsere", "responsereal", "hre", "hreal", "cfrre", "cfrreal")),
    "response_im": (
        "number", ("responseim", "responseimag", "him", "himag", "cfrim", "cfrimag")
    ),
    "response_noise": ("number", ("responsenoise", "responsestd", "cfrnoise", "cfrstd")),
    "magnitude_db": (
        "decibel", ("magnitudedb", "magnitude", "responsemagnitude", "cfrmagnitude", "habs")
    ),
    "snapshot": ("number", ("snapshot", "snapshotid", "snapshotnumber")),
    "phase_known": ("number", ("phaseknown",)),
    "timing_known": ("number", ("timingknown",)),
    "device": ("name", ("device", "side")),
    "tx_power_dbm": ("level", ("txpower", "transmitpower", "txpwr", "ptx", "transmissionpower")),
}  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """Meaning of a heading.

    :param field: a column of the campaign, or what one is computed from; "x" to "altitude" stand
        for a position of an antenna that the heading does not name
    :param dimension: what its values measure
    :param unit: the unit that the heading states, in small letters; None: it states none
    :param rank: of several headings of one field that with the lowest is used
    """

    field: str
    dimension: Dimension
    unit: str | None = None
    rank: int = 0


def _meanings() -> Iterator[tuple[str, Meaning]]:
    for axis, words in _AXES.items():
        dimension: Dimension = "angle" if axis in _ANGLES else "length"
        for place in _WHERE:
            for word in words:
                for bare in (place + word, word + place):
                    yield bare, Meaning(axis, dimension)
                    for side, names in (("tx", _TX), ("rx", _RX)):
                        meaning = Meaning(f"{side}_{axis}", dimension)
                        for name in names:
                            for text in (name + bare, bare + name, place + name + word):
                                yield text, meaning
    for side, letter, names in (("tx", "t", _TX), ("rx", "r", _RX)):
        for axis in "xyz":
            yield axis + letter, Meaning(f"{side}_{axis}", "length")
        for name in names:
            for text in ("h" + name, name + "h"):
                yield text, Meaning(f"{side}_height", "length")
    for prefix in ("tx_", "rx_", ""):
        for name in ("yaw", "pitch", "roll"):
            yield (prefix + name).replace("_", ""), Meaning(prefix + name, "angle")
        for name in ("pattern", "polarization", "array_rows", "array_columns", "port", "antenna"):
            yield (prefix + name).replace("_", ""), Meaning(prefix + name, "name")
    for axis in "xyz":
        yield f"lookat{axis}", Meaning(f"look_at_{axis}", "length")
    for rank, word in enumerate(_LEVELS):
        yield word, Meaning("rss_dbm", "level", rank=rank)
    for rank, word in enumerate(_NAMES):
        yield word, Meaning("transmitter", "name", rank=rank)
    for field, (dimension, words) in _OTHERS.items():
        for rank, word in enumerate(words):
            yield word, Meaning(field, dimension, rank=rank)


MEANINGS = dict(_meanings())
"""Meaning of each name, in small letters and digits only."""

_NEED_A_UNIT = ("f", "tau")
"""Letters that stand for many things: a unit says for which."""

_BRACKETS = re.compile(r"([^\[\](){}]*)[\[({]([^\[\](){}]{0,40})[\])}]\s*")
_AFTER = re.compile(r"(.*\S)(?:\s*/\s*|\s+in\s+)(\S{1,10})")
_UNIT_AT_END = re.compile(
    r"(.+?)(dbm|dbw|db|ghz|mhz|khz|hz|mw|uw|µw|nw|pw|fw|w|ns|us|ms|s|degrees|degree|deg|radians|rad|km|cm|mm|"
    r"metres|meters|metre|meter|m|feet|ft|linear|lin)"
)


def squeezed(text: str) -> str:
    """The letters and digits of a name, in small letters."""
    return re.sub(r"[^0-9a-zµ]+", "", text[:MAX_HEADING].casefold().replace("μ", "µ"))


def meaning_of(heading: str) -> Meaning | None:
    """Meaning of a heading; None if it is none of those known, or its unit is not of its kind."""
    text = heading.strip()[:MAX_HEADING]
    for pattern in (_BRACKETS, _AFTER):
        parts = pattern.fullmatch(text)
        if parts is not None:
            known = MEANINGS.get(squeezed(parts[1]))
            if known is not None:
                return _with_unit(known, parts[2])
    name = squeezed(text)
    if name in MEANINGS and name not in _NEED_A_UNIT:
        return MEANINGS[name] if name != "dbm" else _with_unit(MEANINGS[name], "dbm")
    parts = _UNIT_AT_END.fullmatch(name)
    known = MEANINGS.get(parts[1]) if parts else None
    return None if parts is None or known is None else _with_unit(known, parts[2])


def _with_unit(known: Meaning, text: str) -> Meaning | None:
    if not text.strip() or text.strip() == "-":
        return known
    unit = known_unit(text, known.dimension)
    return None if unit is None else Meaning(known.field, known.dimension, unit, known.rank)


def unknown_unit(heading: str) -> str | None:
    """The text in brackets behind a known name where it is no unit that can be converted."""
    parts = _BRACKETS.fullmatch(heading.strip()[:MAX_HEADING])
    known = MEANINGS.get(squeezed(parts[1])) if parts else None
    if parts is None or known is None or known.dimension in ("name", "flag"):
        return None
    return None if _with_unit(known, parts[2]) else parts[2].strip()


def field_of_level(heading: str) -> str | None:
    """The field that a heading with a unit of power may be, as in ``rss_mw`` of ``P [mW]``; None if
    it has no such unit."""
    for pattern in (_BRACKETS, _AFTER):
        parts = pattern.fullmatch(heading.strip()[:MAX_HEADING])
        if parts is not None and (unit := known_unit(parts[2], "level")):
            return f"rss_{unit}"
    return None


def unit_of(meaning: Meaning) -> str:
    """The unit of a column in its usual letters, its default if the heading states none."""
    return shown_unit(meaning.unit) if meaning.unit else DEFAULT_UNITS.get(meaning.dimension, "")
