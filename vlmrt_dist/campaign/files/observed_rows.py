"""Rows that are written of what was measured beside levels.

Every row has the link's setup and positions, and of these columns those of its kind; the others are
empty.

    power in a delay bin    delay_ns or, counted from the first path, excess_delay_ns (the middle of
                            the bin), delay_width_ns, rss_dbm, noise_db, censored, bandwidth_hz,
                            bin_floor_dbm
    delay moment            delay_spread_ns, mean_delay_ns or mean_excess_delay_ns; noise_ns
    frequency response      subcarrier_hz, response_re, response_im, response_noise, snapshot,
                            phase_known, timing_known
    its magnitude           subcarrier_hz, magnitude_db, noise_db
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.campaign.files.antenna_columns import antenna_columns
from vlmrt_dist.campaign.files.headings import POSITIONS
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.observables import (
    DelayMoment,
    DelayPower,
    FrequencyResponse,
    Observable,
)

Columns = dict[str, list[Any]]


def add_observables(columns: Columns, campaign: Campaign, setups: Sequence[str] | None) -> None:
    """Append the rows of all observables that were measured.

    :param columns: of the rows of levels
    :param setups: name of each setup [M]; None: 1 to M
    """
    for block in campaign.observables:
        if not np.isfinite(block.measured).all():
            continue
        m, n = block.setup, block.receiver
        own: Columns = {
            "setup": (m + 1).tolist() if setups is None else [setups[i] for i in m.tolist()],
            **dict(zip(POSITIONS, campaign.tx[m].T.tolist() + campaign.rx[m, n].T.tolist(),
                       strict=True)),
            **_columns(block),
            **antenna_columns(campaign, m, n),
        }  # fmt: skip
        if campaign.frequency is not None:
            own["frequency"] = campaign.frequency[m].tolist()
        rows = len(next(iter(columns.values())))
        for name in {**columns, **own}:
            nothing = 0 if name in ("censored", "saturated") else None
            before = columns.get(name, [nothing] * rows)
            columns[name] = before + own.get(name, [nothing] * len(m))


def _columns(block: Observable) -> Columns:
    """Columns of a block, without those of its links."""
    count = len(block)
    if isinstance(block, DelayPower):
        delay = "excess_delay_ns" if block.counted_from == "first_path" else "delay_ns"
        return {
            delay: (0.5 * (block.start_ns + block.stop_ns)).tolist(),
            "delay_width_ns": (block.stop_ns - block.start_ns).tolist(),
            "rss_dbm": block.power_dbm.tolist(),
            "noise_db": _stated(block.noise_db),
            "censored": block.below.astype(int).tolist(),
            "bandwidth_hz": [block.bandwidth_hz] * count,
            "bin_floor_dbm": _stated(block.floor_dbm),
        }
    if isinstance(block, DelayMoment):
        name = "delay_spread_ns"
        if block.moment == "mean":
            first = block.counted_from == "first_path"
            name = "mean_excess_delay_ns" if first else "mean_delay_ns"
        return {name: block.value_ns.tolist(), "noise_ns": _stated(block.noise_ns)}
    if isinstance(block, FrequencyResponse):
        return {
            "subcarrier_hz": block.frequency_hz.tolist(),
            "response_re": block.value.real.tolist(),
            "response_im": block.value.imag.tolist(),
            "response_noise": _stated(block.noise_of_parts),
            "snapshot": block.snapshot.tolist(),
            "phase_known": [int(block.phase == "known")] * count,
            "timing_known": [int(block.timing == "known")] * count,
        }
    return {
        "subcarrier_hz": block.frequency_hz.tolist(),
        "magnitude_db": block.magnitude_db.tolist(),
        "noise_db": _stated(block.noise_db),
    }


def _stated(values: Any) -> list[Any]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
