"""A table of devices beside a measurement file: the antenna of each transmitter and receiver.

A row has ``device`` (tx or rx), whom it is about (``setup``, and ``x``, ``y``, ``z`` [m]; without
either all of that side; later rows replace earlier ones), and the columns of
:mod:`~vlmrt_dist.campaign.files.antenna_columns` without a prefix; ``look_at_x``, ``look_at_y``,
``look_at_z`` [m] in the place of angles, and ``tx_power_dbm`` of transmitters.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign.antenna import Antenna, PortAverage, antennas_of
from vlmrt_dist.campaign.files.antenna_columns import antennas_of_rows
from vlmrt_dist.campaign.files.cells import names, numbers
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems, shown
from vlmrt_dist.campaign.files.raw_table import read_raw_table
from vlmrt_dist.campaign.files.understanding import Understanding, is_understood, understand
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError, MeasurementFileError

SAME_PLACE = 0.01
"""Positions that differ by less [m] are those of one device."""


def with_devices(
    campaign: Campaign,
    path: str | os.PathLike[str],
    *,
    setups: Sequence[str] | None = None,
    average: PortAverage | None = None,
) -> Campaign:
    """The campaign with the antennas of a table of devices; those it states itself are replaced.

    :param setups: names of the setups [M]; None: 1 to M
    :param average: how the levels of a link's pairs of ports make its level
    :raises MeasurementFileError: with every problem and its line
    """
    problems = Problems()
    options = ReadingOptions()
    raw = read_raw_table(path, lambda heading: is_understood(heading, options), problems)
    if problems:
        raise MeasurementFileError(path, problems.sorted())
    found = understand(raw, options, "tx", problems)
    told = antennas_of_rows(found, "", Path(path).parent, problems)
    if "device" not in found:
        problems.add(0, "it lacks the column device, which says of each row whether it is tx or rx")
    if problems:
        raise MeasurementFileError(path, problems.sorted())
    kinds, which = told or ((Antenna(),), np.zeros(len(raw.lines), np.int64))
    named = setups or [str(m + 1) for m in range(campaign.num_setups)]
    table = _Table(found, named, problems)
    tx = [Antenna()] * campaign.num_setups
    rx = [tx[:1] * campaign.num_receivers for _ in tx]
    for row, line in enumerate(raw.lines.tolist()):
        side, antenna = table.side[row], kinds[which[row]]
        if side not in ("tx", "rx"):
            problems.add(line, f"device must be tx or rx; got {shown(side)}")
            continue
        here = np.argwhere(table.about(row, campaign)).tolist()
        if not here:
            problems.add(line, f"no device of the campaign is this one ({table.words(row)})")
        try:
            for m, *receiver in here:
                if side == "tx":
                    tx[m] = table.aimed(antenna, campaign.tx[m], row)
                else:
                    rx[m][receiver[0]] = table.aimed(antenna, campaign.rx[m, receiver[0]], row)
        except ConfigurationError as error:
            problems.add(line, str(error))
    if problems:
        raise MeasurementFileError(path, problems.sorted())
    try:
        antennas = antennas_of(campaign.present, tx, rx, average)
    except CampaignError as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None
    return campaign.with_these_antennas(antennas)


class _Table:
    """Whom the rows of a table of devices are about, where they look, and their power."""

    def __init__(self, found: Understanding, setups: Sequence[str], problems: Problems) -> None:
        count = len(found.raw.lines)
        self.side = [side.casefold() for side in names(found.column("device"), problems)]
        self._power = self._numbers(found, "tx_power_dbm", count, problems)
        self._target = self._points(found, "look_at_", count, problems)
        self._place = self._points(found, "tx_", count, problems)
        self._setups = list(setups)
        self._setup = [""] * count
        if "setup" in found:
            self._setup = names(found.column("setup"), problems)

    def _numbers(
        self, found: Understanding, name: str, count: int, problems: Problems
    ) -> FloatArray:
        if name not in found:
            return np.full(count, np.nan)
        return numbers(found.column(name), problems).values

    def _points(
        self, found: Understanding, prefix: str, count: int, problems: Problems
    ) -> FloatArray:
        axes = [self._numbers(found, prefix + axis, count, problems) for axis in "xyz"]
        points = np.stack(axes, axis=1)
        stated = np.isfinite(points)
        for row in np.flatnonzero(stated.any(axis=1) & ~stated.all(axis=1)).tolist():
            words = "look_at_" if prefix == "look_at_" else ""
            problems.add(
                found.raw.lines[row], f"{words}x, {words}y and {words}z go together; one is missing"
            )
        return points

    def words(self, row: int) -> str:
        """Whom a row is about, as words."""
        words = [f"setup {shown(self._setup[row])}"] if self._setup[row] else []
        if np.isfinite(self._place[row]).all():
            words.append("at " + ", ".join(f"{x:g}" for x in self._place[row]) + " m")
        return ", ".join(words) or "all"

    def _of_setup(self, row: int) -> BoolArray:
        name = self._setup[row]
        return np.array([not name or each == name for each in self._setups])

    def about(self, row: int, campaign: Campaign) -> BoolArray:
        """[M] the transmitters, or [M, N] the receivers, that a row is about."""
        if self.side[row] == "tx":
            return self._of_setup(row) & self._near(campaign.tx, row)
        near = self._near(np.nan_to_num(campaign.rx, nan=np.inf), row)
        return self._of_setup(row)[:, None] & near & campaign.present

    def _near(self, points: FloatArray, row: int) -> BoolArray:
        place = self._place[row]
        if not np.isfinite(place).all():
            return np.ones(points.shape[:-1], bool)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.linalg.norm(points - place, axis=-1) < SAME_PLACE)

    def aimed(self, antenna: Antenna, position: FloatArray, row: int) -> Antenna:
        """The antenna with the row's power, turned to where it says that it looks.

        :raises ConfigurationError: if it looks at itself, or the row states angles too
        """
        if not np.isnan(self._power[row]):
            antenna = antenna.replace(power_dbm=float(self._power[row]))
        if not np.isfinite(self._target[row]).all():
            return antenna
        if any(antenna.orientation):
            raise ConfigurationError("a device has angles, or a point it looks at, not both")
        return antenna.aimed(position, self._target[row])
