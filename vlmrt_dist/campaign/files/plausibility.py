"""Problems that rows of a measurement file have together: contradictions and wrong units.

Each slip is reported at the first line that shows it, with what was probably meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.files.links import Links
from vlmrt_dist.campaign.files.problems import Problem
from vlmrt_dist.campaign.free_space import misplaced, room_hint
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.scene import SceneModel

PLACEHOLDER_GAP_DB = 20.0
"""A reading of exactly 0 dBm this far above all others stands for a missing one."""

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


def contradictions(links: Links) -> Iterator[Problem]:
    """Rows of a setup that do not go together: two transmitters, two carriers."""
    _, first = np.unique(links.setup, return_index=True)
    known = first[np.searchsorted(links.setup[first], links.setup)]
    moving = np.flatnonzero((links.tx != links.tx[known]).any(axis=1))
    same_rx = (links.rx == links.rx[known]).all()
    # One line that differs may be a typing error; two in a row with the same receiver are not.
    if len(moving) > len(first) and same_rx:
        yield (
            int(links.line[0]),
            "the columns of transmitter and receiver are exchanged: within each setup the receiver "
            "stays and the transmitter moves; name the tx_ columns rx_ and the rx_ columns tx_",
        )
    else:
        for row in moving:
            yield (
                int(links.line[row]),
                f"the transmitter of setup {links.setups[links.setup[row]]!r} is elsewhere than in "
                f"line {links.line[known[row]]}; a setup has one transmitter",
            )
    for row in np.flatnonzero(links.tx_antenna != links.tx_antenna[known]):
        yield (
            int(links.line[row]),
            f"the transmitter of setup {links.setups[links.setup[row]]!r} has another antenna, or "
            f"port, than in line {links.line[known[row]]}; give the lines of each a setup of their "
            "own",
        )
    carrier = np.nan_to_num(links.frequency, nan=-1.0)
    for row in np.flatnonzero(carrier != carrier[known]):
        if row not in moving:
            yield (
                int(links.line[row]),
                f"the frequency of setup {links.setups[links.setup[row]]!r} is another than in "
                f"line {links.line[known[row]]}; give the lines of each carrier a setup of their "
                "own",
            )


def level_slips(links: Links) -> Iterator[Problem]:
    """Levels stated in dBm that are in another unit, lack a sign, or stand for no reading."""
    rows = np.flatnonzero(np.isfinite(links.rss_dbm))
    if len(rows) == 0:
        return
    values = links.rss_dbm[rows]
    line, low, high = int(links.line[rows[0]]), float(values.min()), float(values.max())
    if max(-low, high) < WATTS_LIKE or (low >= 0.0 and high < 1.0 and len(rows) >= ENOUGH_LEVELS):
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
    others = values[values != 0.0]
    loudest_other = float(others.max()) if len(others) else math.inf
    loud = np.flatnonzero((values > min(IMPOSSIBLE_DBM, max(LOUD_DBM, usual + SIGN_GAP_DB)))
                          | (values == 0.0))  # fmt: skip
    for row in loud:
        number, value = int(links.line[rows[row]]), float(values[row])
        if value > IMPOSSIBLE_DBM:
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
                "missing one; leave the line out, or say --unheard 0",
            )


def too_loud(links: Links) -> Iterator[Problem]:
    """Levels converted from other quantities that nothing can receive."""
    for row in np.flatnonzero(links.rss_dbm > IMPOSSIBLE_DBM).tolist():
        yield (
            int(links.line[row]),
            f"is a level of {links.rss_dbm[row]:g} dBm, more than a watt received; check the "
            "column's unit and the transmit power",
        )


def position_slips(links: Links, scene: SceneModel) -> Iterator[Problem]:
    """Antennas outside the room or inside objects, and coordinates in another unit than metres."""
    order = np.argsort(links.setup, kind="stable")
    start = np.flatnonzero(np.diff(links.setup[order], prepend=-1))
    groups = np.split(order, start[1:])
    campaign = Campaign.from_setups(
        [MeasurementSetup(links.tx[group[0]], links.rx[group]) for group in groups]
    )
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
                    int(links.line[0]),
                    f"the positions lie outside the room, but would lie in it as {unit}; divide "
                    f"them by {scale:.4g} ({room_hint(scene)})",
                )
                return
    for item in found:
        group = groups[item.setup]
        row = group[0 if item.receiver is None else item.receiver]
        hint = f"; {room_hint(scene)}" if "outside" in item.what else ""
        yield int(links.line[row]), f"{item}{hint}"


def _as_powers(values: FloatArray) -> str:
    some = next((float(value) for value in values if value > 0.0), None)
    if some is None:
        return "these are missing values; leave the lines out"
    level = 10.0 * math.log10(some)
    return (
        "these are watts or milliwatts; say which, as in --column rss_w=HEADING or "
        "--column rss_mw=HEADING, or convert them to dBm, 10 log10(P / 1 mW): "
        f"{some:g} W are {level + 30.0:.2f} dBm, {some:g} mW are {level:.2f} dBm"
    )
