"""Rows of a measurement file that hold no level: delay bins, delay moments, frequency responses.

A row is power in a delay bin where it has a level and a delay, a frequency response where it has a
subcarrier, and a delay moment where it has one. One file may mix them with rows of levels.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.files.cells import numbers
from vlmrt_dist.campaign.files.headings import squeezed
from vlmrt_dist.campaign.files.links import Links, same_links
from vlmrt_dist.campaign.files.observed_table import ObservedTable
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems
from vlmrt_dist.campaign.files.rows import TableReader
from vlmrt_dist.campaign.observables import (
    LONGEST_NS,
    DelayMoment,
    DelayPower,
    DelayReference,
    FrequencyResponse,
    Observable,
    ResponseMagnitude,
)
from vlmrt_dist.console import counted

SHORTEST_NS = 1e-3
"""Delays [ns] that all lie this near to zero are in another unit."""

LEAST_SUBCARRIER = 1e3
"""Subcarriers [Hz] that all lie this near to the carrier are in another unit."""

_TOLD = {
    "delay": "delay [{unit}], counted from {reference}",
    "delay_width": "width of the delay bin [{unit}]",
    "bandwidth": "bandwidth of the delay bins [{unit}]",
    "bin_floor": "noise in a delay bin [{unit}]",
    "subcarrier": "subcarrier, from the carrier [{unit}]",
    "response_re": "real part of the frequency response",
    "response_im": "imaginary part of the frequency response",
    "magnitude_db": "magnitude of the frequency response [{unit}]",
    "delay_spread": "root-mean-square delay spread [{unit}]",
    "mean_delay": "mean delay [{unit}]",
    "mean_excess_delay": "mean delay after the first path [{unit}]",
    "noise_ns": "standard deviation of the delay [{unit}]",
    "response_noise": "standard deviation of real and imaginary part",
    "snapshot": "number of the snapshot",
    "phase_known": "whether the response's phase is known",
    "timing_known": "whether the response's timing is known",
}


def observed_of(reader: TableReader, row: IntArray, links: Links) -> ObservedTable | None:
    """The observables of a table beside its levels; None if there are none.

    :param row: [n] row of the file that each of ``links`` is of
    """
    found, problems = reader.found, reader.problems
    columns: dict[str, FloatArray] = {}
    for field in _TOLD:
        if field not in found or (field == "delay" and not holds_delay_bins(reader)):
            continue
        column = found.column(field)
        columns[field] = numbers(column, problems).values[row]
    bins = np.zeros(len(links), bool)
    if "delay" in columns and reader.options.delay_bins == "keep":
        bins = np.isfinite(columns["delay"]) & np.isfinite(links.rss_dbm)
    delays = columns.get("delay", np.zeros(0))[bins] if bins.any() else np.zeros(0)
    excess = "delay" in found and squeezed(found.heading("delay")).startswith(("excess", "relat"))
    first = excess or bool((delays < 0.0).any())
    table = ObservedTable(links, columns, bins, "first_path" if first else "transmission")
    if not table.used.any():
        return None
    _check(reader, table)
    _tell(reader, table)
    return table


def holds_delay_bins(reader: TableReader) -> bool:
    """Whether a column holds delays of paths: its unit is stated, and they are shorter than those
    of packets."""
    found = reader.found
    if "delay" not in found or found.column("delay").meaning.unit is None:
        return False
    delays = numbers(found.column("delay"), Problems()).values
    return bool((np.abs(delays[np.isfinite(delays)]) < LONGEST_NS).all())


def _tell(reader: TableReader, table: ObservedTable) -> None:
    words = {"first_path": "the first path", "transmission": "the transmission"}
    for field in table.columns:
        if field == "delay" and not table.bins.any():
            continue
        told = _TOLD[field].format(unit=reader.found.unit(field), reference=words[table.reference])
        reader.use(field, told)
    if table.bins.any():
        links = len(np.unique(same_links(table.links)[table.bins]))
        reader.notes.append(
            f"{counted(int(table.bins.sum()), 'power')} in delay bins of {counted(links, 'link')}, "
            f"delays counted from {words[table.reference]}; --delay-bins sum adds them up to levels"
        )


def _check(reader: TableReader, table: ObservedTable) -> None:
    """Values in another unit, and rows that lack a part."""
    problems, columns, line = reader.problems, table.columns, table.links.line
    if table.bins.any():
        delays = columns["delay"][table.bins]
        if len(np.unique(delays)) > 1 and np.abs(delays).max() < SHORTEST_NS:
            problems.add(
                0,
                f"every delay is below {SHORTEST_NS:g} ns: state the unit, as in --column "
                f"delay_s={reader.found.heading('delay')}",
            )
        for row in np.flatnonzero(table.bins & table.links.saturated).tolist():
            problems.add(
                line[row],
                "a delay bin that saturates the receiver cannot be kept; say --delay-bins sum",
            )
    parts = table.has("response_re"), table.has("response_im")
    for row in np.flatnonzero(parts[0] != parts[1]).tolist():
        problems.add(line[row], "a response needs both response_re and response_im")
    values = parts[0] | table.has("magnitude_db")
    for row in np.flatnonzero(values & ~table.has("subcarrier")).tolist():
        problems.add(line[row], "a response needs its subcarrier (subcarrier_hz)")
    if values.any() and table.has("subcarrier").any():
        far = np.nanmax(np.abs(columns["subcarrier"]))
        unit = reader.found.column("subcarrier").meaning.unit
        if unit is None and 0.0 < far < LEAST_SUBCARRIER:
            heading = reader.found.heading("subcarrier")
            problems.add(
                0,
                f"{heading} reaches {far:g} Hz from the carrier only; if it is in MHz, say "
                f"--column subcarrier_mhz={heading}",
            )


def links_without_level(table: ObservedTable, levels: Links) -> Links:
    """A row for each link of the table that has no level.

    :param levels: links that have one
    """
    some = table.links.take(table.used)
    both = _concatenated(levels, some)
    group = same_links(both)
    _, first = np.unique(group, return_index=True)
    first = np.sort(first[first >= len(levels)])
    none = both.take(first)
    nothing = np.zeros(len(none), bool)
    stated = levels.noise_db[np.isfinite(levels.noise_db)]
    noise = stated[0] if len(stated) and (stated == stated[0]).all() else np.nan
    return dataclasses.replace(
        none,
        rss_dbm=np.full(len(none), np.nan),
        noise_db=np.full(len(none), noise),
        censored=nothing,
        saturated=nothing,
        unheard=nothing,
    )


def _concatenated(first: Links, second: Links) -> Links:
    arrays = {
        each.name: np.concatenate([getattr(first, each.name), getattr(second, each.name)])
        for each in dataclasses.fields(first)
        if each.name not in ("setups", "kinds")
    }
    return Links(setups=first.setups, kinds=first.kinds, **arrays)


def with_links(table: ObservedTable, levels: Links) -> Links:
    """The links with a level, and behind them those that have other values only."""
    return _concatenated(levels, links_without_level(table, levels))


def blocks_of(
    table: ObservedTable, links: Links, place: IntArray, options: ReadingOptions
) -> tuple[Observable, ...]:
    """The observables of a campaign.

    :param links: of the campaign [L], one a link
    :param place: [L, 2] setup and receiver of each
    :raises CampaignError: if values cannot be used
    """
    both = same_links(_concatenated(links, table.links))
    of_group = np.zeros(int(both.max(initial=-1)) + 1, np.int64)
    of_group[both[: len(links)]] = np.arange(len(links))
    at = place[of_group[both[len(links) :]]]
    return (
        *_bins(table, at, options), *_moments(table, at), *_responses(table, at),
        *_magnitudes(table, at),
    )  # fmt: skip


MOMENTS: tuple[tuple[str, Literal["mean", "rms_spread"], DelayReference], ...] = (
    ("delay_spread", "rms_spread", "transmission"),
    ("mean_delay", "mean", "transmission"),
    ("mean_excess_delay", "mean", "first_path"),
)
"""Fields of delay moments."""


def _moments(table: ObservedTable, at: IntArray) -> list[DelayMoment]:
    found = []
    for field, moment, reference in MOMENTS:
        rows = table.has(field)
        if rows.any():
            m, n = at[rows].T
            noise = _column(table, "noise_ns")[rows]
            found.append(DelayMoment(m, n, moment, table.columns[field][rows], noise, reference))
    return found


def _responses(table: ObservedTable, at: IntArray) -> list[FrequencyResponse]:
    rows, column = table.has("response_re"), table.columns
    if not rows.any():
        return []
    phase, timing = (
        field in column and bool((column[field][rows] > 0.0).all())
        for field in ("phase_known", "timing_known")
    )
    m, n = at[rows].T
    response = FrequencyResponse(
        m,
        n,
        column["subcarrier"][rows],
        column["response_re"][rows] + 1j * column["response_im"][rows],
        _column(table, "response_noise")[rows],
        np.nan_to_num(_column(table, "snapshot")[rows]).astype(np.int64),
        "known" if phase else "unknown",
        "known" if timing else "unknown",
    )
    return [response]


def _magnitudes(table: ObservedTable, at: IntArray) -> list[ResponseMagnitude]:
    rows, column = table.has("magnitude_db"), table.columns
    if not rows.any():
        return []
    m, n = at[rows].T
    noise = table.links.noise_db[rows]
    found = ResponseMagnitude(m, n, column["subcarrier"][rows], column["magnitude_db"][rows], noise)
    return [found]


def _column(table: ObservedTable, field: str) -> FloatArray:
    """[n] values of a field; NaN where the file has none."""
    return table.columns.get(field, np.full(len(table.links), np.nan))


def _bins(table: ObservedTable, at: IntArray, options: ReadingOptions) -> list[DelayPower]:
    """Blocks of delay bins, one for each bandwidth."""
    band = np.nan_to_num(_column(table, "bandwidth"), nan=-1.0)
    if options.bandwidth_hz is not None:
        band = np.full(len(band), options.bandwidth_hz)
    floor = _column(table, "bin_floor")
    found = []
    for each in np.unique(band[table.bins]).tolist():
        rows = np.flatnonzero(table.bins & (band == each))
        width = _column(table, "delay_width")[rows]
        start, stop = _edges(at[rows], table.columns["delay"][rows], width)
        links = table.links.take(rows)
        below = links.censored & ~links.saturated
        level = np.where(np.isfinite(floor[rows]), floor[rows], _floors(links, below))
        m, n = at[rows].T
        block = DelayPower(
            m, n, start, stop, links.rss_dbm, links.noise_db, below,
            counted_from=table.reference, floor_dbm=level,
        )  # fmt: skip
        if options.delay_bin_ns is not None:
            block = block.merged(max(1, round(options.delay_bin_ns / block.narrowest)))
        if options.delay_range_db is not None:
            block = block.within(options.delay_range_db)
        found.append(dataclasses.replace(block, bandwidth_hz=each) if each > 0.0 else block)
    return found


def _floors(links: Links, below: BoolArray) -> FloatArray:
    """[n] the lowest floor that a bin of the same link is said to lie below [dBm]; of links that
    have none the lowest of all, NaN where there is none at all."""
    group = same_links(links)
    lowest = np.full(int(group.max(initial=0)) + 1, np.inf)
    np.minimum.at(lowest, group[below], links.rss_dbm[below])
    lowest = np.where(np.isfinite(lowest), lowest, lowest.min(initial=np.inf))
    return np.where(np.isfinite(lowest), lowest, np.nan)[group]


def _edges(at: IntArray, centre: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of bins from their centres: half way to the next bin of the link, where there is one
    at the usual distance."""
    order = np.lexsort((centre, at[:, 1], at[:, 0]))
    sorted_, same = centre[order], (np.diff(at[order], axis=0) == 0).all(axis=1)
    gap = np.where(same, np.diff(sorted_), np.inf)
    usual = np.median(gap[np.isfinite(gap) & (gap > 0.0)]) if (gap > 0).any() else 1.0
    usual = float(usual) if np.isfinite(usual) else 1.0
    near = (gap > 0.5 * usual) & (gap < 1.5 * usual)
    half = np.full(len(centre), 0.5 * usual)
    before, after = sorted_ - half, sorted_ + half
    middle = 0.5 * (sorted_[1:] + sorted_[:-1])
    before[1:] = np.where(near, middle, before[1:])
    after[:-1] = np.where(near, middle, after[:-1])
    start, stop = np.empty(len(centre)), np.empty(len(centre))
    start[order], stop[order] = before, after
    stated = np.isfinite(width)
    return (
        np.where(stated, centre - 0.5 * width, start),
        np.where(stated, centre + 0.5 * width, stop),
    )
