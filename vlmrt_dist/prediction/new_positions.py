"""Levels with their intervals at positions where nobody has measured."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import CampaignLike, RadioConfig, as_campaign, check_campaign
from vlmrt_dist.console import MOST_ROWS, listed
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.inference import EstimateLike, calibration_of, level_posterior
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneLike

HEAD = ("setup", "receiver", "level [dBm]", "95 % interval of the mean level",
        "of a measurement", "offset")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Prediction:
    """Levels of L links as an estimate predicts them; NaN where no path arrives.

    The interval of the mean level says how well the estimate knows it: materials, and the offset of
    its setup. That of a measurement is wider by the noise of a single level.

    :param setup: [L] setup of each link, from 0
    :param receiver: [L] receiver within its setup, from 0
    :param tx: [L, 3] transmitter [m]
    :param rx: [L, 3] receiver [m]
    :param level_dbm: [L] levels, offsets that the estimate knows included [dBm]
    :param std_db: [L] standard deviation of the mean level [dB]
    :param low_dbm: [L] lower end of the 95 % interval of the mean level
    :param high_dbm: [L] upper end
    :param measured_low_dbm: [L] lower end of the 95 % interval of a measured level
    :param measured_high_dbm: [L] upper end
    :param noise_db: [L] standard deviation of a measured level about the mean level [dB]
    :param offset_known: [L] whether the estimate knows the offset of the link, or there is none
    :param offset_width_db: standard deviation of an offset that it does not know [dB]
    """

    setup: IntArray
    receiver: IntArray
    tx: FloatArray
    rx: FloatArray
    level_dbm: FloatArray
    std_db: FloatArray
    low_dbm: FloatArray
    high_dbm: FloatArray
    measured_low_dbm: FloatArray
    measured_high_dbm: FloatArray
    noise_db: FloatArray
    offset_known: BoolArray
    offset_width_db: float = 0.0

    def __repr__(self) -> str:
        return f"Prediction({len(self.level_dbm)} links)"

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(
            title=f"Predicted levels of {len(self.level_dbm)} links", title_justify="left"
        )
        for i, name in enumerate(HEAD):
            table.add_column(name.replace("[", r"\["), justify="right" if i < 3 else "left")
        for row in self._cells(MOST_ROWS):
            table.add_row(*row)
        if len(self.level_dbm) > MOST_ROWS:
            table.caption = f"{len(self.level_dbm) - MOST_ROWS} more are in --out FILE and --json"
            table.caption_justify = "left"
        text = io.StringIO()
        console = Console(
            file=text, width=112, no_color=True, highlight=False, force_jupyter=False,
            force_terminal=False,
        )  # fmt: skip
        console.print(table)
        for line in self.remarks():
            console.print(line, soft_wrap=True, markup=False)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        """The table and remarks, for notebooks."""
        rows = self._cells(len(self.level_dbm))
        caption = f"Predicted levels of {len(self.level_dbm)} links"
        return html_table(caption, HEAD, rows, self.remarks())

    def _cells(self, most: int) -> list[tuple[str, ...]]:
        found = []
        for i in range(min(most, len(self.level_dbm))):
            spans = (
                (self.low_dbm[i], self.high_dbm[i]),
                (self.measured_low_dbm[i], self.measured_high_dbm[i]),
            )
            there = math.isfinite(self.level_dbm[i])
            found.append((
                str(self.setup[i] + 1), str(self.receiver[i] + 1),
                f"{self.level_dbm[i]:.1f}" if there else "no path",
                *(f"{low:.1f} … {high:.1f}" if there else "" for low, high in spans),
                "known" if self.offset_known[i] else "not known",
            ))  # fmt: skip
        return found

    def remarks(self) -> list[str]:
        """Remarks beside the table, a sentence a line."""
        lines = [
            "the mean level's interval holds what the estimate leaves open of materials and "
            "offsets; that of a measurement also the noise of one level "
            f"({np.median(self.noise_db):.2g} dB)"
        ]
        lost = np.unique(self.setup[~self.offset_known]) + 1
        if len(lost):
            width = self.offset_width_db
            lines.append(
                f"the offset of setup{'s' if len(lost) > 1 else ''} {listed(list(map(str, lost)))} "
                "was not estimated (another transmitter or receiver): its standard deviation of "
                f"{width:g} dB is in the intervals; measure one level there to know it"
            )
        silent = int(np.isnan(self.level_dbm).sum())
        if silent:
            lines.append(
                f"{silent} links have no path up to the depth of the estimate, so their level is "
                "not known"
            )
        return lines

    def rows(self) -> list[dict[str, Any]]:
        """A row a link; setups and receivers are counted from 1."""
        found = []
        columns = {name: getattr(self, name) for name in COLUMNS}
        for i in range(len(self.level_dbm)):
            row: dict[str, Any] = {
                "setup": int(self.setup[i]) + 1, "receiver": int(self.receiver[i]) + 1
            }  # fmt: skip
            row |= zip(("tx_x", "tx_y", "tx_z"), self.tx[i].tolist(), strict=True)
            row |= zip(("rx_x", "rx_y", "rx_z"), self.rx[i].tolist(), strict=True)
            row |= {name: float(values[i]) for name, values in columns.items()}
            found.append(row | {"offset_known": bool(self.offset_known[i])})
        return found

    def units(self) -> dict[str, str]:
        """Units of the columns of :meth:`rows`."""
        places = dict.fromkeys(("tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z"), "m")
        return places | {name: "dBm" if name.endswith("dbm") else "dB" for name in COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``vlmrt predict --json`` prints them (no NaN: null instead)."""
        rows = [
            {
                name: None if isinstance(value, float) and math.isnan(value) else value
                for name, value in row.items()
            }
            for row in self.rows()
        ]
        return {"links": rows, "units": self.units(), "remarks": self.remarks()}


