"""Errors of predicted levels, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray

QUANTILES = (0.5, 0.9, 0.95)
"""Shares of the links of whose |error| the bound is told."""

MOST_BINS = 8


@dataclass(frozen=True, eq=False)
class ModelErrors:
    """A model's predictions of L test links.

    :param name: of the model
    :param description: what was fitted, in words
    :param level_dbm: [L] predicted levels, with the offset that was fitted on the test data, if any
    :param error_db: [L] predicted minus measured
    :param low_db: [L] lower end of the 95 % interval of a measured level about the predicted one,
        noise of the link included; None: the model states none
    :param high_db: [L] upper end
    """

    name: str
    description: str
    level_dbm: FloatArray
    error_db: FloatArray
    low_db: FloatArray | None = None
    high_db: FloatArray | None = None

    @property
    def inside(self) -> float:
        """Share of the links whose measured level lies in its interval; NaN: there is none."""
        if self.low_db is None or self.high_db is None:
            return float("nan")
        return float(np.mean((self.low_db <= -self.error_db) & (-self.error_db <= self.high_db)))

    @property
    def mean_db(self) -> float:
        """Mean error."""
        return float(self.error_db.mean())

    @property
    def rms_db(self) -> float:
        """Root mean square error."""
        return root_mean_square(self.error_db)

    @property
    def quantiles_db(self) -> FloatArray:
        """Bounds that :data:`QUANTILES` of the absolute errors keep."""
        return np.quantile(np.abs(self.error_db), QUANTILES)

    def cdf(self) -> tuple[FloatArray, FloatArray]:
        """Absolute errors in ascending order, and the share of links up to each."""
        ordered = np.sort(np.abs(self.error_db))
        return ordered, np.arange(1, len(ordered) + 1) / len(ordered)

    def rms_by(self, group: IntArray, count: int) -> FloatArray:
        """[G] root mean square error of the links of each group [L]; NaN where there is none."""
        there = [self.error_db[group == g] for g in range(count)]
        return np.array([root_mean_square(e) if len(e) else np.nan for e in there])

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        quantiles = zip(QUANTILES, self.quantiles_db.tolist(), strict=True)
        return {
            "name": self.name,
            "fitted": self.description,
            "mean_db": self.mean_db,
            "rms_db": self.rms_db,
            **{f"abs_{100 * share:g}_percent_db": value for share, value in quantiles},
            "inside_95_percent_interval": None if np.isnan(self.inside) else self.inside,
        }


def root_mean_square(values: FloatArray) -> float:
    """√ mean x²."""
    return float(np.sqrt(np.mean(np.square(values))))


def distance_bins(distance: FloatArray) -> FloatArray:
    """Edges [B + 1] of at most :data:`MOST_BINS` equal bins of a round width [m]."""
    low, high = float(distance.min()), float(distance.max())
    scale = 10.0 ** np.floor(np.log10(max(high - low, 1e-9) / MOST_BINS))
    for width in (scale, 2.0 * scale, 5.0 * scale, 10.0 * scale):
        first, last = np.floor(low / width), max(np.ceil(high / width), np.floor(low / width) + 1)
        if last - first <= MOST_BINS:
            break
    return np.asarray(width * np.arange(first, last + 1))
