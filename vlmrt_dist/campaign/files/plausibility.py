"""Problems that lines of a measurement file have together: contradictions and wrong units.

Each slip is reported at the first line that shows it, with what was probably meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlmrt_dist.campaign.files.records import Link, Problem
from vlmrt_dist.campaign.free_space import misplaced, room_hint
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.scene import SceneModel

PLACEHOLDER_GAP_DB = 20.0
"""A reading of exactly 0 dBm this far above all others stands for a missing one."""

PLACEHOLDERS = (-9999.0, -1000.0, -999.0, 999.0, 1000.0, 9999.0)
"""Levels that instruments and spreadsheets write for no reading."""

WATTS_LIKE = 1e-2
"""Levels [dBm] that all lie this near to zero are powers, or zeros."""

ENOUGH_LEVELS = 3
"""So many levels that all lie between 0 and 1 dBm are powers: levels spread more than that."""

LOUD_DBM = 10.0
"""If every level [dBm] lies above this, or one above the next, a sign was lost: even one metre
from a transmitter of 44 dBm less than 10 dBm are received at a gigahertz."""

IMPOSSIBLE_DBM = 30.0

SIGN_GAP_DB = 25.0
"""A loud level this far above the median of all has lost its sign."""

SCALES = ((1.0 / 0.3048, "feet"), (100.0, "centimetres"), (1000.0, "millimetres"))
"""Lengths that a coordinate may be given in by mistake: how many make a metre."""

SMALLEST_SPREAD = 0.1
"""A campaign reaches over at least this share of the room's longest side."""


def contradictions(links: list[Link]) -> Iterator[Problem]:
    """Lines that do not go together: two transmitters in a setup, gaps in a column, repetitions."""
    yield from _inconsistent_setups(links)
    yield from _gaps(links)
    yield from _repetitions(links)


def level_slips(links: list[Link]) -> Iterator[Problem]:
    """Levels in another unit, without their sign, or standing for no reading."""
    levels = [(link.line, link.rss_dbm) for link in links if link.rss_dbm is not None]
    if not levels:
        return
    line, values = levels[0][0], [value for _, value in levels]
    low, high = min(values), max(values)
    if max(-low, high) < WATTS_LIKE or (low >= 0.0 and high < 1.0 and len(levels) >= ENOUGH_LEVELS):
        yield line, "every rss_dbm is almost zero: " + _as_powers(values)
        return
    if low > LOUD_DBM:
        yield (
            line,
            f"every rss_dbm is above {LOUD_DBM:g} dBm ({low:g} to {high:g}): received levels are "
            f"negative; is it RSSI without its sign ({-values[0]:g})? dBµV have to be converted",
        )
        return
    usual = float(np.median(values))
    loudest_other = max((value for value in values if value != 0.0), default=math.inf)
    for number, value in levels:
        if value in PLACEHOLDERS:
            yield number, f"rss_dbm {value:g} stands for a missing reading; leave the line out"
        elif value > IMPOSSIBLE_DBM:
            yield (
                number,
                f"rss_dbm {value:g} is more than a watt received; was its sign lost ({-value:g})?",
            )
        elif value > max(LOUD_DBM, usual + SIGN_GAP_DB):
            yield (
                number,
                f"rss_dbm {value:g} is {value - usual:.0f} dB above what is usual in this file; "
                f"was its sign lost ({-value:g})?",
            )
        elif value == 0.0 and loudest_other < -PLACEHOLDER_GAP_DB:
            yield (
                number,
                "rss_dbm is exactly 0 dBm, far above every other reading: it stands for a "
                "missing one; leave the line out",
            )


def position_slips(links: list[Link], scene: SceneModel) -> Iterator[Problem]:
    """Antennas outside the room or inside objects, and coordinates in another unit than metres."""
    groups: dict[str, list[Link]] = {}
    for link in links:
        groups.setdefault(link.setup, []).append(link)
    rows = list(groups.values())
    setups = [
        MeasurementSetup(np.array(group[0].tx), np.array([link.rx for link in group]))
        for group in rows
    ]
    campaign = Campaign.from_setups(setups)
    found = misplaced(scene, campaign)
    if not found:
        return
    points = np.concatenate([campaign.tx, campaign.rx[campaign.present]])
    outside = ~scene.inside_bounds(points)
    if outside.mean() > 0.5:
        enough = SMALLEST_SPREAD * np.ptp(scene.bounds, axis=0).max()
        for scale, unit in SCALES:
            reach = np.ptp(points, axis=0).max() / scale
            if reach >= enough and scene.inside_bounds(points / scale).all():
                yield (
                    links[0].line,
                    f"the positions lie outside the room, but would lie in it as {unit}; divide "
                    f"them by {scale:.4g} ({room_hint(scene)})",
                )
                return
    for item in found:
        group = rows[item.setup]
        link = group[0] if item.receiver is None else group[item.receiver]
        hint = f"; {room_hint(scene)}" if "outside" in item.what else ""
        yield link.line, f"{item}{hint}"


def _inconsistent_setups(links: list[Link]) -> Iterator[Problem]:
    first: dict[str, Link] = {}
    moving = []
    for link in links:
        known = first.setdefault(link.setup, link)
        if known.tx != link.tx:
            moving.append(
                (
                    link.line,
                    f"the transmitter of setup {link.setup!r} is elsewhere than in line "
                    f"{known.line}; a setup has one transmitter",
                )
            )
        elif known.frequency != link.frequency:
            yield (
                link.line,
                f"the frequency of setup {link.setup!r} is another than in line {known.line}; "
                "give the lines of each carrier a setup of their own",
            )
    # One line that differs may be a typing error; two in a row with the same receiver are not.
    if len(moving) > len(first) and all(first[link.setup].rx == link.rx for link in links):
        yield (
            links[0].line,
            "the columns of transmitter and receiver are exchanged: within each setup the receiver "
            "stays and the transmitter moves; name the tx_ columns rx_ and the rx_ columns tx_",
        )
    else:
        yield from moving


def _gaps(links: list[Link]) -> Iterator[Problem]:
    for name in ("rss_dbm", "noise_db", "censored", "frequency"):
        empty = [link for link in links if getattr(link, name) is None]
        if 0 < len(empty) < len(links):
            for link in empty:
                yield link.line, f"{name} is empty, but other lines have one"
    for link in links:
        if link.censored and link.rss_dbm is None:
            yield link.line, "is censored, but has no rss_dbm: write the receiver's floor there"


def _repetitions(links: list[Link]) -> Iterator[Problem]:
    first: dict[Any, int] = {}
    for link in links:
        known = first.setdefault((link.setup, link.tx, link.rx), link.line)
        if known != link.line:
            yield (
                link.line,
                f"is the same link as line {known} (setup {link.setup!r}, same receiver position); "
                "keep one of them, or their mean",
            )


def _as_powers(values: list[float]) -> str:
    some = next((value for value in values if value > 0.0), None)
    if some is None:
        return "these are missing values; leave the lines out"
    level = 10.0 * math.log10(some)
    return (
        "these are watts or milliwatts; convert them to dBm, 10 log10(P / 1 mW): "
        f"{some:g} W are {level + 30.0:.2f} dBm, {some:g} mW are {level:.2f} dBm"
    )