COLUMNS = (
    "level_dbm", "std_db", "low_dbm", "high_dbm", "measured_low_dbm", "measured_high_dbm",
    "noise_db",
)  # fmt: skip
"""Columns of numbers that a prediction has for each link."""


def predict(
    estimate: EstimateLike,
    scene: SceneLike,
    positions: CampaignLike,
    *,
    noise_db: float | None = None,
    radio: RadioConfig | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Levels at new positions, with two intervals: of the mean level, and of a measurement.

    The posterior of everything that was unknown is propagated to the levels: by their derivatives,
    or by draws where the estimate has them. A setup whose transmitter (or receiver, where offsets
    are shared by those) was measured has the offset that was found for it; another one has an
    offset of the prior's standard deviation.

    :param estimate: an estimate, what :func:`~vlmrt_dist.read_estimate` read of one, or its file
    :param scene: that of the estimate, with the materials from before it
    :param positions: a campaign, the path of a file as ``vlmrt plan`` writes it, or a data frame;
        measured levels are ignored, see :func:`~vlmrt_dist.evaluate`
    :param noise_db: standard deviation of a measured level about the mean level [dB]; default: that
        of the estimate
    :param radio: default: that of the estimate
    :param progress: called along the setups
    :raises SceneError: if it is another scene (the message names what differs)
    :raises CampaignError: if a position does not fit the scene
    :raises ConfigurationError: if the estimate does not carry its posterior
    :raises NoPathsError: if no link has a path
    """
    known = calibration_of(estimate)
    if noise_db is not None and not 0.0 <= noise_db < math.inf:
        raise ConfigurationError("noise_db must be a finite number, not negative")
    if radio is None and known.origin is not None:
        radio = known.origin.radio
    room, radio = scene_and_radio(scene, radio)
    places = as_campaign(positions, room, radio)
    check_campaign(room, places)
    found = level_posterior(room, known, places, radio=radio, progress=progress)
    index = np.flatnonzero(places.present.ravel())
    setup, receiver = np.nonzero(places.present)
    level = found.level_dbm.ravel()[index]
    noise = found.noise_db.ravel()[index]
    if noise_db is not None:
        noise = np.full(len(index), noise_db)
    low, high = found.bounds_db(index)
    measured_low, measured_high = found.bounds_db(index, noise_db=noise)
    return Prediction(
        setup, receiver, places.tx[setup], places.rx[setup, receiver],
        level, found.std_db(index), level + low, level + high,
        level + measured_low, level + measured_high, noise,
        found.known.ravel()[index], found.offset_width_db,
    )  # fmt: skip
