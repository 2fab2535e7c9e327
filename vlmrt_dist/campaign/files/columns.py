"""The columns of a measurement file, and hints for names that are none of them."""

from __future__ import annotations

import difflib
import re

POSITIONS = ("tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z")
REQUIRED = ("setup", *POSITIONS)
OPTIONAL = ("rss_dbm", "noise_db", "censored", "frequency")
COLUMNS = REQUIRED + OPTIONAL

UNITS = {**dict.fromkeys(POSITIONS, "m"), "rss_dbm": "dBm", "noise_db": "dB", "frequency": "Hz"}
"""Unit of each column that has one."""

OTHER_NAMES = {
    **dict.fromkeys(("rss", "rssi", "rsrp", "level", "power", "rx_power", "dbm"), "rss_dbm"),
    **dict.fromkeys(("noise", "std", "sigma", "uncertainty", "error"), "noise_db"),
    **dict.fromkeys(("freq", "carrier", "f", "hz", "ghz", "mhz"), "frequency"),
    **dict.fromkeys(("trial", "measurement", "transmitter", "tx", "id"), "setup"),
    **dict.fromkeys(("floor", "below_floor", "clipped"), "censored"),
}
"""Names that other programs give the columns, in lower case with underscores."""

_AXIS_FIRST = re.compile(r"([xyz])_?([tr]x)")


def wrong_columns(header: list[str]) -> list[str]:
    """Problems of the names of the columns, each a sentence."""
    if sum(_is_number(name) for name in header) >= max(len(header) - 1, 1):
        return [
            "the first line holds numbers, so the header is missing; put this line above it: "
            + ",".join((*REQUIRED, "rss_dbm"))
        ]
    problems = []
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in dict.fromkeys(header) if name not in COLUMNS]
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if missing:
        hint = ""
        if missing == ["setup"]:
            hint = "; give all lines of one transmitter position the same number"
        problems.append(f"missing columns: {', '.join(missing)}{hint}")
    if unknown:
        shown = ", ".join(repr(name[:40]) + _meant(name, header) for name in unknown[:10])
        problems.append(f"unknown columns: {shown}; known are {', '.join(COLUMNS)}")
    if twice:
        shown = ", ".join(repr(name[:40]) for name in twice[:10])
        problems.append(f"columns that appear more than once: {shown}")
    return problems


def _meant(name: str, header: list[str]) -> str:
    """Which of the columns that are not there ``name`` may stand for, as a clause."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()[:40]).strip("_")
    plain = _AXIS_FIRST.sub(r"\2_\1", plain)
    absent = [column for column in COLUMNS if column not in header]
    known = {column: column for column in absent}
    known |= {other: column for other, column in OTHER_NAMES.items() if column in absent}
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.6)
    if not close:
        return ""
    column = known[close[0]]
    unit = f" [{UNITS[column]}]" if column in UNITS else ""
    return f" (is it {column}{unit}?)"


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
