"""Campaigns from measurement files, and campaigns as CSV or Parquet, one line a link.

The columns that are written are ``setup, tx_x, tx_y, tx_z, rx_x, rx_y, rx_z`` [m], ``rss_dbm``
[dBm] (absent in a planned campaign) and optionally ``noise_db`` [dB], ``censored`` (1 where
``rss_dbm`` is only a bound, the receiver's floor; ``<-95`` in ``rss_dbm`` says the same),
``saturated`` (1 where that bound is the receiver's ceiling; ``>-30`` says the same) and
``frequency`` [Hz], one a setup, and the columns of
:mod:`~vlmrt_dist.campaign.files.antenna_columns` where antennas are stated. Below stand the rows of
what was measured beside levels, see :mod:`~vlmrt_dist.campaign.files.observed_rows`. What is read
may be laid out otherwise, see :mod:`~vlmrt_dist.campaign.files.headings`.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.campaign.files.antenna_columns import antenna_columns
from vlmrt_dist.campaign.files.dataframes import DataFrame
from vlmrt_dist.campaign.files.headings import POSITIONS
from vlmrt_dist.campaign.files.observed_rows import add_observables
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.reading import AS_IT_IS, read_measurements
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneLike
from vlmrt_dist.store import write_atomic


def read_campaign(
    source: str | os.PathLike[str] | DataFrame,
    *,
    scene: SceneLike | None = None,
    options: ReadingOptions = AS_IT_IS,
) -> Campaign:
    """The campaign in a measurement file (.csv, .tsv, .txt, .dat, .parquet), or in a data frame.

    Setups are numbered in the order in which they first appear; their lines need not be together.
    Without a column of levels the campaign is a planned one. What was left out, averaged, converted
    or assumed is said in a warning each; :func:`read_measurements` returns these notes instead.

    :param source: path of a file; or a data frame with its columns, of pandas, polars or whatever
        else speaks Arrow
    :param scene: check the positions against it too, so that these problems come with their lines
    :param options: what the file does not say itself
    :raises MeasurementFileError: with every problem and its line number (text: of the file, the
        first being 1; Parquet and data frames: the row, counted from 1)
    """
    reading = read_measurements(source, scene=scene, options=options)
    for note in reading.notes:
        warnings.warn(f"{reading.source}: {note}", stacklevel=2)
    return reading.campaign


def write_campaign(
    campaign: Campaign, path: str | os.PathLike[str], *, setups: Sequence[str] | None = None
) -> Path:
    """Write a campaign as ``.csv`` or ``.parquet``; all digits are kept.

    ``rss_dbm`` is left out of a planned campaign, ``noise_db`` where it is zero everywhere,
    ``censored`` and ``saturated`` where nothing is, ``frequency`` where none is stated. The file
    appears whole or not at all.

    :param setups: name of each setup [M]; None: 1 to M
    :return: the path written
    :raises CampaignError: if the name ends in neither, or there are not M names
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise CampaignError(f"cannot write {target}: its name must end in .csv or .parquet")
    if setups is not None and len(set(setups)) != campaign.num_setups:
        raise CampaignError(f"{campaign.num_setups} setups need as many different names")
    setup, receiver = np.nonzero(campaign.has_level if campaign.is_measured else campaign.present)
    values = np.concatenate([campaign.tx[setup], campaign.rx[setup, receiver]], axis=1)
    names: list[Any] = (
        (setup + 1).tolist() if setups is None else [setups[m] for m in setup.tolist()]
    )
    columns: dict[str, list[Any]] = {"setup": names}
    columns.update(zip(POSITIONS, values.T.tolist(), strict=True))
    if campaign.rss_dbm is not None:
        columns["rss_dbm"] = campaign.rss_dbm[setup, receiver].tolist()
    noise = np.broadcast_to(campaign.noise_db, campaign.present.shape)[setup, receiver]
    if noise.any():
        columns["noise_db"] = noise.tolist()
    if campaign.censored.any():
        columns["censored"] = campaign.censored[setup, receiver].astype(int).tolist()
    if campaign.saturated.any():
        columns["saturated"] = campaign.saturated[setup, receiver].astype(int).tolist()
    if campaign.frequency is not None:
        columns["frequency"] = campaign.frequency[setup].tolist()
    columns |= antenna_columns(campaign, setup, receiver)
    add_observables(columns, campaign, setups)
    return write_atomic(target, (_to_csv if suffix == ".csv" else _to_parquet)(columns))


def _to_csv(columns: dict[str, list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _to_parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, write_page_checksum=True)
    return buffer.getvalue()
