"""Measurement files: campaigns as CSV or Parquet, one line a link.

The columns are ``setup, tx_x, tx_y, tx_z, rx_x, rx_y, rx_z`` [m], ``rss_dbm`` [dBm] (absent in a
planned campaign) and optionally ``noise_db`` [dB], ``censored`` (1 where ``rss_dbm`` is only the
receiver's floor; ``<-95`` in ``rss_dbm`` says the same) and ``frequency`` [Hz], one a setup.
Nothing is dropped or repaired: every line that cannot be used is reported with its number.
"""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.campaign.files.columns import POSITIONS
from vlmrt_dist.campaign.files.dataframes import NAME, DataFrame, arrow_table
from vlmrt_dist.campaign.files.plausibility import contradictions, level_slips, position_slips
from vlmrt_dist.campaign.files.records import MAX_BYTES, Link, Problem, read_links
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, MeasurementFileError
from vlmrt_dist.scene import SceneLike, SceneModel, as_scene
from vlmrt_dist.store import UnreadableFile, read_limited, write_atomic

MAX_PADDED_LINKS = 20_000_000
"""Most entries of the padded [M,N] arrays; one setup of very many receivers beside many small ones
would otherwise cost far more memory than its file."""


def read_campaign(
    source: str | os.PathLike[str] | DataFrame, *, scene: SceneLike | None = None
) -> Campaign:
    """The campaign in a measurement file, ``.csv`` or ``.parquet``, or in a data frame.

    Setups are numbered in the order in which they first appear; their lines need not be together.
    Without a column ``rss_dbm`` the campaign is a planned one. In a CSV file blank lines are
    allowed and a byte-order mark and either line ending are understood; numbers have a decimal
    point, columns are separated by commas.

    :param source: path of a file; or a data frame with its columns, of pandas, polars or whatever
        else speaks Arrow
    :param scene: check the positions against it too, so that these problems come with their lines
    :raises MeasurementFileError: with every problem and its line number (CSV: of the file, the
        header being line 1; Parquet and data frames: the row, counted from 1)
    """
    model = None if scene is None else as_scene(scene)
    if isinstance(source, DataFrame):
        return _read(NAME, ".parquet", parquet_bytes(arrow_table(source)), model)
    path = os.fspath(source)
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise MeasurementFileError(path, [(0, "its name must end in .csv or .parquet")])
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None
    return _read(path, suffix, content, model)


def _read(path: str, suffix: str, content: bytes, scene: SceneModel | None) -> Campaign:
    problems: list[Problem] = []
    links = read_links(content, suffix, problems)
    if not links and not problems:
        problems.append((0, "the campaign is empty: there is no measurement"))
    if links:
        problems += [*contradictions(links), *level_slips(links)]
        if scene is not None:
            problems += position_slips(links, scene)
    if problems:
        raise MeasurementFileError(path, sorted(problems))
    try:
        return _campaign(links)
    except CampaignError as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None


def write_campaign(campaign: Campaign, path: str | os.PathLike[str]) -> Path:
    """Write a campaign as ``.csv`` or ``.parquet``; all digits are kept.

    Setups are named 1 to M. ``rss_dbm`` is left out of a planned campaign, ``noise_db`` where it
    is zero everywhere, ``censored`` where nothing is, ``frequency`` where none is stated. The file
    appears whole or not at all.

    :return: the path written
    :raises CampaignError: if the name ends in neither
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise CampaignError(f"cannot write {target}: its name must end in .csv or .parquet")
    setup, receiver = np.nonzero(campaign.present)
    values = np.concatenate([campaign.tx[setup], campaign.rx[setup, receiver]], axis=1)
    columns: dict[str, list[Any]] = {"setup": (setup + 1).tolist()}
    columns.update(zip(POSITIONS, values.T.tolist(), strict=True))
    if campaign.rss_dbm is not None:
        columns["rss_dbm"] = campaign.rss_dbm[setup, receiver].tolist()
    noise = np.broadcast_to(campaign.noise_db, campaign.present.shape)[setup, receiver]
    if noise.any():
        columns["noise_db"] = noise.tolist()
    if campaign.censored.any():
        columns["censored"] = campaign.censored[setup, receiver].astype(int).tolist()
    if campaign.frequency is not None:
        columns["frequency"] = campaign.frequency[setup].tolist()
    return write_atomic(target, (_to_csv if suffix == ".csv" else _to_parquet)(columns))


def _to_csv(columns: dict[str, list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _to_parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa

    return parquet_bytes(pa.table(columns))


def parquet_bytes(table: Any) -> bytes:
    """A ``pyarrow.Table`` as a Parquet file."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()


def _campaign(links: list[Link]) -> Campaign:
    by_setup: dict[str, list[Link]] = {}
    for link in links:
        by_setup.setdefault(link.setup, []).append(link)
    shape = (len(by_setup), max(len(group) for group in by_setup.values()))
    if shape[0] * shape[1] > MAX_PADDED_LINKS:
        raise CampaignError(
            f"{shape[0]} setups padded to {shape[1]} receivers are too many; split the campaign"
        )
    tx = np.empty((shape[0], 3))
    rx = np.full((*shape, 3), np.nan)
    rss, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    present, censored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for m, group in enumerate(by_setup.values()):
        n = len(group)
        tx[m] = group[0].tx
        rx[m, :n] = [link.rx for link in group]
        rss[m, :n] = [math.nan if link.rss_dbm is None else link.rss_dbm for link in group]
        noise[m, :n] = [link.noise_db or 0.0 for link in group]
        present[m, :n] = True
        censored[m, :n] = [bool(link.censored) for link in group]
    level = noise[present]
    return Campaign(
        tx,
        rx,
        rss_dbm=None if links[0].rss_dbm is None else rss,
        noise_db=float(level[0]) if (level == level[0]).all() else noise,
        present=present,
        censored=censored,
        frequency=None
        if links[0].frequency is None
        else np.array([group[0].frequency for group in by_setup.values()]),
    )
