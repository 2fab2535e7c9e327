"""Measurement tables to campaigns: columns understood, transmitters joined, rows kept or left out.

Nothing is dropped or changed without a note, and every row that cannot be used is a problem with
its line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import IntArray
from vlmrt_dist.campaign.antenna import Antennas
from vlmrt_dist.campaign.files.assembly import links_of
from vlmrt_dist.campaign.files.dataframes import NAME as FRAME
from vlmrt_dist.campaign.files.dataframes import DataFrame, arrow_table, refuse_source
from vlmrt_dist.campaign.files.links import Links
from vlmrt_dist.campaign.files.observed import blocks_of
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.plausibility import (
    contradictions,
    level_slips,
    position_slips,
    too_loud,
)
from vlmrt_dist.campaign.files.problems import Problems
from vlmrt_dist.campaign.files.raw_table import RawTable, raw_table_of, read_raw_table
from vlmrt_dist.campaign.files.rows import TableReader, transmitters_of
from vlmrt_dist.campaign.files.understanding import check_header, is_understood, listed
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, MeasurementFileError
from vlmrt_dist.scene import SceneLike, SceneModel, as_scene

MAX_PADDED_LINKS = 20_000_000
"""Most entries of the padded [M,N] arrays; one setup of very many receivers beside many small ones
would otherwise cost far more memory than its file."""

AS_IT_IS = ReadingOptions()


@dataclass(frozen=True)
class Reading:
    """A campaign, and how its file was understood.

    :param source: the file
    :param setups: name of each setup
    :param columns: headings and what they were taken as, in the order of the file
    :param rows: number of rows of the file
    :param remarks: how its text was read: separator, encoding, decimal comma
    :param notes: what was left out, averaged, converted or assumed, a sentence each
    """

    source: str
    campaign: Campaign
    setups: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    rows: int
    remarks: tuple[str, ...]
    notes: tuple[str, ...]


def read_measurements(
    source: str | os.PathLike[str] | DataFrame,
    *,
    scene: SceneLike | None = None,
    options: ReadingOptions = AS_IT_IS,
) -> Reading:
    """The campaign in a measurement file or a data frame, and how it was understood.

    :param source: path of a file (.csv, .tsv, .txt, .dat, .parquet), or a data frame
    :param scene: check the positions against it too, so that these problems come with their lines
    :param options: what the file does not say itself
    :raises CampaignError: if it is neither
    :raises MeasurementFileError: with every problem and its line number (Parquet and data frames:
        the row, counted from 1)
    """
    if isinstance(source, DataFrame):
        return read_table(arrow_table(source), name=FRAME, scene=scene, options=options)
    if not isinstance(source, (str, os.PathLike)):
        refuse_source(source)
    problems = Problems()
    raw = read_raw_table(source, lambda heading: is_understood(heading, options), problems)
    return _read(raw, None if scene is None else as_scene(scene), options, problems)


def read_table(
    table: Any,
    *,
    name: str = "the table",
    scene: SceneLike | None = None,
    options: ReadingOptions = AS_IT_IS,
) -> Reading:
    """The campaign in a ``pyarrow.Table`` of raw columns; see :func:`read_measurements`.

    :param name: what messages call the table
    :raises MeasurementFileError: with every problem and its row, counted from 1
    """
    problems = Problems()
    raw = raw_table_of(table, name, problems)
    return _read(raw, None if scene is None else as_scene(scene), options, problems)


def _read(
    raw: RawTable, scene: SceneModel | None, options: ReadingOptions, problems: Problems
) -> Reading:
    if problems and raw.table.num_columns == 0:
        raise MeasurementFileError(raw.name, problems.sorted())
    reader = TableReader(raw, options, problems)
    if not check_header(raw, reader.found, problems):
        raise MeasurementFileError(raw.name, problems.sorted())
    transmitters = transmitters_of(reader)
    links = links_of(reader, transmitters)
    if links is not None and len(links) == 0 and not problems:
        left_out = "; ".join(reader.notes)
        problems.add(
            0,
            "the campaign is empty: there is no measurement"
            + (f" ({left_out})" if raw.table.num_rows else ""),
        )
    if links is not None and len(links):
        slips = level_slips if reader.levels_in_dbm else too_loud
        problems.extend([*contradictions(links), *slips(links)])
        if reader.observed is not None and reader.observed.bins.any():
            problems.extend(slips(reader.observed.links.take(reader.observed.bins)))
        if scene is not None:
            problems.extend(position_slips(links, scene))
    if problems or links is None:
        raise MeasurementFileError(raw.name, problems.sorted())
    try:
        campaign = _campaign(links, reader)
    except CampaignError as error:
        raise MeasurementFileError(raw.name, [(0, str(error))]) from None
    columns = tuple((raw.headings[i], text) for i, text in sorted(reader.used.items()))
    ignored = reader.found.unused(set(reader.used))
    if ignored:
        reader.notes.append(f"columns not used: {listed(ignored)}")
    return Reading(
        source=raw.name,
        campaign=campaign,
        setups=tuple(dict.fromkeys(links.setups[code] for code in links.setup)),
        columns=columns,
        rows=raw.table.num_rows,
        remarks=raw.remarks,
        notes=tuple(reader.notes),
    )


def _campaign(links: Links, reader: TableReader) -> Campaign:
    _, first_row, code = np.unique(links.setup, return_index=True, return_inverse=True)
    by_setup = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
    groups = [by_setup[k] for k in np.argsort(first_row)]  # in the order of first appearance
    shape = (len(groups), max(len(group) for group in groups))
    if shape[0] * shape[1] > MAX_PADDED_LINKS:
        raise CampaignError(
            f"{shape[0]} setups padded to {shape[1]} receivers are too many; split the campaign"
        )
    rx = np.full((*shape, 3), np.nan)
    rss, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    present, censored, saturated = (np.zeros(shape, dtype=bool) for _ in range(3))
    place = np.zeros((len(links), 2), np.int64)
    for m, group in enumerate(groups):
        n = len(group)
        rx[m, :n] = links.rx[group]
        rss[m, :n] = links.rss_dbm[group]
        noise[m, :n] = np.nan_to_num(links.noise_db[group])
        present[m, :n] = True
        censored[m, :n] = links.censored[group]
        saturated[m, :n] = links.saturated[group]
        place[group] = np.stack([np.full(n, m), np.arange(n)], axis=1)
    first = [group[0] for group in groups]
    level, carriers = noise[present], links.frequency[first]
    observed = reader.observed
    blocks = () if observed is None else blocks_of(observed, links, place, reader.options)
    return Campaign(
        links.tx[first],
        rx,
        rss_dbm=None if np.isnan(links.rss_dbm).all() else rss,
        noise_db=float(level[0]) if (level == level[0]).all() else noise,
        present=present,
        censored=censored,
        saturated=saturated,
        frequency=None if np.isnan(carriers).any() else carriers,
        antennas=_antennas(links, groups, shape),
        observables=blocks,
    )


def _antennas(links: Links, groups: list[IntArray], shape: tuple[int, int]) -> Antennas | None:
    """The antennas of the links of each setup."""
    if not links.kinds:
        return None
    rx = np.full(shape, -1)
    for m, group in enumerate(groups):
        rx[m, : len(group)] = links.rx_antenna[group]
    return Antennas(links.kinds, links.tx_antenna[[group[0] for group in groups]], rx)
